"""Annotations that are heatmaps: NumPy arrays, grey images, or records of a TFRecord file read where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthscope.annotations.tfrecord import parse_example, parse_tensor, read_record
from synthscope.data.images import MAX_MEGAPIXELS, read_rgb
from synthscope.errors import SynthscopeError

Heatmap = NDArray[np.float32]
RICHHF_KEY = "artifact_map"


def region_heatmap(row: Mapping[str, Any], height: int, width: int) -> Heatmap:
    """Heatmap of one row, resized bilinearly to the image.

    Returns:
        float32 ``(height, width)``, 0..1.

    Raises:
        SynthscopeError: Not a readable map of values from 0 to 1; names the file.
    """
    import cv2

    values = load_heatmap(row["heatmap_path"])
    return values if values.shape == (height, width) else np.asarray(cv2.resize(values, (width, height)), np.float32)


def load_heatmap(path: str) -> Heatmap:
    """The map in ``.npy``, an image file (its grey value / 255), or ``FILE.tfrecord#OFFSET`` (RichHF-18K)."""
    file, hash_sign, offset = path.rpartition("#")
    if hash_sign and ".tfrecord" in file and offset.isdigit():
        return heatmap_of(parse_example(read_record(file, int(offset))), path)
    if not path.endswith(".npy"):
        return read_rgb(path).mean(axis=2, dtype=np.float32) / np.float32(255)
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(stored, np.ndarray):
            raise ValueError("an archive of arrays")
    except (OSError, ValueError, EOFError) as error:
        raise SynthscopeError(f"Expected a NumPy array in {path}, got: {error}. Write it anew.") from error
    return _unit_map(stored, path)


def heatmap_of(features: Mapping[str, list[Any]], where: str) -> Heatmap:
    """The artifact map among the features of a RichHF-18K record: a serialised tensor, or a list of floats."""
    stored = features.get(RICHHF_KEY) or [b""]
    if isinstance(stored[0], bytes):
        return _unit_map(parse_tensor(stored[0], f"{RICHHF_KEY} of {where}"), where)
    side = round(len(stored) ** 0.5)
    return _unit_map(np.asarray(stored, np.float32).reshape((side, side) if side * side == len(stored) else -1), where)


def _unit_map(stored: NDArray[Any], where: str) -> Heatmap:
    """A map ``(H, W)`` or ``(H, W, 1)`` as float32 ``(H, W)`` from 0 to 1: integers are divided by 255."""
    plane = stored[..., 0] if stored.ndim == 3 and stored.shape[2] == 1 else stored
    if plane.ndim != 2 or not 0 < plane.size <= MAX_MEGAPIXELS * 1e6 or plane.dtype.kind not in "fiub":
        raise SynthscopeError(
            f"Expected a heatmap of shape (H, W) in {where}, got {stored.dtype} {stored.shape}. Write it anew."
        )
    scale = 255 if plane.dtype.kind in "iu" else 1
    values = np.asarray(plane, np.float32) / np.float32(scale)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        raise SynthscopeError(
            f"Expected values from 0 to {scale} in the heatmap {where}, got {low * scale:g} to {high * scale:g}. "
            "Divide it by its largest possible value and save it as .npy."
        )
    return values
