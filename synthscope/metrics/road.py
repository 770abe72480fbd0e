"""ROAD: does the score follow the heatmap, where removed pixels leave no trace of having been removed?

Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022 (Remove And Debias).
Removed pixels are imputed from their neighbours, with noise, so that the shape of what is missing tells a model little.
A faithful heatmap has a low mean where its most relevant pixels go first (MoRF) and a high one where its least relevant
go first (LeRF).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.calibration import probabilities
from synthscope.metrics.localization.maps import Floats
from synthscope.metrics.perturbation import Images, ranks, relevance, scored

FRACTIONS = 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9  # of the pixels, in the experiments on CIFAR-10
NOISE = 0.01  # standard deviation where white is 1, in the released program
DIRECT, DIAGONAL = 1 / 6, 1 / 12  # weights of a pixel's neighbours


class RoadCurve(NamedTuple):
    """Logits while pixels are removed, the mean of their probabilities, and how it was made."""

    fraction: Floats  # (n + 1,) of the pixels that are removed; the first is 0, the image itself
    logits: Floats  # (n + 1,)
    mean: float  # of the probability of AI over the fractions above 0; NaN for a heatmap without positive value
    order: str


def road_curve(
    score: Callable[[Images], ArrayLike],
    rgb: Images,
    *,
    heatmap: ArrayLike,
    order: Literal["morf", "lerf"],
    fractions: Sequence[float] = FRACTIONS,
    noise: float = NOISE,
    seed: int = 0,
) -> RoadCurve:
    """Score an image while its pixels are removed in the order of a heatmap and imputed from those that stay.

    Args:
        score: Images uint8 ``(B, H, W, 3)`` to logits ``(B,)``, > 0 = AI.
        rgb: uint8 ``(H, W, 3)``.
        heatmap: ``(H, W)`` relevance for AI; negative values are clipped to 0, equal pixels come in random order.
        order: Which pixels go first, the most or the least relevant. (The released program's LeRF at p removes 1 - p.)
        fractions: Shares of the pixels that are removed.
        noise: Standard deviation of what is added to imputed pixels, where white is 1.
        seed: Of the noise and of the order of equal pixels.

    Raises:
        SynthscopeError: An image or a heatmap of another shape, fractions that remove no pixel or all of them, or
            scores that are not ``(B,)`` finite numbers.
        UsageError: Another order.
    """
    if order not in ("morf", "lerf"):
        raise UsageError(f"Expected order morf or lerf, got {order!r}. Choose one.")
    a = relevance(heatmap, rgb)
    counts = np.round(np.asarray(fractions, np.float64) * a.size).astype(np.int64)
    if counts.ndim != 1 or not counts.size or counts.min() < 1 or counts.max() >= a.size:
        raise SynthscopeError(
            f"Expected fractions of {a.size} pixels that remove some and not all, got {fractions}. Stay inside 0..1."
        )
    rank, random = ranks(a, seed), np.random.default_rng([seed, 1])  # another stream than the order's
    images = [rgb]
    for count in counts:
        removed = rank < count if order == "morf" else rank >= a.size - count
        added = 255 * noise * random.standard_normal(rgb.shape) * removed[..., None]
        images.append(np.round(impute(rgb, removed) + added).clip(0, 255).astype(np.uint8))
    logits = scored(score, np.stack(images))
    mean = float(probabilities(logits[1:]).mean()) if a.any() else np.nan
    return RoadCurve(np.r_[0, counts] / a.size, logits, mean, order)


def impute(rgb: NDArray[np.generic], removed: NDArray[np.bool_]) -> Floats:
    """The paper's noisy linear imputation before its noise: removed pixels are weighted means of their neighbours.

    The four direct neighbours weigh 1/6, the four diagonal ones 1/12, over the sum of those that lie in the image;
    removed ones are unknowns of the same sparse system. It takes a second at 224 pixels a side, ten at 512.

    Args:
        rgb: ``(H, W, C)``.
        removed: ``(H, W)``, at least one of them False.

    Returns:
        float64 ``(H, W, C)``, ``rgb`` where nothing is removed.

    >>> ramp = np.arange(5.0)[None, :, None].repeat(5, 0)
    >>> hole = np.zeros((5, 5), bool)
    >>> hole[1:4, 1:4] = True
    >>> bool(np.allclose(impute(np.where(hole[..., None], 99, ramp), hole), ramp))
    True
    """
    if removed.all():
        raise SynthscopeError("Expected pixels to impute from, got none. Remove fewer.")
    beside = [sparse.eye_array(side, k=1) + sparse.eye_array(side, k=-1) for side in removed.shape]
    same = [sparse.eye_array(side) for side in removed.shape]
    direct = sparse.kron(beside[0], same[1]) + sparse.kron(same[0], beside[1])
    weights = (DIRECT * direct + DIAGONAL * sparse.kron(*beside)).tocsr()
    unknown = removed.ravel()
    rows, values = weights[unknown], np.array(rgb, np.float64).reshape(unknown.size, -1)
    if unknown.any():
        system = sparse.diags_array(rows.sum(1)) - rows[:, unknown]
        known = rows[:, ~unknown] @ values[~unknown]
        solved = spsolve(system.tocsc(), known, permc_spec="MMD_AT_PLUS_A")  # symmetric in pattern
        values[unknown] = solved.reshape(known.shape)
    return values.reshape(rgb.shape)
