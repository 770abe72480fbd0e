"""What a heatmap scores that knows nothing of the detector: chance, a prior for the centre, and edges.

A measure says little without them: half of all random relevance lies on a mask that covers half of the image.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.special import digamma

from synthscope.errors import UsageError, suggest
from synthscope.metrics.localization.maps import LOCALIZATION, MAX_FPR, iou_at_area

Map = NDArray[np.float32]
CENTRE_SIGMA = 0.25  # of the height and of the width
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def random_map(rgb: NDArray[np.uint8], rng: np.random.Generator) -> Map:
    """Independent uniform relevance, float32 ``(H, W)``, for an image ``(H, W, 3)``."""
    return rng.random(rgb.shape[:2], dtype=np.float32)


def centre_map(rgb: NDArray[np.uint8], rng: np.random.Generator) -> Map:
    """A Gaussian about the centre of the image, its sigma a quarter of each side: float32 ``(H, W)``."""
    y, x = (np.exp(-(((np.arange(n) + 0.5) / n - 0.5) ** 2) / (2 * CENTRE_SIGMA**2)) for n in rgb.shape[:2])
    return np.outer(y, x).astype(np.float32)


def edge_map(rgb: NDArray[np.uint8], rng: np.random.Generator) -> Map:
    """Sobel magnitude of the luma of an image uint8 ``(H, W, 3)``: float32 ``(H, W)``; 0 for an image of one colour.

    Adebayo et al., NeurIPS 2018: many explanations are hard to tell from an edge detector.
    """
    luma = np.round(rgb @ LUMA)  # whole grey levels: rounding errors are no edges
    return np.hypot(ndimage.sobel(luma, axis=0), ndimage.sobel(luma, axis=1)).astype(np.float32)


BASELINES: dict[str, Callable[[NDArray[np.uint8], np.random.Generator], Map]] = {
    "random": random_map,
    "centre": centre_map,
    "edges": edge_map,
}


def chance(name: str, mask: ArrayLike) -> float:
    """Expected score of a map of independent uniform pixels for one mask, without drawing any.

    A measure that takes the expected value over equal pixels gives it for a constant map. A threshold, half of the
    range or Otsu's, takes half of the pixels of a uniform map: there the error is of the order of 1 / pixels.

    Args:
        name: In ``LOCALIZATION``.
        mask: ``(H, W)`` annotation; NaN where the measure has no score for it.

    Raises:
        UsageError: An unknown measure.

    >>> chance("relevance_mass", [[1, 0], [0, 0]]), chance("pixel_auroc", [[1, 0], [0, 0]])
    (0.25, 0.5)
    """
    if name not in LOCALIZATION:
        raise UsageError(f"Expected the name of a measure, got {name!r}. {suggest(name, LOCALIZATION)}")
    m = np.asarray(mask) != 0
    constant = LOCALIZATION[name].function(np.ones(m.shape), m)
    if np.isnan(constant):
        return constant
    if name == "pixel_average_precision":
        return _average_precision(int(m.sum()), m.size)
    if name == "aupro":
        return _aupro(int((~m).sum()), MAX_FPR)
    if name in ("iou_at_threshold", "iou_at_otsu"):
        return iou_at_area(np.ones(m.shape), m, area=0.5)
    return constant


def _average_precision(annotated: int, pixels: int) -> float:
    """Mean over all rankings: the i-th pixel is annotated with p = R/N, one before it then with (R - 1)/(N - 1)."""
    harmonic = float(digamma(pixels + 1) - digamma(1))
    return (harmonic + (annotated - 1) / (pixels - 1) * (pixels - harmonic)) / pixels


def _aupro(background: int, max_fpr: float) -> float:
    """Mean over all rankings: before the j-th of n background pixels, j / (n + 1) of every region is found."""
    steps = max_fpr * background
    whole = floor(steps)
    area = whole * (whole + 1) / 2 + (steps - whole) * (whole + 1)
    return area / (background * (background + 1) * max_fpr)


def lift(name: str, value: float, *, mask: ArrayLike) -> float:
    """How far the score of a heatmap for a mask lies above :func:`chance`; 0 = as good as random, in score units.

    >>> lift("relevance_mass", 0.75, mask=[[1, 0], [0, 0]])
    0.5
    """
    return value - chance(name, mask)
