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


def pack_weights(detector: Detector) -> bytes:
    """Content of ``model.safetensors``, the same for the same numbers on any device."""
    return save({key: value.detach().cpu().contiguous() for key, value in detector.state_dict().items()})


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
    if broken := not_finite(state):
        raise SynthscopeError(f"Expected finite numbers for {broken} in {file}, got nan or inf. Train again.")


def unmatched(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """Which keys of ``wanted`` are missing and which others there are, as words after "got"; None if all match."""
    missing, unexpected = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    return f"{_few(missing)} missing and {_few(unexpected)} unexpected" if missing or unexpected else None


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
    """What keeps ``state`` from being loaded: a :func:`misfit`, or numbers that are not finite; None if nothing."""
    if (problem := misfit(state, wanted)) is None and (key := not_finite(state)):
        return f"numbers that are not finite in {key}"
    return problem


def not_finite(state: Mapping[str, Tensor]) -> str | None:
    """The first key whose values are not all finite."""
    return next((key for key, value in state.items() if not torch.isfinite(value).all()), None)


def _few(keys: list[str]) -> str:
    return f"{len(keys)} ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})" if keys else "none"
