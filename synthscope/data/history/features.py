"""What happened to pixels before: features that tell earlier compressions and resamplings, as little as possible else.

A view that compresses both classes once more makes their files alike, not their pixels: what was a JPEG file is
compressed for the second time, what was lossless for the first. Nothing here knows formats or files, only pixels. The
upsampling of a generator leaves traces of the same kind as a resize; nothing here tells the two apart.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from synthscope.data.history.chroma import chroma_features
from synthscope.data.history.coefficients import coefficient_features
from synthscope.data.history.lattice import lattice_features
from synthscope.data.history.recompression import recompression_features
from synthscope.data.history.resampling import resampling_features
from synthscope.errors import SynthscopeError

SMALLEST = 64  # pixels of the shorter side; below it there are too few blocks for shares and spectra
LARGEST = 512  # pixels of a side that are looked at
SMALL = 256  # the same for round trips and chroma, which cost most; 1024 blocks give shares to within 0.03


def history_features(rgb: np.ndarray) -> dict[str, float]:
    """Traces of compression and resampling in the centre of a picture.

    Args:
        rgb: uint8 ``(H, W, 3)``, as the view shows it; what counts is its corner, where JPEG's grid begins.

    Returns:
        Name in words -> value; the same names in the same order for every picture, all finite; all NaN where a side is
        shorter than ``SMALLEST``.

    Raises:
        SynthscopeError: Pixels of another shape or type.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise SynthscopeError(f"Expected uint8 (H, W, 3) pixels, got {rgb.dtype} {rgb.shape}. Convert to RGB.")
    if min(rgb.shape[:2]) < SMALLEST:
        return dict.fromkeys(trace_names(), float("nan"))
    picture, small = centre(rgb, LARGEST), centre(rgb, SMALL)
    return {
        **recompression_features(small),
        **coefficient_features(picture),
        **lattice_features(picture),
        **chroma_features(small),
        **resampling_features(picture),
    }


@cache
def trace_names() -> tuple[str, ...]:
    """What :func:`history_features` measures, in words and in its order."""
    return tuple(history_features(np.zeros((SMALLEST, SMALLEST, 3), np.uint8)))


def centre(rgb: np.ndarray, side: int) -> np.ndarray:
    """At most ``side`` x ``side`` pixels around the middle, from a multiple of 16 on, in whole blocks of 8 x 8.

    >>> centre(np.zeros((100, 700, 3), np.uint8), 512).shape
    (96, 512, 3)
    """
    kept = [min(length, side) // 8 * 8 for length in rgb.shape[:2]]
    # 16, not 8: chroma at half resolution has its blocks there
    starts = [(length - keep) // 2 // 16 * 16 for length, keep in zip(rgb.shape[:2], kept, strict=True)]
    return np.ascontiguousarray(rgb[starts[0] : starts[0] + kept[0], starts[1] : starts[1] + kept[1]])
