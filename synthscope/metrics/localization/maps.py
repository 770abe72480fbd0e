"""How well a heatmap finds annotated artifacts in one image: mass, ranks, maxima, overlap and curves over pixels.

Sign policy of all measures: negative relevance is clipped to 0. An image without annotated pixel, and a heatmap
without positive value (:func:`is_blank`), have no score: NaN, to be counted, never averaged as 0.
Ties between pixels are resolved by expected value, so that the order of pixels in memory cannot matter.
All is relative to the pixels given, chance too: of an image that a detector sees in part, give that part alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.localization.curves import Floats, Mask, partial_area, region_weights
from synthscope.metrics.localization.ties import hypergeometric, top_pixels

MAX_FPR = 0.3  # of AUPRO; Bergmann et al., CVPR 2019


def checked(heatmap: ArrayLike, mask: ArrayLike) -> tuple[Floats, Mask]:
    """The heatmap clipped at 0, and the mask: float64 and bool ``(H, W)``.

    Raises:
        SynthscopeError: Shapes that differ or are not ``(H, W)``, no pixel, or relevance that is not finite.
    """
    a, m = np.asarray(heatmap, dtype=np.float64), np.asarray(mask)
    if a.ndim != 2 or a.shape != m.shape or not a.size:
        raise SynthscopeError(
            f"Expected a heatmap and a mask of one shape (H, W), got {a.shape} and {m.shape}. Resize the heatmap."
        )
    if not np.isfinite(a).all():
        raise SynthscopeError(f"Expected finite relevance, got {a[~np.isfinite(a)][0]}. Leave out failed heatmaps.")
    return np.maximum(a, 0), m != 0


def is_blank(heatmap: ArrayLike, mask: ArrayLike) -> bool:
    """Whether an annotated image has a heatmap without positive value, which no measure can score."""
    a, m = checked(heatmap, mask)
    return bool(m.any() and not a.any())


def relevance_mass(heatmap: ArrayLike, mask: ArrayLike) -> float:
    """Share of the relevance that lies on the mask, also called the energy-based pointing game.

    Arras et al., Information Fusion 81 (2022), relevance mass accuracy. A constant map scores the area of the mask.

    Args:
        heatmap: ``(H, W)`` relevance in image pixels.
        mask: ``(H, W)``, not 0 where an artifact is annotated.

    >>> relevance_mass([[3.0, 1.0], [-2.0, 0.0]], [[1, 0], [1, 0]])
    0.75
    """
    a, m = checked(heatmap, mask)
    if not (a.any() and m.any()):
        return np.nan
    a = a / a.max()  # a sum of huge or tiny values would leave the range of floats
    return float(a[m].sum() / a.sum())


def relevance_rank(heatmap: ArrayLike, mask: ArrayLike) -> float:
    """Share of the k most relevant pixels that lie on the mask, k being the number of its pixels.

    Arras et al. (2022), relevance rank accuracy, with the expected value over all orders of equal pixels.
    A constant map scores the area of the mask, wherever that lies.

    >>> relevance_rank([[5.0, 1.0], [1.0, 1.0]], [[1, 1], [0, 0]])
    0.6666666666666666
    """
    a, m = checked(heatmap, mask)
    if not (a.any() and m.any()):
        return np.nan
    k = int(m.sum())
    top = top_pixels(a, m, k)
    return float((top.inside + top.drawn * top.tied_inside / top.tied) / k)


def pointing_game(heatmap: ArrayLike, mask: ArrayLike, *, tolerance: float = 0) -> float:
    """Share of the maxima of the heatmap that lie on the mask or within ``tolerance`` pixels (Euclidean) of it.

    Zhang et al., ECCV 2016, where the tolerance is 15 pixels.

    >>> pointing_game([[2.0, 2.0], [0.0, 1.0]], [[1, 0], [0, 0]])
    0.5
    """
    a, m = checked(heatmap, mask)
    if not (a.any() and m.any()):
        return np.nan
    target = ndimage.distance_transform_edt(~m) <= tolerance if tolerance else m
    return float(target[a == a.max()].mean())


def iou_at_area(heatmap: ArrayLike, mask: ArrayLike, *, area: float | None = None) -> float:
    """Intersection over union of the mask and the most relevant pixels; expected value over orders of equal pixels.

    Args:
        heatmap: ``(H, W)`` relevance.
        mask: ``(H, W)`` annotation.
        area: Fraction of the image that is taken, at least one pixel; None takes the annotated area, an oracle.

    Raises:
        SynthscopeError: An area outside (0, 1].

    >>> iou_at_area([[4.0, 3.0], [2.0, 1.0]], [[1, 0], [1, 0]])
    0.3333333333333333
    """
    if area is not None and not 0 < area <= 1:
        raise SynthscopeError(f"Expected an area in (0, 1], got {area}. Give a fraction of the image, not percent.")
    a, m = checked(heatmap, mask)
    if not (a.any() and m.any()):
        return np.nan
    size = int(m.sum())
    k = size if area is None else max(round(area * a.size), 1)
    top = top_pixels(a, m, k)
    x, p = hypergeometric(top.tied, top.tied_inside, top.drawn)
    both = top.inside + x
    return float(np.sum(p * both / (k + size - both)))


def binarise(heatmap: ArrayLike, *, rule: Literal["half", "otsu"] = "half") -> Mask:
    """The pixels of a heatmap ``(H, W)`` that stand out; none where it is constant.

    ``half`` = above 0.5 after scaling the clipped map to 0..1 by its minimum and maximum, as X-AIGD reports it.
    ``otsu`` = above the split of the values with the greatest variance between the two sides (Otsu 1979), over all
    distinct values rather than a histogram; the lower one of equally good splits.

    Raises:
        UsageError: Another rule.
    """
    if rule not in ("half", "otsu"):
        raise UsageError(f"Expected the rule half or otsu, got {rule!r}. Choose one of them.")
    a, _ = checked(heatmap, np.zeros(np.shape(heatmap)))
    if rule == "half":
        return a - a.min() > (a.max() - a.min()) / 2
    if a.min() == a.max():
        return np.zeros(a.shape, bool)
    v = np.sort(a, axis=None)
    sums, low = np.cumsum(v / v[-1]), np.arange(1, v.size)  # of the lowest 1, 2, … pixels
    gap = (sums[-1] - sums[:-1]) / (v.size - low) - sums[:-1] / low  # between the means of the two sides
    between = gap**2 * low * (v.size - low) * (v[1:] > v[:-1])
    split = np.flatnonzero(between >= between.max() * (1 - 1e-12))[0]
    return a > v[split]


def iou_at_threshold(heatmap: ArrayLike, mask: ArrayLike, *, rule: Literal["half", "otsu"] = "half") -> float:
    """Intersection over union of the mask and :func:`binarise`; 0 for a constant map.

    ``half`` confounds the area of a map with its place: report it beside :func:`iou_at_area`.

    >>> iou_at_threshold([[9.0, 8.0], [1.0, 0.0]], [[1, 0], [0, 0]])
    0.5
    """
    a, m = checked(heatmap, mask)
    if not (a.any() and m.any()):
        return np.nan
    taken = binarise(a, rule=rule)
    return float(np.count_nonzero(taken & m) / np.count_nonzero(taken | m))


def pixel_average_precision(heatmap: ArrayLike, mask: ArrayLike) -> float:
    """Average precision of the pixels, annotated ones being positive; NaN also where all pixels are annotated.

    >>> pixel_average_precision([[4.0, 3.0], [2.0, 1.0]], [[1, 0], [1, 0]])
    0.8333333333333333
    """
    a, m = checked(heatmap, mask)
    if not (a.any() and m.any()) or m.all():
        return np.nan
    annotated, above, tied = _background_above(a, m)
    true = np.cumsum(annotated[::-1])[::-1]
    return float(np.sum(annotated * true / (true + above + tied)) / true[0])


def pixel_auroc(heatmap: ArrayLike, mask: ArrayLike) -> float:
    """Probability that an annotated pixel is more relevant than another; NaN also where all pixels are annotated."""
    a, m = checked(heatmap, mask)
    if not (a.any() and m.any()) or m.all():
        return np.nan
    annotated, above, tied = _background_above(a, m)
    return 1 - float(annotated @ (above + tied / 2) / (annotated.sum() * np.count_nonzero(~m)))


def _background_above(a: Floats, m: Mask) -> tuple[Floats, Floats, Floats]:
    """For each distinct relevance of annotated pixels, rising: how many of them have it, background above it and at it.

    Two sorts of bare values and one sorted search are several times faster than an order of all pixels.
    """
    values, annotated = np.unique(a[m], return_counts=True)
    background = np.sort(a[~m])
    above = background.size - np.searchsorted(background, values, side="right")
    tied = background.size - np.searchsorted(background, values) - above
    return annotated.astype(np.float64), above.astype(np.float64), tied.astype(np.float64)


def aupro(heatmap: ArrayLike, mask: ArrayLike, *, max_fpr: float = MAX_FPR) -> float:
    """Area under the mean recall of the annotated regions over the false positive rate, up to ``max_fpr``, over it.

    Bergmann et al., CVPR 2019. Regions are 8-connected and count alike, however large. The curve is linear between
    the distinct values of the heatmap. NaN also where all pixels are annotated.

    >>> aupro([[4.0, 3.0, 2.0, 1.0]], [[1, 0, 1, 0]], max_fpr=0.5)  # one of two regions before the first false pixel
    0.5
    """
    a, m = checked(heatmap, mask)
    if not (a.any() and m.any()) or m.all():
        return np.nan
    weights, regions = region_weights(m)
    order = np.argsort(-a, axis=None)
    last = np.append(np.flatnonzero(np.diff(a.ravel()[order])), a.size - 1)  # of each group of equal pixels
    recall = np.cumsum(weights.ravel()[order])[last] / regions
    fpr = np.cumsum(~m.ravel()[order])[last] / np.count_nonzero(~m)
    return partial_area(fpr, recall, max_fpr).value


@dataclass(frozen=True)
class Measure:
    """A measure ``(heatmap, mask) -> float`` under its name, and what a map of independent random pixels scores."""

    function: Callable[[ArrayLike, ArrayLike], float]
    title: str
    chance: str
    higher_is_better: bool = True


LOCALIZATION: dict[str, Measure] = {
    "relevance_mass": Measure(relevance_mass, "Relevance mass", "area of the mask"),
    "relevance_rank": Measure(relevance_rank, "Relevance rank", "area of the mask"),
    "pointing_game": Measure(pointing_game, "Pointing game", "area of the mask"),
    "pointing_game_15px": Measure(
        partial(pointing_game, tolerance=15), "Pointing game, 15 px", "area of the mask widened by 15 px"
    ),
    "iou_at_area": Measure(iou_at_area, "IoU at the annotated area", "mean over random sets of the same area"),
    "iou_at_5pct": Measure(partial(iou_at_area, area=0.05), "IoU at 5 % area", "mean over random sets of 5 %"),
    "iou_at_10pct": Measure(partial(iou_at_area, area=0.1), "IoU at 10 % area", "mean over random sets of 10 %"),
    "iou_at_20pct": Measure(partial(iou_at_area, area=0.2), "IoU at 20 % area", "mean over random sets of 20 %"),
    "iou_at_threshold": Measure(iou_at_threshold, "IoU at half of the range", "mean over random halves"),
    "iou_at_otsu": Measure(
        partial(iou_at_threshold, rule="otsu"), "IoU at Otsu's threshold", "mean over random halves"
    ),
    "pixel_average_precision": Measure(pixel_average_precision, "Pixel AP", "a little above the area of the mask"),
    "pixel_auroc": Measure(pixel_auroc, "Pixel AUROC", "0.5"),
    "aupro": Measure(aupro, "AUPRO (FPR up to 0.3)", "about 0.15"),
}
