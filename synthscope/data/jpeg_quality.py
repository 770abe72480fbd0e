"""JPEG quality from the luminance quantisation table: exact for the tables that libjpeg (IJG) writes, else the nearest.

The IJG table of quality q is ``clip((base * s + 50) // 100, 1, 255)`` with ``s = 5000 // q`` below 50 and
``200 - 2 q`` from 50 on (libjpeg ``jcparam.c``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

_BASE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)  # ITU-T T.81, Table K.1


def estimate_quality(table: Sequence[int]) -> int | None:
    """Quality 1..100 whose IJG luminance table is nearest to ``table`` in mean squared difference.

    Args:
        table: 64 quantisation steps in row-major order, as in Pillow's ``image.quantization[0]``.

    Returns:
        The quality, or None where the table does not hold 64 steps. Of equally near ones, the highest.

    >>> estimate_quality([1] * 64)
    100
    """
    return _nearest(tuple(table)) if len(table) == 64 else None


@lru_cache(maxsize=4096)
def _nearest(table: tuple[int, ...]) -> int:
    distance = np.square(_tables() - np.array(table, dtype=np.int64)).sum(axis=1)
    return 100 - int(distance[::-1].argmin())


@lru_cache(maxsize=1)
def _tables() -> np.ndarray:
    """int64 ``(100, 64)``: the IJG luminance tables of qualities 1 to 100."""
    quality = np.arange(1, 101)[:, None]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((np.array(_BASE).reshape(1, 64) * scale + 50) // 100, 1, 255)
