"""Folders of diffusers pipelines, here or in the cache of the model hub: safetensors alone, no code of their own."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from synthscope.errors import SynthscopeError
from synthscope.generation.contract import Permission
from synthscope.generation.libraries import import_diffusers, offline
from synthscope.runtime.files import read_json, reason
from synthscope.runtime.told import printable

_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5")


class Checkpoint(NamedTuple):
    """A folder that holds a pipeline."""

    folder: Path
    model: str  # hub id, or the folder's name
    revision: str  # commit of the hub, or sha256 of the weights


def find_pipeline(target: str, permission: Permission, *, revision: str = "", variant: str = "") -> Checkpoint:
    """The pipeline at a path, or of a hub id such as ``stabilityai/sd-turbo`` from the cache of ``huggingface_hub``.

    Nothing is downloaded unless ``permission`` says so; then model, licence and size are told on stderr before.

    Raises:
        SynthscopeError: Nothing there, no pipeline, weights that are missing or pickled, or code beside them.
    """
    folder = Path(target).expanduser()
    if folder.exists():
        check_pipeline(folder)
        return Checkpoint(folder, folder.resolve().name, f"sha256:{digest(folder)}")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", target, re.ASCII):
        raise SynthscopeError(
            f"Expected a folder of a pipeline or OWNER/NAME of a model, got {target}. Check the path."
        )
    import huggingface_hub

    if permission.download:
        _download(target, revision, variant)
    try:
        with offline():
            cached = Path(huggingface_hub.snapshot_download(target, revision=revision or None, local_files_only=True))
    except (OSError, ValueError) as error:
        raise SynthscopeError(
            f"Expected a folder {target} or that model in the cache of huggingface_hub, got neither. Add --download, "
            "or correct the path."
        ) from error
    check_pipeline(cached)
    return Checkpoint(cached, target, cached.name)


def _download(target: str, revision: str, variant: str) -> None:
    """Say what it is, then fetch what the pipeline needs of it."""
    import huggingface_hub

    try:
        info = huggingface_hub.model_info(target, revision=revision or None, files_metadata=True)
        licence = getattr(info.card_data, "license", None) or "of unknown licence"
        size = sum(file.size or 0 for file in info.siblings or () if file.rfilename.endswith(".safetensors"))
        told = f"downloading {target} at {info.sha}: licence {licence}, up to {size / 1e9:.1f} GB of weights"
        print(printable(told), file=sys.stderr, flush=True)
        import_diffusers().DiffusionPipeline.download(
            target, revision=revision or None, variant=variant or None, use_safetensors=True
        )
    except Exception as error:  # the hub's client raises those of several libraries
        raise SynthscopeError(
            f"Expected to download {target}, got: {reason(error)}. Check name and network."
        ) from error


def check_pipeline(folder: Path) -> dict[str, Any]:
    """``model_index.json`` of a folder that can be loaded. Raises ``SynthscopeError`` for another one."""
    if not (folder / "model_index.json").is_file():
        raise SynthscopeError(
            f"Expected a diffusers pipeline in {folder}, got no model_index.json. Save one there by save_pretrained."
        )
    parts = read_json(folder / "model_index.json", dict, advice="Download or save the pipeline again.")
    code = next((path for path in sorted(folder.glob("**/*.py"))), None)
    if code is not None or not isinstance(parts.get("_class_name"), str):
        raise SynthscopeError(
            f"Expected a pipeline of diffusers itself in {folder}, got code of its own"
            f"{f' ({code.name})' if code else ''}, which is never run. Use another pipeline."
        )
    for name, part in parts.items():
        if isinstance(part, list) and len(part) == 2 and all(isinstance(word, str) for word in part):
            _check_part(folder / name)
    return parts


def _check_part(folder: Path) -> None:
    if not folder.is_dir():
        raise SynthscopeError(f"Expected a part of a pipeline in {folder}, got no folder. Save the pipeline again.")
    names = sorted(path.name for path in folder.iterdir())
    if "config.json" not in names or any(name.endswith(".safetensors") for name in names):
        return  # a scheduler or a tokenizer, or a network with weights
    pickled = next((name for name in names if name.endswith(_PICKLES)), None)
    found = f"only {pickled}, which could run code" if pickled else "no weights"
    raise SynthscopeError(
        f"Expected a .safetensors file in {folder}, got {found}. Save the pipeline again with safe_serialization=True."
    )


def digest(folder: Path) -> str:
    """Of all weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("**/*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
