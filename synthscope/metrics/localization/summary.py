"""Scores of single images to figures of groups of images, with an interval and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from synthscope.errors import SynthscopeError
from synthscope.metrics.intervals import Floats, percentile_interval
from synthscope.runtime import seed_for


class Summary(NamedTuple):
    """Mean over the images with a score, its 95 % interval, and how many images there were of each kind."""

    mean: float
    low: float
    high: float
    n: int
    n_blank: int  # annotated, but the heatmap has no positive value
    n_excluded: int  # without a score for another reason: nothing is annotated, or everything


def summarise(
    values: ArrayLike, groups: Sequence[str], *, blank: ArrayLike, n_resamples: int = 2000, seed: int = 0
) -> dict[str, Summary]:
    """Mean of each group with a percentile bootstrap over its images.

    Draws follow from the seed, the name of the group and its size: methods scored on the same images are resampled
    alike, whatever images each leaves out. The order of the images within a group must be the same for that.

    Args:
        values: ``(n,)`` scores of images; NaN = none.
        groups: ``(n,)`` names, such as generators.
        blank: bool ``(n,)``, see :func:`synthscope.metrics.localization.maps.is_blank`; such images have no score.
        n_resamples: Number of bootstrap replicates.
        seed: Of the draws.

    Returns:
        Group to summary, in order of names. The mean is NaN without a score; the interval too where it would have no
        width.

    Raises:
        SynthscopeError: Lengths that differ, or a score of a blank heatmap.

    >>> summarise([0.5, 1.0, np.nan, np.nan], ["a"] * 4, blank=[False, False, True, False])["a"]
    Summary(mean=0.75, low=0.5, high=1.0, n=2, n_blank=1, n_excluded=1)
    """
    v, b, names = np.asarray(values, np.float64), np.asarray(blank, bool), np.asarray(groups, dtype=str)
    if v.ndim != 1 or v.shape != b.shape or v.shape != names.shape:
        raise SynthscopeError(
            f"Expected one group and one blank for each value, got {names.shape}, {b.shape}, {v.shape}. Align them."
        )
    if not np.isnan(v[b]).all():
        raise SynthscopeError("Expected NaN for blank heatmaps, got a score. Pass is_blank of the same heatmaps.")
    summaries = {}
    for name in np.unique(names).tolist():
        of = names == name
        missing = np.isnan(v[of])
        low, high = percentile_interval(_means(v[of], n_resamples, seed_for(seed, name)))
        n_blank = int(b[of].sum())
        summaries[name] = Summary(
            float(v[of][~missing].mean()) if not missing.all() else np.nan,
            float(low),
            float(high),
            int((~missing).sum()),
            n_blank,
            int(missing.sum()) - n_blank,
        )
    return summaries


def _means(values: Floats, n_resamples: int, seed: int) -> Floats:
    """Means ``(n_resamples,)`` of images drawn with replacement; NaN where no image with a score was drawn."""
    rng, scored = np.random.default_rng(seed), ~np.isnan(values)
    filled, means = np.where(scored, values, 0), np.full(n_resamples, np.nan)
    for replicate in range(n_resamples):
        picks = rng.integers(0, len(values), len(values))
        if n := np.count_nonzero(scored[picks]):
            means[replicate] = filled[picks].sum() / n
    return means
