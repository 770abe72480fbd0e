"""How alike two heatmaps of one image are, such as those of the clean and of a degraded copy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthscope.annotations.targets import Mask
from synthscope.detectors.input import Placed

STABILITY = ("stability_spearman", "stability_cosine", "stability_iou_10pct")
TOP = 0.9  # quantile above which a pixel belongs to the 10 % that are compared across conditions


def stability(clean: Placed, degraded: Placed) -> list[float]:
    """Spearman's correlation, cosine, and IoU of the pixels above the 90 % quantile, where both looked.

    NaN where one of the two is constant.

    >>> ramp = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    >>> placed = Placed(ramp, np.ones_like(ramp, dtype=bool))
    >>> [round(value, 6) for value in stability(placed, Placed(2 * ramp, placed.seen))]
    [1.0, 1.0, 1.0]
    """
    seen = clean.seen & degraded.seen
    a, b = clean.heat[seen], degraded.heat[seen]
    if not a.size or np.ptp(a) == 0 or np.ptp(b) == 0:
        return [np.nan] * len(STABILITY)
    (rank_a, top_a), (rank_b, top_b) = _ranked(a), _ranked(b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    union = np.count_nonzero(top_a | top_b)
    iou = float(np.count_nonzero(top_a & top_b) / union) if union else np.nan
    return [_cosine(rank_a, rank_b), _cosine(x, y), iou]


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / (np.sqrt(a @ a) * np.sqrt(b @ b)))


def _ranked(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], Mask]:
    """Ranks less their mean, ties at the mean of theirs, and which values lie above the quantile ``TOP``: two ``(n,)``.

    Sorting one integer a pixel, made of value and position, is several times faster than an order of floats.
    """
    bits = (values + np.float32(0)).view(np.uint32)  # -0.0 becomes 0
    rising = np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(1 << 31))
    packed = np.sort(rising.astype(np.uint64) << np.uint64(32) | np.arange(values.size, dtype=np.uint64))
    order, key = (packed & np.uint64(0xFFFFFFFF)).astype(np.intp), packed >> np.uint64(32)
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1]))  # of each run of equal values
    length = np.diff(first, append=values.size)
    ranks = np.empty(values.size)
    ranks[order] = np.repeat(first + (length - values.size) / 2, length)
    return ranks, values > values[order[int(TOP * (values.size - 1))]]
