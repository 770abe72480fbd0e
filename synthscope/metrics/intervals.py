"""Intervals: Wilson's for rates, and a stratified percentile bootstrap over groups for every detection metric.

A replicate is a count for each image, drawn once and used for all columns (detectors, conditions), so that differences
and means of columns are paired. Images of one group are drawn together (``resampling``), and Wilson's interval counts
what they are worth.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from synthscope.errors import SynthscopeError
from synthscope.metrics.calibration import probabilities
from synthscope.metrics.detection import metric_named
from synthscope.metrics.replicates import MOST, Column, Counts
from synthscope.metrics.resampling import Units, draw_counts, units_of

Floats = NDArray[np.float64]
Z_95 = 1.959963984540054
BLOCK = 1 << 21  # image x replicate cells that a thread handles at once
DRAWN = 1 << 28  # cells of counts held at once


def wilson(k: float, n: float) -> tuple[float, float]:
    """95 % score interval of a rate of ``k`` in ``n`` (Wilson 1927); either may be an effective number.

    >>> low, high = wilson(0, 10)
    >>> round(low, 4), round(high, 4)
    (0.0, 0.2775)
    """
    if not 0 <= k <= n or n == 0:
        raise SynthscopeError(f"Expected 0 <= k <= n and n > 0, got k={k}, n={n}. Pass counts, not rates.")
    centre, spread = k + Z_95**2 / 2, Z_95 * sqrt(k * (n - k) / n + Z_95**2 / 4)
    return max(0.0, (centre - spread) / (n + Z_95**2)), min(1.0, (centre + spread) / (n + Z_95**2))


def weighted_rates_interval(
    k: Sequence[float], n: Sequence[float], weights: Sequence[float], *, correlation: float = 0.0
) -> tuple[float, float]:
    """95 % interval of a weighted sum of two rates ``k[i] / n[i]``, such as balanced accuracy.

    Wilson's interval of every rate, combined as in the method of variance estimates recovery (Newcombe 1998; Zou and
    Donner 2008). Unlike a bootstrap it keeps its width where every image is judged alike.

    Args:
        k: Successes.
        n: Trials; effective numbers where trials are not independent, see :func:`effective`.
        weights: Of the rates, at least 0.
        correlation: Of the two estimates.

    >>> low, high = weighted_rates_interval((40, 40), (40, 40), (0.5, 0.5))
    >>> round(low, 3), high
    (0.938, 1.0)
    """
    value, below, above = 0.0, [], []
    for successes, trials, weight in zip(k, n, weights, strict=True):
        if weight:
            low, high = wilson(successes, trials)
            rate = successes / trials
            value += weight * rate
            below.append(weight * (rate - low))
            above.append(weight * (high - rate))
    down, up = (
        sqrt(max(0.0, sum(d * d for d in ends) + (2 * correlation * ends[0] * ends[1] if len(ends) == 2 else 0.0)))
        for ends in (below, above)
    )
    return max(0.0, value - down), min(1.0, value + up)


def auroc_interval(value: float, n_real: int, n_ai: int) -> tuple[float, float]:
    """95 % score interval of an AUROC from the sizes of both classes alone (Newcombe 2006, part 2, method 5).

    It keeps its width where the classes are separated and a bootstrap sees no variation at all.

    Args:
        value: In 0..1.
        n_real: Independent real images or groups of them, at least 1.
        n_ai: The same of AI images.

    >>> low, high = auroc_interval(1.0, 20, 20)
    >>> round(low, 3), high
    (0.899, 1.0)
    """

    def spread(area: float) -> float:
        excess = ((n_real + n_ai) / 2 - 1) * ((1 - area) / (2 - area) + area / (1 + area))
        return Z_95 * sqrt(area * (1 - area) / (n_real * n_ai) * (1 + excess))

    def bound(value: float) -> float:  # the least area whose interval reaches up to the value
        low, high = 0.0, value
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if middle + spread(middle) < value else (low, middle)
        return high

    return bound(value), 1 - bound(1 - value)


class Effective(NamedTuple):
    """What two samples in groups are worth: numbers of independent trials, and the correlation of their rates."""

    n: tuple[float, float]
    correlation: float


def effective(right: Sequence[NDArray[np.bool_]], groups: Sequence[NDArray[np.intp]]) -> Effective:
    """The effective sizes of two samples of verdicts in groups (Kish 1965: n over the design effect).

    The variance of a rate is that of a ratio of group totals (Cochran 1977, section 9A). The size is at most n, and the
    number of groups where all verdicts are alike and nothing can be estimated. Groups in both samples correlate the
    rates. Samples without two rows of one group keep their n exactly, and correlation 0.

    Args:
        right: Two bool ``(n_i,)``.
        groups: Two ``(n_i,)`` numbers of the groups, which the samples share.

    >>> half = np.array([True, False, True, False])
    >>> effective([half, half], [np.array([0, 1, 2, 3]), np.array([4, 4, 5, 5])]).n[0]
    4.0
    """
    size = 1 + max((int(numbers.max()) for numbers in groups if len(numbers)), default=0)
    members = [np.bincount(numbers, minlength=size) for numbers in groups]
    sizes, residuals = [], []
    for verdicts, numbers, of in zip(right, groups, members, strict=True):
        n, clusters = len(verdicts), int(np.count_nonzero(of))
        rate = float(verdicts.mean()) if n else 0.0
        residual = np.bincount(numbers, verdicts, minlength=size) - rate * of
        residuals.append(residual)
        variance = float((residual**2).sum()) * clusters / max(clusters - 1, 1) / max(n, 1) ** 2
        alone = clusters == n
        known = rate * (1 - rate) / variance if variance > 0 else float(clusters)
        sizes.append(float(n) if alone else min(float(n), known))
    norms = [float((residual**2).sum()) for residual in residuals]
    joint = float((residuals[0] * residuals[1]).sum())
    return Effective((sizes[0], sizes[1]), joint / sqrt(norms[0] * norms[1]) if joint and min(norms) > 0 else 0.0)


def grouped_rates_interval(
    right: Sequence[NDArray[np.bool_]], worth: Effective, weights: Sequence[float]
) -> tuple[float, float]:
    """:func:`weighted_rates_interval` of two samples of verdicts, which are worth so many independent ones.

    Args:
        right: Two bool ``(n_i,)``.
        worth: :func:`effective` of the same.
        weights: Of the rates.
    """
    k = [float(verdicts.mean()) * n if len(verdicts) else 0.0 for verdicts, n in zip(right, worth.n, strict=True)]
    return weighted_rates_interval(k, worth.n, weights, correlation=worth.correlation)


def percentile_interval(replicates: Floats) -> tuple[Floats, Floats]:
    """95 % percentile interval over the last axis; replicates in which a class is missing (NaN) are left out.

    NaN when more than half of the replicates are missing, and where all are alike: a width of 0 would claim certainty.
    """
    missing = np.isnan(replicates)
    if not missing.any():
        return _open(*np.quantile(replicates, (0.025, 0.975), axis=-1))
    bounds = np.full((2, *replicates.shape[:-1]), np.nan)
    for index in np.ndindex(replicates.shape[:-1]):
        if missing[index].mean() <= 0.5:
            bounds[:, *index] = np.quantile(replicates[index][~missing[index]], (0.025, 0.975))
    return _open(bounds[0], bounds[1])


def _open(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """NaN instead of intervals without width."""
    closed = low == high
    return np.where(closed, np.nan, low), np.where(closed, np.nan, high)


def bootstrap(
    labels: ArrayLike,
    logits: ArrayLike,
    *,
    metrics: Sequence[str],
    p: ArrayLike | None = None,
    threshold: ArrayLike = 0.0,
    units: Units | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Floats:
    """Metrics of resampled test sets.

    Units are drawn with replacement within their strata, by default images within each class. Strata that two calls
    share are resampled alike, and their replicates are paired.

    Args:
        labels: ``(n,)`` 1 = AI, 0 = real.
        logits: ``(n,)`` or ``(n, m)``, one column for each detector and condition; NaN = image without a prediction.
        metrics: Names in ``METRICS``.
        p: Probabilities of AI, shaped like ``logits``; default their sigmoid.
        threshold: On the logit; one value or one for each column.
        units: What is drawn, see :func:`synthscope.metrics.resampling.units_of`.
        n_resamples: Number of replicates R.
        seed: Of the draws.

    Returns:
        float64 ``(len(metrics), R)`` or ``(len(metrics), m, R)``; NaN where a needed class is missing. Exact up to
        100,000 images of a class, beyond that to within :class:`synthscope.metrics.replicates.Bundles`.

    Raises:
        UsageError: An unknown metric.
    """
    for name in metrics:
        metric_named(name)
    y, z = np.asarray(labels).astype(bool), np.asarray(logits, dtype=np.float64)
    columns = z if z.ndim == 2 else z[:, None]
    q = probabilities(columns) if p is None else np.asarray(p, dtype=np.float64).reshape(columns.shape)
    thresholds = np.broadcast_to(np.asarray(threshold, dtype=np.float64), columns.shape[1])
    out = np.empty((columns.shape[1], len(metrics), n_resamples))
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        kept: dict[int, Column] = {}
        filled: Iterator[None] = iter(())
        for start, counts in _draws(units or units_of([str(int(label)) for label in y]), n_resamples, seed):

            def fill(column: int, start: int = start, counts: list[Counts] = counts) -> None:
                replicates = kept.pop(column, None) or Column(
                    y, columns[:, column], p=q[:, column], threshold=float(thresholds[column]), metrics=metrics
                )
                if replicates.bundled:  # small, and dear to make
                    kept[column] = replicates
                for block in counts:
                    out[column, :, start : start + block.shape[1]] = replicates(block)
                    start += block.shape[1]

            list(filled)  # the next counts were drawn meanwhile
            filled = pool.map(fill, range(columns.shape[1]))
        list(filled)
    by_metric = out.transpose(1, 0, 2)
    return by_metric if z.ndim == 2 else by_metric[:, 0]


def _draws(units: Units, n_resamples: int, seed: int) -> Iterator[tuple[int, list[Counts]]]:
    """Counts of all images in groups of blocks of replicates, each group with the number of its first replicate."""
    n = len(units.stratum)
    width = min(max(BLOCK // max(n, 1), 8), 128) if n <= 2 * MOST else 128
    widths = [min(width, n_resamples - first) for first in range(0, n_resamples, width)]
    together = max(DRAWN // max(n * width, 1), 1)
    drawn = draw_counts(units, widths, seed)
    for first in range(0, len(widths), together):
        yield first * width, list(islice(drawn, together))
