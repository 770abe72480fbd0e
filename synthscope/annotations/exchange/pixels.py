"""Masks as tools store them: cropped to their extent, as PNG text or as runs."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from synthscope.annotations.mask_files import read_mask
from synthscope.annotations.rle import MAX_PIXELS
from synthscope.errors import SynthscopeError

Mask = NDArray[np.bool_]


def extent(mask: Mask) -> tuple[int, int, int, int]:
    """Half-open box ``x0, y0, x1, y1`` around the true pixels; zeros where there are none."""
    if not mask.any():
        return 0, 0, 0, 0
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def paste(crop: Mask, left: int, top: int, height: int, width: int, where: str) -> Mask:
    """A mask ``(height, width)`` that is ``crop`` at (``left``, ``top``) and false elsewhere."""
    rows, columns = crop.shape
    fits = 0 <= left <= width - columns and 0 <= top <= height - rows
    if not fits or height * width > MAX_PIXELS:
        raise SynthscopeError(
            f"Expected a mask inside the image of {width} x {height} pixels in {where}, got {columns} x {rows} at "
            f"{left}, {top}. Correct it."
        )
    mask = np.zeros((height, width), dtype=bool)
    mask[top : top + rows, left : left + columns] = crop
    return mask


def to_png(crop: Mask) -> str:
    """One-bit PNG, base64."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(crop).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def from_png(text: str, where: str) -> Mask:
    """The mask of a base64 PNG; ``where`` names it in errors."""
    return read_mask(base64.b64decode(text), rule="nonzero", name=where)


def to_runs(crop: Mask) -> list[int]:
    """Lengths of runs row by row, zeros first (CVAT).

    >>> to_runs(np.array([[0, 1], [1, 0]], bool))
    [1, 2, 1]
    """
    flat = crop.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    return np.diff([*([0] if flat.size and flat[0] else []), 0, *changes, flat.size]).tolist()


def from_runs(runs: list[int], height: int, width: int, where: str) -> Mask:
    """The crop ``(height, width)`` of :func:`to_runs`."""
    if min(runs, default=0) < 0 or min(height, width) < 0 or sum(runs) != height * width or height * width > MAX_PIXELS:
        raise SynthscopeError(
            f"Expected runs of {width} x {height} pixels in {where}, got {sum(runs)}. Export the mask again."
        )
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
