"""Scores of single images to figures of groups of images, with an interval and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from synthscope.errors import SynthscopeError
from synthscope.metrics.intervals import percentile_interval
from synthscope.metrics.resampling import draw_weights
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
    values: ArrayLike,
    groups: Sequence[str],
    *,
    blank: ArrayLike,
    together: Sequence[str] | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Summary]:
    """Mean of each group with a percentile bootstrap over its images.

    Draws follow from the seed, the name of the group and its size: methods scored on the same images are resampled
    alike, whatever images each leaves out. The order of the images within a group must be the same for that.

    Args:
        values: ``(n,)`` scores of images; NaN = none.
        groups: ``(n,)`` names, such as generators.
        blank: bool ``(n,)``, see :func:`synthscope.metrics.localization.maps.is_blank`; such images have no score.
        together: ``(n,)`` names; images of one name are not independent and are drawn together. None = each alone.
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
    units = np.array([f"{i:09}" for i in range(len(names))] if together is None else together, dtype=str)
    if v.ndim != 1 or not v.shape == b.shape == names.shape == units.shape:
        raise SynthscopeError(
            f"Expected one group and one blank for each value, got {names.shape}, {b.shape}, {v.shape} and "
            f"{units.shape} that are drawn together. Align them."
        )
    if not np.isnan(v[b]).all():
        raise SynthscopeError("Expected NaN for blank heatmaps, got a score. Pass is_blank of the same heatmaps.")
    summaries = {}
    for name in np.unique(names).tolist():
        of = names == name
        missing = np.isnan(v[of])
        weights = draw_weights(units[of].tolist(), n_resamples, seed_for(seed, name))
        with np.errstate(invalid="ignore"):  # a replicate without a score is NaN
            means = weights[:, ~missing] @ v[of][~missing] / weights[:, ~missing].sum(1)
        low, high = percentile_interval(means)
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
