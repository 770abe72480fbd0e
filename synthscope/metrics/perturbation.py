"""Does the score follow the heatmap: insertion and deletion curves of a model that is given as a function.

Deletion replaces the most relevant pixels of an image by a baseline first, insertion restores them first (Petsiuk et
al., RISE, BMVC 2018). A faithful heatmap has a low area under the deletion and a high one under the insertion curve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.calibration import probabilities
from synthscope.metrics.localization.maps import Floats, checked

Images = NDArray[np.uint8]
BLUR = 1 / 20  # sigma of the blurred baseline over the shorter side


class PerturbationCurve(NamedTuple):
    """Logits while pixels are replaced, the area under their probabilities, and how it was made."""

    fraction: Floats  # (steps + 1,) of the pixels that are deleted or inserted, 0 … 1
    logits: Floats  # (steps + 1,)
    auc: float  # of the probability of AI over the fraction, trapezoids; NaN for a heatmap without positive value
    mode: str
    baseline: str
    step: float  # fraction of the pixels that change at once


def perturbation_curve(
    score: Callable[[Images], ArrayLike],
    rgb: Images,
    *,
    heatmap: ArrayLike,
    mode: Literal["deletion", "insertion"],
    baseline: Literal["blur", "mean"] = "blur",
    steps: int = 32,
    batch: int = 16,
    seed: int = 0,
) -> PerturbationCurve:
    """Score an image while its pixels are deleted or inserted in the order of a heatmap.

    Args:
        score: Images uint8 ``(B, H, W, 3)`` to logits ``(B,)``, > 0 = AI.
        rgb: uint8 ``(H, W, 3)``.
        heatmap: ``(H, W)`` relevance for AI; negative values are clipped to 0, equal pixels come in random order.
        mode: What happens to the most relevant pixels first.
        baseline: What stands for a deleted pixel: the image blurred by a Gaussian with sigma = shorter side / 20, or
            the mean colour of the image.
        steps: Number of changes of about equally many pixels.
        batch: Number of images scored at once.
        seed: Of the order of equal pixels.

    Raises:
        SynthscopeError: An image or a heatmap of another shape, more steps than pixels, or scores that are not
            ``(B,)`` finite numbers.
        UsageError: Another mode or baseline.

    >>> white = np.full((4, 4, 3), 255, np.uint8)
    >>> curve = perturbation_curve(lambda x: x.mean((1, 2, 3)) * 0, white, heatmap=np.eye(4), mode="deletion", steps=4)
    >>> curve.fraction.tolist(), curve.auc
    ([0.0, 0.25, 0.5, 0.75, 1.0], 0.5)
    """
    if mode not in ("deletion", "insertion") or baseline not in ("blur", "mean"):
        raise UsageError(
            f"Expected deletion or insertion over blur or mean, got {mode!r} over {baseline!r}. Choose one of each."
        )
    a = relevance(heatmap, rgb)
    if not 1 <= steps <= a.size:
        raise SynthscopeError(f"Expected 1 to {a.size} steps, got {steps}. Take fewer steps than pixels.")
    counts = np.round(np.linspace(0, a.size, steps + 1)).astype(np.int64)
    plain = baseline_image(rgb, baseline)
    first, second = (plain, rgb) if mode == "deletion" else (rgb, plain)
    rank = ranks(a, seed)[..., None]
    logits = np.empty(steps + 1)
    for start in range(0, steps + 1, batch):
        changed = rank < counts[start : start + batch, None, None, None]
        logits[start : start + batch] = scored(score, np.where(changed, first, second))
    auc = float(np.trapezoid(probabilities(logits), counts / a.size)) if a.any() else np.nan
    return PerturbationCurve(counts / a.size, logits, auc, mode, baseline, 1 / steps)


def baseline_image(rgb: Images, baseline: Literal["blur", "mean"]) -> Images:
    """An image ``(H, W, 3)`` without the evidence: blurred (mirrored borders), or its mean colour everywhere."""
    plain = np.broadcast_to(rgb.mean((0, 1)), rgb.shape)
    if baseline == "blur":
        sigma = BLUR * min(rgb.shape[:2])
        plain = ndimage.gaussian_filter(rgb.astype(np.float32), (sigma, sigma, 0))
    return np.round(plain).astype(np.uint8)


def relevance(heatmap: ArrayLike, rgb: Images) -> Floats:
    """A heatmap ``(H, W)`` of ``rgb``, negative values 0. Raises ``SynthscopeError`` for other shapes and types."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise SynthscopeError(f"Expected an image uint8 (H, W, 3), got {rgb.dtype} {rgb.shape}. Decode it first.")
    return checked(heatmap, np.ones(rgb.shape[:2]))[0]


def ranks(a: Floats, seed: int) -> NDArray[np.int64]:
    """Place ``(H, W)`` of each pixel in falling relevance; raster order would favour whatever lies at the top."""
    shuffled = np.random.default_rng(seed).permutation(a.size)
    order = shuffled[np.argsort(-a.ravel()[shuffled], kind="stable")]
    rank = np.empty(a.size, np.int64)
    rank[order] = np.arange(a.size)
    return rank.reshape(a.shape)


def scored(score: Callable[[Images], ArrayLike], images: Images) -> Floats:
    """Logits ``(B,)`` of images. Raises ``SynthscopeError`` unless they are finite, one for each."""
    logits = np.asarray(score(images), dtype=np.float64)
    if logits.shape != (len(images),) or not np.isfinite(logits).all():
        raise SynthscopeError(
            f"Expected {len(images)} finite logits, got {logits.tolist()}. Return one number for each image."
        )
    return logits
