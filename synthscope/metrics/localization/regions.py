"""Measures of two masks and of single annotated regions: agreement of outlines, and which artifacts a heatmap finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from synthscope.errors import SynthscopeError
from synthscope.metrics.localization.maps import Mask, checked


def boundary_f1(mask_a: ArrayLike, mask_b: ArrayLike, *, tolerance: float) -> float:
    """F1 of two outlines, whose pixels match within ``tolerance`` pixels (Euclidean): fuzzy edges cost nothing.

    Csurka et al., BMVC 2013. The outline is every pixel of a mask with a 4-neighbour outside the mask or the image.

    Args:
        mask_a: ``(H, W)``, not 0 inside.
        mask_b: ``(H, W)``; the measure is the same with both exchanged.
        tolerance: In pixels; Csurka et al. take 0.75 % of the diagonal of the image.

    Returns:
        0..1; 0 where one mask is empty, NaN where both are.

    Raises:
        SynthscopeError: Masks of different shapes, or a negative tolerance.

    >>> boundary_f1([[1, 0, 0, 0]], [[0, 1, 0, 0]], tolerance=1), boundary_f1([[1, 0]], [[0, 1]], tolerance=0)
    (1.0, 0.0)
    """
    a, b = (np.asarray(mask) != 0 for mask in (mask_a, mask_b))
    if a.ndim != 2 or a.shape != b.shape:
        raise SynthscopeError(f"Expected two masks of one shape (H, W), got {a.shape} and {b.shape}. Resize one.")
    if tolerance < 0:
        raise SynthscopeError(f"Expected a tolerance of 0 pixels or more, got {tolerance}. Give a distance in pixels.")
    if not a.any() or not b.any():
        return np.nan if a.any() == b.any() else 0.0
    precision, recall = _near(a, b, tolerance), _near(b, a, tolerance)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _near(a: Mask, b: Mask, tolerance: float) -> float:
    """Share of the outline of ``a`` within ``tolerance`` of the outline of ``b``."""
    outline_a, outline_b = (mask & ~ndimage.binary_erosion(mask) for mask in (a, b))
    return float(np.mean(ndimage.distance_transform_edt(~outline_b)[outline_a] <= tolerance))


def instance_recall(
    heatmap: ArrayLike, instance_masks: Sequence[ArrayLike], *, quantile: float, categories: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Artifacts that a heatmap finds: those whose mean relevance exceeds a quantile of all pixels given.

    Small artifacts reach a high mean by chance more often than large ones: score ``BASELINES`` beside the heatmap.

    Args:
        heatmap: ``(H, W)`` relevance, negative values clipped to 0.
        instance_masks: One ``(H, W)`` mask for each artifact.
        quantile: In 0..1, interpolated linearly between pixels.
        categories: One name for each artifact.

    Returns:
        For each category, how many were found, of how many. Add these over images. Empty for a heatmap without
        positive value.

    Raises:
        SynthscopeError: As :func:`checked`, an artifact without a pixel, or a quantile outside 0..1.

    >>> instance_recall([[4, 3], [1, 0]], [[[1, 1], [0, 0]], [[0, 0], [0, 1]]], quantile=0.5, categories=["a", "b"])
    {'a': (1, 1), 'b': (0, 1)}
    """
    if not 0 <= quantile <= 1:
        raise SynthscopeError(f"Expected a quantile in 0..1, got {quantile}. Give a fraction, not percent.")
    counts: dict[str, tuple[int, int]] = {}
    for number, (mask, category) in enumerate(zip(instance_masks, categories, strict=True)):
        a, m = checked(heatmap, mask)
        if not m.any():
            raise SynthscopeError(f"Expected artifacts of 1 pixel or more, got none in mask {number}. Leave it out.")
        if a.any():
            found, of = counts.get(category, (0, 0))
            counts[category] = found + bool(a[m].mean() > np.quantile(a, quantile)), of + 1
    return counts
