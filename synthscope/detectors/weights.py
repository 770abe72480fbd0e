"""A detector's state as safetensors bytes and back, and whether weights are exactly those of a network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError

WEIGHTS = "model.safetensors"  # in a detector's folder, or in a Hugging Face repository
COUNTER = "num_batches_tracked"  # of a batch norm


def pack_weights(detector: Detector) -> bytes:
    """Content of ``model.safetensors``, the same for the same numbers on any device.

    Raises:
        SynthscopeError: A number that is finite, but not as float16, which the configuration asks for.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in detector.state_dict().items()}
    if detector.config.stored == "fp16":
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
        if problem := impossible(state):
            raise SynthscopeError(f"Expected weights that float16 can hold, got {problem}. Store them as fp32.")
    return save(state)


def read_weights(file: Path, detector: Detector, sha256: str | None = None) -> dict[str, Tensor]:
    """State of ``file`` that fits ``detector`` exactly.

    Raises:
        SynthscopeError: Absent, truncated or altered file; missing, unexpected or wrongly shaped keys; values that are
            not finite.
    """
    if not file.is_file():
        raise SynthscopeError(f"Expected {file}, got none. Restore the file beside config.json.")
    data = file.read_bytes()
    try:
        state = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise SynthscopeError(f"Expected a whole safetensors file in {file}, got: {error}. Copy it again.") from error
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise SynthscopeError(
            f"Expected the SHA-256 {sha256[:12]}… of config.json for {file}, got another. Copy both files again."
        )
    _check_fit(state, detector.state_dict(), file)
    return state


def _check_fit(state: dict[str, Tensor], wanted: dict[str, Tensor], file: Path) -> None:
    if keys := unmatched(state, wanted):
        raise SynthscopeError(
            f"Expected the {len(wanted)} keys of the architecture in {file}, got {keys}. Use the weights that belong "
            f"to this config.json."
        )
    for key, value in state.items():
        if value.shape != wanted[key].shape:
            raise SynthscopeError(
                f"Expected shape {tuple(wanted[key].shape)} for {key} in {file}, got {tuple(value.shape)}. "
                f"Use the weights that belong to this config.json."
            )
    if problem := impossible(state):
        raise SynthscopeError(f"Expected weights of a network in {file}, got {problem}. Train again.")


def with_counters(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``state``, with the counters of batches in ``wanted`` at 0 where it has none at all, as before torch 0.4.1.

    >>> wanted = {"bn.weight": torch.ones(2), "bn.num_batches_tracked": torch.tensor(7)}
    >>> with_counters({"bn.weight": torch.ones(2)}, wanted)["bn.num_batches_tracked"]
    tensor(0)
    """
    if any(key.endswith(COUNTER) for key in state):
        return dict(state)
    return {**state, **{key: torch.zeros_like(value) for key, value in wanted.items() if key.endswith(COUNTER)}}


def unmatched(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """A key of ``wanted`` that is missing, another that is there, as words after "got"; None if all match."""
    kinds = {"missing": wanted.keys() - state.keys(), "unexpected": state.keys() - wanted.keys()}
    return " and ".join(f"{_first(sorted(keys))} {kind}" for kind, keys in kinds.items() if keys) or None


def misfit(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """What of ``state`` does not fit ``wanted`` exactly, as words after "got"; None if all does."""
    if keys := unmatched(state, wanted):
        return keys
    for key, value in state.items():
        if value.shape != wanted[key].shape:
            return f"shape {tuple(value.shape)} instead of {tuple(wanted[key].shape)} for {key}"
        if value.is_floating_point() != wanted[key].is_floating_point():
            return f"{value.dtype} instead of {wanted[key].dtype} for {key}"
    return None


def unusable(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """What keeps ``state`` from being loaded: a :func:`misfit`, or :func:`impossible` numbers; None if nothing."""
    return misfit(state, wanted) or impossible(state)


def impossible(state: Mapping[str, Tensor]) -> str | None:
    """Numbers that no network holds, and the first key that does, as words after "got"; None if there are none."""
    for key, value in state.items():
        if not torch.isfinite(value).all():
            return f"numbers that are not finite in {key}"
        if key.endswith("running_var") and (value < 0).any():
            return f"a negative variance in {key}"
    return None


def _first(keys: list[str]) -> str:
    return f"{keys[0]} and {len(keys) - 1} more" if len(keys) > 1 else keys[0]
