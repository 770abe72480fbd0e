"""Masks as tools store them: cropped to their extent, as PNG text."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np

from synthscope.annotations.mask_files import read_mask
from synthscope.annotations.masks import Mask
from synthscope.annotations.rle import MAX_PIXELS
from synthscope.errors import SynthscopeError


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
