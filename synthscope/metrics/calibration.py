"""Are probabilities honest: calibration errors, reliability curves, temperature scaling, thresholds to transfer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthscope.errors import SynthscopeError

Floats = NDArray[np.float64]
N_BINS = 15
TEMPERATURES = 1e-4, 1e4


def binary(labels: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Labels as bool ``(n,)`` and values as float64 ``(n,)``.

    Raises:
        SynthscopeError: Different lengths, no image, a label that is not 0 or 1, or a value that is not finite.
    """
    y, z = np.asarray(labels), np.asarray(values, dtype=np.float64)
    if y.ndim != 1 or y.shape != z.shape or not y.size:
        raise SynthscopeError(f"Expected one value for each label, got shapes {y.shape} and {z.shape}. Align them.")
    if not np.isin(y, (0, 1)).all():
        raise SynthscopeError("Expected labels 0 (real) or 1 (AI), got others. Map them first.")
    if not np.isfinite(z).all():
        raise SynthscopeError(f"Expected finite values, got {z[~np.isfinite(z)][0]}. Leave out failed images.")
    return y.astype(bool), z


def both_classes(labels: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """:func:`binary`, and a ``SynthscopeError`` when one class is missing."""
    y, z = binary(labels, values)
    if y.all() or not y.any():
        raise SynthscopeError(
            f"Expected real and AI images, got only {'AI' if y.all() else 'real'}. Add the other class."
        )
    return y, z


def probabilities(logits: ArrayLike) -> Floats:
    """Sigmoid in float64, without overflow.

    >>> probabilities([0.0, -800.0]).tolist()
    [0.5, 0.0]
    """
    z = np.asarray(logits, dtype=np.float64)
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1 + small)


def equal_width_bins(p: Floats, bins: int = N_BINS) -> NDArray[np.intp]:
    """Bin ``0..bins-1`` of each probability; ``[k / bins, (k + 1) / bins)``, and the last one includes 1."""
    if ((p < 0) | (p > 1)).any():
        raise SynthscopeError("Expected probabilities in 0..1, got others. Apply the sigmoid to logits first.")
    return np.searchsorted(np.arange(1, bins) / bins, p, side="right")


def ece(labels: ArrayLike, p: ArrayLike, *, bins: int = N_BINS) -> float:
    """Expected calibration error in its binary form: sum of (n_b / N) |mean p - frequency of AI| over equal widths.

    >>> ece([1, 0, 1, 0], [1.0, 1.0, 1.0, 1.0])
    0.5
    """
    y, q = binary(labels, p)
    return float(np.abs(np.bincount(equal_width_bins(q, bins), weights=q - y)).sum() / len(q))


def adaptive_ece(labels: ArrayLike, p: ArrayLike, *, bins: int = N_BINS) -> float:
    """:func:`ece` over bins of equal count: edges are quantiles of ``p``, and equal probabilities share a bin."""
    y, q = binary(labels, p)
    edges = np.quantile(q, np.arange(1, bins) / bins, method="inverted_cdf")
    return float(np.abs(np.bincount(np.searchsorted(edges, q, side="left"), weights=q - y)).sum() / len(q))


class Reliability(NamedTuple):
    """A reliability curve, one entry for each equal-width bin; means are NaN where a bin is empty."""

    mean_p: Floats
    frequency: Floats  # of AI
    n: NDArray[np.intp]


def reliability(labels: ArrayLike, p: ArrayLike, *, bins: int = N_BINS) -> Reliability:
    """Mean probability against frequency of AI in each bin, three arrays ``(bins,)``."""
    y, q = binary(labels, p)
    bin_of = equal_width_bins(q, bins)
    n = np.bincount(bin_of, minlength=bins)
    mean = [np.divide(np.bincount(bin_of, v, bins), n, out=np.full(bins, np.nan), where=n > 0) for v in (q, y)]
    return Reliability(mean[0], mean[1], n)


def fit_temperature(labels: ArrayLike, logits: ArrayLike, *, prior: float | None = None) -> tuple[float, float]:
    """Calibration ``p = sigmoid(logit / temperature + bias)`` by maximum likelihood on held-out images.

    Newton's method on Platt's smoothed targets (Platt 1999; Lin, Lin and Weng 2007), which stay finite on separable
    logits. The temperature is kept within 1e-4..1e4, so that logits that rank backwards give a flat calibration.

    Args:
        labels: ``(n,)``, 1 = AI.
        logits: ``(n,)``.
        prior: Share of AI images where ``p`` is to hold, between 0 and 1. The classes are weighted so that they have
            this ratio, and Platt's targets count the images that the weights are worth (Kish, Survey Sampling, 1965:
            ``(sum w)^2 / sum w^2``). None = the ratio of these images.

    Returns:
        Temperature and bias.
    """
    y, z = both_classes(labels, logits)
    share = np.mean(y) if prior is None else prior
    weight = np.where(y, share / np.mean(y), (1 - share) / np.mean(~y))  # of mean 1
    worth = weight.sum() ** 2 / np.square(weight).sum()
    target = np.where(y, (share * worth + 1) / (share * worth + 2), 1 / ((1 - share) * worth + 2))
    middle = z.mean()
    z = z - middle  # logits that hardly differ would leave slope and bias undetermined
    slope, bias = _newton(np.stack([z, np.ones_like(z)]), target, np.zeros_like(z), weight)
    allowed = min(max(slope, 1 / TEMPERATURES[1]), 1 / TEMPERATURES[0])
    if slope != allowed:  # the likelihood is concave: the constrained optimum lies on the bound
        slope, (bias,) = allowed, _newton(np.ones((1, len(z))), target, allowed * z, weight)
    return float(1 / slope), float(bias - slope * middle)


def half_logit(temperature: float | Floats, bias: float | Floats) -> NDArray[np.float32]:
    """Logit at which ``sigmoid(logit / temperature + bias)`` is 0.5, rounded to float32, in which logits are stored.

    >>> half_logit(2.0, -1.5).item()
    3.0
    """
    return np.asarray(0.0 - temperature * bias, dtype=np.float32)  # 0 -: no negative zero


def calibrated(logits: ArrayLike, temperature: float | Floats, bias: float | Floats) -> NDArray[np.float32]:
    """``sigmoid(logit / temperature + bias)``, above 0.5 exactly where the logit is above :func:`half_logit`.

    Both are rounded to float32 where they are stored: next to the border, rounding alone could set p on its other side
    or on 0.5. There the nearest number on the right side is taken.

    Args:
        logits: Taken as float32, any shape; nan stays nan.
        temperature: One, or one for each logit, as an array of float64.
        bias: As ``temperature``.
    """
    z = np.asarray(logits, dtype=np.float32)
    p = probabilities(z.astype(np.float64) / temperature + bias).astype(np.float32)
    half, above = np.float32(0.5), np.nextafter(np.float32(0.5), np.float32(1))
    return np.where(z > half_logit(temperature, bias), np.maximum(p, above), np.minimum(p, half))


def _newton(features: Floats, target: Floats, offset: Floats, weight: Floats) -> Floats:
    """Logistic regression of ``target (n,)`` on ``features (k, n)``, images weighted, by damped Newton steps."""
    scale = np.maximum(np.abs(features).max(axis=1), np.finfo(float).tiny)
    x, weights = features / scale[:, None], np.zeros(len(features))

    def loss(w: Floats) -> float:
        z = w @ x + offset
        return float(np.sum(weight * (np.logaddexp(0, z) - target * z)))

    for _ in range(100):
        p = probabilities(weights @ x + offset)
        gradient = x @ (weight * (p - target))
        curvature = (x * (weight * p * (1 - p))) @ x.T + 1e-12 * np.eye(len(x))
        step, size, now = np.linalg.solve(curvature, gradient), 1.0, loss(weights)
        while loss(weights - size * step) > now - 1e-4 * size * (gradient @ step) and size > 1e-10:
            size /= 2
        weights = weights - size * step
        if np.abs(gradient @ step) < 1e-12:
            break
    return weights / scale


def best_threshold(labels: ArrayLike, logits: ArrayLike) -> float:
    """Threshold with the highest balanced accuracy, to be chosen on a calibration split and used on the others.

    It lies halfway between two neighbouring logits; of equally good ones the nearest to 0 is taken.

    >>> best_threshold([0, 0, 1, 1], [-4.0, 1.0, 3.0, 9.0])
    2.0
    """
    y, z = both_classes(labels, logits)
    distinct, group = np.unique(z, return_inverse=True)
    real = np.cumsum(np.bincount(group, ~y))  # at or below each distinct logit, hence called real
    ai = np.cumsum(np.bincount(group, y))
    merit = real * ai[-1] - ai * real[-1]  # balanced accuracy, up to constants; exact
    halfway = np.append(distinct[:-1] / 2 + distinct[1:] / 2, distinct[-1])
    best = halfway[merit == merit.max()]
    return float(best[np.argmin(np.abs(best))])
