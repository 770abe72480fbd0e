"""Published checkpoints as detector folders: every key and shape checked, two outputs made one logit, provenance kept.

A file that does not fit exactly is refused; nothing is ever loaded in part. Only the counters of batches may be absent.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from synthscope.detectors.card import model_card
from synthscope.detectors.checkpoints import State, read_checkpoint
from synthscope.detectors.downloads import weights_file
from synthscope.detectors.hub import create_detector, save_detector
from synthscope.detectors.published.convert import other_constant
from synthscope.detectors.published.entry import Published
from synthscope.detectors.published.table import PUBLISHED, published, published_table
from synthscope.detectors.shapes import shapes_only
from synthscope.detectors.weights import impossible, misfit, with_counters
from synthscope.errors import SynthscopeError, UsageError

__all__ = ["PUBLISHED", "import_checkpoint", "names_that_fit", "published_table"]


def import_checkpoint(
    file: str | Path,
    *,
    as_: str,
    out: str | Path,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    input: Mapping[str, Any] | None = None,
    ai_index: int | None = None,
    backbone: str | Path | None = None,
) -> Path:
    """Write a detector folder from a published checkpoint.

    Args:
        file: Plain tensors, ``.pth`` or ``.safetensors``, as published; ``hf-hub:OWNER/NAME[@REVISION]`` is downloaded,
            after its licence was said on standard error.
        as_: A name in ``PUBLISHED``.
        out: Detector folder; an older detector in it is replaced.
        name: Name in tables and reports; ``as_`` if None.
        options: Of the architecture, where they differ from the published ones.
        input: Fields of the input, where they differ from the published ones.
        ai_index: Which of two outputs is AI, where it differs from the published one.
        backbone: Weights of the frozen backbone, where ``file`` holds the head alone.

    Returns:
        ``out``; its README names the source, its licence and the SHA-256 of ``file``.

    Raises:
        UsageError: Unknown name, option or field; no such file; something needed is not given, or the reverse.
        SynthscopeError: Not a checkpoint of plain tensors, one that does not fit exactly, or impossible numbers in it.
    """
    entry = published(as_)
    ai_output = entry.ai_output(ai_index)
    file = _fetched(str(file), entry, as_)
    original, digest = _read_parts(file, entry, as_) if entry.parts else read_checkpoint(file)
    state = entry.rename(original)
    head_only = entry.is_head(state)
    if head_only != (backbone is not None):
        raise _backbone_error(entry, as_, Path(file), head_only=head_only)
    weights = {} if backbone is None else {"weights": str(Path(backbone))}
    detector = create_detector(
        entry.architecture,
        name=name or as_,
        options={**entry.options, **(options or {}), **weights},
        input={**entry.input, **(input or {})},
    )
    net = detector.get_submodule("net")
    state = with_counters(state, net.state_dict())
    if problem := _misfit(state, entry, net):
        raise _misfit_error(problem, as_, Path(file), keys=len(net.state_dict()), others=names_that_fit(original))
    if problem := impossible(state):
        raise SynthscopeError(f"Expected weights of a network in {file}, got {problem}. Download the file again.")
    if key := other_constant(state, net):
        raise SynthscopeError(
            f"Expected the published constants of {as_} in {file}, got other values for {key}, so a variant of the "
            f"code wrote it. Score it with that code."
        )
    net.load_state_dict({**net.state_dict(), **entry.to_logit(state, ai_output)})
    changes = {"licence": entry.licence, "options": {**detector.config.options, **dict.fromkeys(weights)}}
    detector.config = detector.config.model_copy(update=changes)
    facts = [
        f"Imported as `{as_}` from `{Path(file).name}`, SHA-256 `{digest}`",
        f"Source: {entry.source}",
        *([f"Backbone: `{Path(backbone).name}`, {entry.backbone}"] if backbone else []),
        f"Conversion: {entry.meaning(ai_output)}",
        *([f"Test rule: {entry.rule}"] if entry.rule else []),
    ]
    card = model_card(detector.config) + "\n## Provenance\n\n" + "".join(f"- {fact}\n" for fact in facts)
    save_detector(detector, out, card=card)
    return Path(out)


def _read_parts(folder: Path, entry: Published, as_: str) -> tuple[State, str]:
    """The files of a folder as one state, and their SHA-256."""
    if missing := [name for name in entry.parts if not (folder / name).is_file()]:
        raise UsageError(
            f"Expected a folder with {', '.join(entry.parts)} as {as_}, got {folder} without {missing[0]}. Unpack the "
            f"published archive and name the folder in it."
        )
    state: State = {}
    digests = []
    for name, prefix in (entry.parts | entry.beside).items():
        if name in entry.beside and (not (folder / name).is_file() or any(key.startswith(prefix) for key in state)):
            continue
        part, digest = read_checkpoint(folder / name)
        state |= {prefix + key: value for key, value in part.items()}
        digests.append(digest)
    return state, " ".join(digests)


def _fetched(file: str, entry: Published, as_: str) -> Path:
    if not file.startswith("hf-hub:"):
        return Path(file)
    print(f"{as_}: downloading {entry.hub_file} of {file}; licence of the weights: {entry.licence}", file=sys.stderr)
    return weights_file(file, name=entry.hub_file)


def names_that_fit(state: State) -> list[str]:
    """Names in ``PUBLISHED`` whose keys and shapes are exactly those of the unwrapped ``state``."""
    names = []
    for name, entry in PUBLISHED.items():
        if f"{entry.head}.weight" not in entry.rename(state):
            continue  # before a network of perhaps a billion weights is described
        with shapes_only():
            detector = create_detector(entry.architecture, options=entry.options, input=entry.input)
            net = detector.get_submodule("net")
            renamed = with_counters(entry.rename(state), net.state_dict())
        if _misfit(renamed, entry, net) is None:
            names.append(name)
    return names


def _misfit(state: State, entry: Published, net: nn.Module) -> str | None:
    wanted = entry.layout(net.state_dict())
    if entry.is_head(state):
        wanted = entry.trained_part(wanted)
    return misfit(state, wanted)


def _misfit_error(problem: str, as_: str, file: Path, *, keys: int, others: list[str]) -> SynthscopeError:
    advice = "No published detector has these keys; see synthscope detectors list --published."
    if others:
        advice = f"These are the keys of {' or '.join(others)}: use --as {others[0]}."
    return SynthscopeError(f"Expected the {keys} keys of {as_} in {file}, got {problem}. {advice}")


def _backbone_error(entry: Published, as_: str, file: Path, *, head_only: bool) -> UsageError:
    if head_only:
        return UsageError(f"Expected a backbone for the head in {file}, got none. Give --backbone: {entry.backbone}.")
    return UsageError(f"Expected no backbone for {as_}, got one: {file} is not a head alone. Remove --backbone.")
