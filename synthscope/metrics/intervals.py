"""Intervals: Wilson's for rates, and a stratified percentile bootstrap over images for every detection metric.

A replicate is a count for each image, drawn once and used for all columns (detectors, conditions), so that differences
and means of columns are paired.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from synthscope.errors import SynthscopeError
from synthscope.metrics.calibration import probabilities
from synthscope.metrics.detection import metric_named
from synthscope.metrics.replicates import Column, Counts
from synthscope.runtime import seed_for

Floats = NDArray[np.float64]
Z_95 = 1.959963984540054
BLOCK = 1 << 21  # image x replicate cells that a thread handles at once
DRAWN = 1 << 28  # cells of counts held at once


def wilson(k: int, n: int) -> tuple[float, float]:
    """95 % score interval of a rate of ``k`` in ``n`` (Wilson 1927).

    >>> low, high = wilson(0, 10)
    >>> round(low, 4), round(high, 4)
    (0.0, 0.2775)
    """
    if not 0 <= k <= n or n == 0:
        raise SynthscopeError(f"Expected 0 <= k <= n and n > 0, got k={k}, n={n}. Pass counts, not rates.")
    centre, spread = k + Z_95**2 / 2, Z_95 * sqrt(k * (n - k) / n + Z_95**2 / 4)
    return max(0.0, (centre - spread) / (n + Z_95**2)), min(1.0, (centre + spread) / (n + Z_95**2))


def weighted_rates_interval(k: Sequence[int], n: Sequence[int], weights: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a weighted sum of independent rates ``k[i] / n[i]``, such as balanced accuracy.

    Wilson's interval of every rate, combined as in the method of variance estimates recovery (Newcombe 1998; Zou and
    Donner 2008). Unlike a bootstrap it keeps its width where every image is judged alike.

    >>> low, high = weighted_rates_interval((40, 40), (40, 40), (0.5, 0.5))
    >>> round(low, 3), high
    (0.938, 1.0)
    """
    value = below = above = 0.0
    for successes, trials, weight in zip(k, n, weights, strict=True):
        if weight:
            low, high = wilson(successes, trials)
            rate = successes / trials
            value += weight * rate
            below += (weight * (rate - low)) ** 2
            above += (weight * (high - rate)) ** 2
    return max(0.0, value - sqrt(below)), min(1.0, value + sqrt(above))


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
    strata: Sequence[str] | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Floats:
    """Metrics of resampled test sets.

    Images are drawn with replacement within each class and stratum. The draws of a stratum follow from the seed, its
    name and its size alone: strata that two calls share are resampled alike, and their replicates are paired.

    Args:
        labels: ``(n,)`` 1 = AI, 0 = real.
        logits: ``(n,)`` or ``(n, m)``, one column for each detector and condition; NaN = image without a prediction.
        metrics: Names in ``METRICS``.
        p: Probabilities of AI, shaped like ``logits``; default their sigmoid.
        threshold: On the logit; one value or one for each column.
        strata: ``(n,)`` names of the strata within the classes; default one.
        n_resamples: Number of replicates R.
        seed: Of the draws.

    Returns:
        float64 ``(len(metrics), R)`` or ``(len(metrics), m, R)``; NaN where a needed class is missing.

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
        for start, counts in _draws(y, strata or [""] * len(y), n_resamples, seed):

            def fill(column: int, start: int = start, counts: list[Counts] = counts) -> None:
                replicates = Column(
                    y, columns[:, column], p=q[:, column], threshold=float(thresholds[column]), metrics=metrics
                )
                for block in counts:
                    out[column, :, start : start + block.shape[1]] = replicates(block)
                    start += block.shape[1]

            list(pool.map(fill, range(columns.shape[1])))
    by_metric = out.transpose(1, 0, 2)
    return by_metric if z.ndim == 2 else by_metric[:, 0]


def _draws(
    y: NDArray[np.bool_], strata: Sequence[str], n_resamples: int, seed: int
) -> Iterator[tuple[int, list[Counts]]]:
    """Counts of all images in groups of blocks of replicates, each group with the number of its first replicate."""
    keys = np.array([f"{int(label)}\x1f{stratum}" for label, stratum in zip(y, strata, strict=True)])
    members = [np.flatnonzero(keys == key) for key in np.unique(keys)]
    streams = [np.random.default_rng(seed_for(seed, key)) for key in np.unique(keys)]
    width = min(max(BLOCK // max(len(y), 1), 8), 128)
    blocks = -(-n_resamples // width)
    group = max(DRAWN // max(len(y) * width, 1), 1)
    for first in range(0, blocks, group):
        drawn = []
        for block in range(first, min(first + group, blocks)):
            r = min(width, n_resamples - block * width)
            counts = np.empty((len(y), r), np.uint8)
            for rows, stream in zip(members, streams, strict=True):
                picks = stream.integers(0, len(rows), (r, len(rows))) + len(rows) * np.arange(r)[:, None]
                counts[rows] = np.bincount(picks.ravel(), minlength=picks.size).reshape(r, -1).T
            drawn.append(counts)
        yield first * width, drawn
