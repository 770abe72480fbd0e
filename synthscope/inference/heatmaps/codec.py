"""Heatmaps as arrays that fit in 60 KB at 224 x 224, whatever is on them, and back without torch.

- Maps smaller than the input, of which a heatmap is the enlargement: themselves, float32. Reading enlarges them again.
- Half precision after division by a power of two, so that tiny gradients survive, where it can be compressed enough.
- Else equally spaced levels with 0 among them: of 2 ** 16 down to 2 ** 9 the most that fit. The error is at most
  1/255 of the heatmap's greatest magnitude, and that just below the maximum alone, which no other value shares; else
  1/510. Two planes of bytes, low and high.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
BITS = 9.25  # a pixel as zlib's fastest mode packs them; what is written then stays below 9.5
PIXELS = 224**2  # smaller heatmaps may have as many bytes as one of this size
MOST_BITS, LEAST_BITS = 16, 9


class Maps(NamedTuple):
    """A heatmap as maps whose bilinear enlargements to ``size``, rows and columns, add up to it."""

    maps: tuple[Floats, ...]  # (h', w') each
    size: tuple[int, int]


class Stored(NamedTuple):
    """What :func:`decode` makes a heatmap of."""

    arrays: tuple[NDArray[Any], ...]  # float32 or float16 (h', w'); or uint8 (2, h, w)
    scale: float  # to multiply by
    lowest: int = 0  # level that is stored as 0


def encode(heatmap: Maps) -> Stored:
    """The most exact form of a finite heatmap that is small enough."""
    maps, size = heatmap
    most = BITS / 8 * max(math.prod(size), PIXELS)
    if any(each.shape != size for each in maps) and 4 * sum(each.size for each in maps) <= most:
        return Stored(tuple(np.asarray(each, np.float32) for each in maps), 1.0)
    heat = enlarged(maps, size)
    scale = 2.0 ** float(np.frexp(np.abs(heat).max())[1])
    half = (heat / scale).astype(np.float16)
    return Stored((half,), scale) if _packed(half) <= most else _levels(heat, most)


def _levels(heat: Floats, most: float) -> Stored:
    bits, values = MOST_BITS, heat.astype(np.float64)
    while True:
        step = float(values.max() - values.min()) / (2**bits - 2)
        levels = np.rint(values / step).astype(np.int64)
        highest, lowest = int(levels.max()), int(levels.min())
        levels[(levels == highest) & (values < values.max())] -= 1  # else ties would share the maximum
        codes = (levels - lowest).clip(0).astype(np.uint16)
        planes = np.stack([codes & 255, codes >> 8]).astype(np.uint8)
        excess = math.ceil(8 * (_packed(planes) - most) / codes.size)  # bits a pixel
        if excess <= 0 or bits == LEAST_BITS:
            return Stored((planes,), step, lowest)
        bits = max(LEAST_BITS, bits - excess)


def _packed(array: NDArray[Any]) -> int:
    return len(zlib.compress(array.tobytes(), 1))


def decode(stored: Stored, size: tuple[int, int] | None) -> Floats:
    """float32 ``(h, w)``; of ``size`` rows and columns where it is given."""
    maps = [
        ((array[0] + 256.0 * array[1] + stored.lowest) * stored.scale).astype(np.float32)
        if array.dtype == np.uint8
        else array.astype(np.float32) * np.float32(stored.scale)
        for array in stored.arrays
    ]
    return enlarged(maps, size or maps[0].shape)


def enlarged(maps: Sequence[Floats], size: tuple[int, ...]) -> Floats:
    """The sum of maps, each brought to ``size`` as :func:`synthscope.explainers.base.upsample` does."""
    rows, columns = size
    layers = [
        each if each.shape == size else cv2.resize(each, (columns, rows), interpolation=cv2.INTER_LINEAR)
        for each in maps
    ]
    return np.asarray(layers[0] if len(layers) == 1 else np.sum(layers, axis=0), np.float32)
