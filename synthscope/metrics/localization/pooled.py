"""Curves over the pixels of all images together: average precision, AUROC and AUPRO of a data set in one pass.

Pixels are counted in bins of equal relative width, the upper bits of the float32 relevance, so that neither the range
of a data set nor its size matters. Pixels of one bin count as equal: exact for heatmaps stored as float16, otherwise
every figure comes with bounds. 0 has a bin of its own. Relevance is compared across images as it is: scale the heatmaps
first where that makes no sense.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma

from synthscope.errors import SynthscopeError
from synthscope.metrics.localization.curves import Bounded, Floats, Mask, partial_area, region_weights
from synthscope.metrics.localization.maps import MAX_FPR, checked

DROPPED_BITS = 13  # of the 23 of a float32's fraction; the 10 that stay are those of a float16
BINS = 1 << (31 - DROPPED_BITS)


class PooledPixels(NamedTuple):
    """Histograms over relevance, float64 ``(BINS,)``, rising; and how many images they hold."""

    background: Floats  # pixels without annotation
    annotated: Floats  # annotated pixels
    regions: Floats  # annotated pixels, each 1 / size of its region
    n_regions: int
    n: int
    n_blank: int  # annotated images left out because their heatmap has no positive value
    n_excluded: int  # images left out because nothing is annotated


def pool_pixels(images: Iterable[tuple[ArrayLike, ArrayLike]]) -> PooledPixels:
    """Count the pixels of many images; memory does not grow with their number.

    Args:
        images: Pairs of a heatmap ``(H, W)``, whose negative values are clipped to 0, and a mask ``(H, W)``.

    Raises:
        SynthscopeError: As :func:`checked`, or relevance beyond the range of float32.
    """
    background, annotated, regions = np.zeros((3, BINS))
    n_regions = n = n_blank = n_excluded = 0
    for heatmap, mask in images:
        a, m = checked(heatmap, mask)
        if not m.any():
            n_excluded += 1
        elif not a.any():
            n_blank += 1
        else:
            bins, (weights, found) = _bins(a), region_weights(m)
            background += np.bincount(bins[~m], minlength=BINS)
            annotated += np.bincount(bins[m], minlength=BINS)
            regions += np.bincount(bins[m], weights[m], minlength=BINS)
            n_regions, n = n_regions + found, n + 1
    return PooledPixels(background, annotated, regions, n_regions, n, n_blank, n_excluded)


def _bins(a: Floats) -> NDArray[np.uint32]:
    """Bin of each non-negative value: the bits of a float32, read as an integer, rise with it."""
    if a.max() > np.finfo(np.float32).max:
        raise SynthscopeError(f"Expected relevance that float32 can hold, got {a.max():.3g}. Scale the heatmaps.")
    bits = a.astype(np.float32).view(np.uint32) & np.uint32(0x7FFFFFFF)  # -0.0 is 0
    return np.maximum(bits >> np.uint32(DROPPED_BITS), a > 0)  # tiny values are not 0


def _falling(pooled: PooledPixels) -> tuple[Floats, Floats, Floats, Mask]:
    """Background, annotated pixels and region weights of the bins that hold any, most relevant first; and which is 0.

    Raises:
        SynthscopeError: No annotated pixel, or none without annotation.
    """
    used = np.flatnonzero(pooled.background + pooled.annotated)[::-1]
    if not pooled.annotated.any() or not pooled.background.any():
        raise SynthscopeError(
            f"Expected pixels with and without annotation, got {pooled.n} usable images with one kind. Add images."
        )
    return pooled.background[used], pooled.annotated[used], pooled.regions[used], used == 0


def pooled_auroc(pooled: PooledPixels) -> Bounded:
    """Probability that an annotated pixel of any image is more relevant than another pixel of any image.

    >>> pooled_auroc(pool_pixels([([[3.0, 1.0]], [[1, 0]]), ([[2.0, 9.0]], [[1, 0]])])).value
    0.5
    """
    background, annotated, _, zero = _falling(pooled)
    fpr, recall = np.cumsum(background) / background.sum(), np.cumsum(annotated) / annotated.sum()
    return partial_area(fpr, recall, 1.0, exact=zero)


def pooled_aupro(pooled: PooledPixels, *, max_fpr: float = MAX_FPR) -> Bounded:
    """:func:`synthscope.metrics.localization.maps.aupro` over the regions and the background of all images."""
    background, _, regions, zero = _falling(pooled)
    fpr, recall = np.cumsum(background) / background.sum(), np.cumsum(regions) / pooled.n_regions
    return partial_area(fpr, recall, max_fpr, exact=zero)


def pooled_average_precision(pooled: PooledPixels) -> Bounded:
    """Average precision of the pixels of all images, annotated ones being positive.

    Inside a bin the i-th of p annotated pixels has at least the precision after all background, and at most that of
    all p without any background.
    """
    background, annotated, _, zero = _falling(pooled)
    true, false = np.cumsum(annotated), np.cumsum(background)
    before, total = true - annotated, true[-1]
    harmonic = digamma(true + false + 1) - digamma(before + false + 1)  # sum of 1 / (before + i + false), i = 1 … p
    value = annotated * true / (true + false)
    low = np.where(zero, value, annotated - false * harmonic)
    high = np.where(zero, value, annotated * true / np.maximum(true + false - background, 1))
    return Bounded(*(float(np.sum(part) / total) for part in (value, low, high)))
