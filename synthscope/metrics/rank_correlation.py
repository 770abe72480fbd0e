"""Spearman's rank correlation with a permutation test and a bootstrap interval, also within strata.

Within strata, values are ranked in each of them, centred, and divided by its size + 1 (van Elteren's weights): what
the strata differ in cannot make a correlation, and every image counts alike. Pairs of one group are not independent:
they are drawn together, and change places together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import factorial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthscope.errors import SynthscopeError
from synthscope.metrics.intervals import percentile_interval
from synthscope.metrics.resampling import Units, draw_counts, units_of

Floats = NDArray[np.float64]
Strata = list[NDArray[np.intp]]
PERMUTATIONS, RESAMPLES = 9999, 2000
LEVEL = 0.05
CELLS = 1 << 21  # images x replicates held at once
ROUNDING = 1e-12  # two sums of the same ranks in another order


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho of ``n`` pairs; NaN where it is not defined."""

    rho: float
    ci_low: float  # 95 %, percentile bootstrap over the pairs, or their groups
    ci_high: float
    p_value: float  # two-sided, by permutation
    critical: float  # smallest |rho| of these values whose p is at most 0.05; NaN if there is none
    n: int


class Likes(NamedTuple):
    """Groups of one make-up."""

    rows: NDArray[np.intp]  # (groups, pairs of each), by stratum
    strata: list[slice]  # of the columns


def spearman(x: ArrayLike, y: ArrayLike, *, strata: ArrayLike | None = None) -> float:
    """Spearman's rho, equal values sharing their mean rank; NaN where a variable is constant (in every stratum).

    Args:
        x: ``(n,)`` finite.
        y: ``(n,)`` finite.
        strata: ``(n,)`` names; ranks are taken within them.

    >>> round(spearman([1, 2, 3, 4], [1, 2, 4, 3]), 3)
    0.8
    """
    a, b, groups = _checked(x, y, strata)
    return float(_rho(a, b, groups, np.ones((len(a), 1)))[0])


def rank_correlation(
    x: ArrayLike,
    y: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> RankCorrelation:
    """Spearman's rho, its two-sided permutation p-value and its 95 % bootstrap interval.

    Under the null hypothesis ``y`` is exchangeable (within strata); p = (k + 1) / (permutations + 1), k being the
    permutations with at least as large an \\|rho\\| (Phipson and Smyth 2010). Resamples are drawn within strata.

    With groups, resamples are of whole groups, and what is exchangeable are the pairs of a group in one stratum, and
    the values of whole groups of one make-up (as many pairs in the same strata): so a common effect on ``y`` of all
    pairs of a group is no correlation. The values of a group without a like stay in it, which costs power.

    Args:
        x: ``(n,)`` finite.
        y: ``(n,)`` finite.
        strata: ``(n,)`` names.
        groups: ``(n,)`` names of the pairs that are not independent; None = every pair alone.
        permutations: Their number.
        resamples: Their number.
        seed: Of both.

    Raises:
        SynthscopeError: Values that are not finite, or of different number.
    """
    a, b, within = _checked(x, y, strata)
    rho, n = spearman(a, b, strata=strata), len(a)
    if np.isnan(rho):
        return RankCorrelation(np.nan, np.nan, np.nan, np.nan, np.nan, n)
    cells = [""] * n if strata is None else [str(name) for name in np.asarray(strata)]
    null = np.abs(_null(a, b, within, _likes(cells, groups), permutations, np.random.default_rng((seed, 0))))
    beyond = int(np.count_nonzero(null >= abs(rho) - ROUNDING))
    replicates = [_rho(a, b, within, counts) for counts in _resampled(units_of(cells, groups), resamples, seed)]
    low, high = percentile_interval(np.concatenate(replicates))
    return RankCorrelation(rho, float(low), float(high), (beyond + 1) / (permutations + 1), _critical(null), n)


def smallest_p(n: int, permutations: int = PERMUTATIONS) -> float:
    """The least two-sided p-value that ``n`` pairs without ties can have.

    >>> smallest_p(4), smallest_p(8)
    (0.08333333333333333, 0.0001)
    """
    return max(min(2 / factorial(min(n, 20)), 1.0), 1 / (permutations + 1))


def _checked(x: ArrayLike, y: ArrayLike, strata: ArrayLike | None) -> tuple[Floats, Floats, Strata]:
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    names = np.zeros(a.shape) if strata is None else np.asarray(strata)
    if a.ndim != 1 or a.shape != b.shape or a.shape != names.shape or not np.isfinite([a, b]).all():
        raise SynthscopeError(
            f"Expected finite values of one shape (n,), got {a.shape}, {b.shape} and strata {names.shape} or values "
            "that are not finite. Leave out images without a value."
        )
    return a, b, [np.flatnonzero(names == name) for name in np.unique(names)]


def _rho(a: Floats, b: Floats, groups: Strata, counts: Floats) -> Floats:
    """Rho ``(r,)`` of the pairs repeated ``counts`` ``(n, r)`` times."""
    ab = aa = bb = np.zeros(counts.shape[1])
    for rows in groups:
        weights = counts[rows]
        u, v = _ranks(a[rows], weights), _ranks(b[rows], weights)
        ab, aa, bb = ab + (weights * u * v).sum(0), aa + (weights * u * u).sum(0), bb + (weights * v * v).sum(0)
    varied = (aa > ROUNDING) & (bb > ROUNDING)
    return np.where(varied, ab / np.sqrt(np.where(varied, aa * bb, 1.0)), np.nan)


def _ranks(values: Floats, counts: Floats) -> Floats:
    """Centred mean ranks over size + 1 of values repeated ``counts`` ``(n, r)`` times, without repeating them."""
    order = np.argsort(values, kind="stable")
    new = np.append(True, np.diff(values[order]) > 0) if len(values) else np.empty(0, bool)
    sizes = np.add.reduceat(counts[order], np.flatnonzero(new), axis=0)
    total = counts.sum(axis=0)
    ranks = np.empty(counts.shape)
    ranks[order] = ((np.cumsum(sizes, axis=0) - sizes / 2 - total / 2) / (total + 1))[np.cumsum(new) - 1]
    return ranks


def _likes(cells: Sequence[str], groups: Sequence[str] | None) -> list[Likes]:
    """The groups by their make-up; without groups, the pairs by stratum."""
    rows_of: dict[str | int, list[int]] = {}
    for row in sorted(range(len(cells)), key=lambda row: cells[row]):
        rows_of.setdefault(row if groups is None else groups[row], []).append(row)
    likes: dict[tuple[str, ...], list[list[int]]] = {}
    for rows in rows_of.values():
        likes.setdefault(tuple(cells[row] for row in rows), []).append(rows)
    return [
        Likes(np.array(rows), [slice(key.index(cell), key.index(cell) + key.count(cell)) for cell in sorted(set(key))])
        for key, rows in likes.items()
    ]


def _null(
    a: Floats, b: Floats, within: Strata, likes: list[Likes], permutations: int, rng: np.random.Generator
) -> Floats:
    """Rho under random exchanges of ``b``: the ranks move within the strata, their sums of squares stay."""
    u, v = np.empty((2, len(a)))
    for rows in within:
        one = np.ones((len(rows), 1))
        u[rows], v[rows] = _ranks(a[rows], one)[:, 0], _ranks(b[rows], one)[:, 0]
    total = np.zeros(permutations)
    for rows, strata in likes:
        step = max(CELLS // rows.size, 1)
        for start in range(0, permutations, step):
            block = total[start : start + step]  # a view
            order = rng.permuted(np.tile(np.arange(len(rows)), (len(block), 1)), axis=1)
            moved = v[rows][order]
            for columns in strata:
                if columns.stop - columns.start > 1:
                    moved[..., columns] = rng.permuted(moved[..., columns], axis=-1)
            block += np.einsum("rgk,gk->r", moved, u[rows])
    return total / np.sqrt((u @ u) * (v @ v))


def _resampled(units: Units, resamples: int, seed: int) -> Iterator[Floats]:
    """Counts ``(n, r)`` of draws with replacement of units within their strata, in blocks."""
    step = max(CELLS // len(units.stratum), 1)
    widths = [min(step, resamples - start) for start in range(0, resamples, step)]
    yield from (counts.astype(np.float64) for counts in draw_counts(units, widths, seed))


def _critical(null: Floats) -> float:
    falling = np.sort(null)[::-1]
    allowed = int(LEVEL * (len(null) + 1)) - 1  # values at or beyond a critical one
    if allowed < 1:
        return np.nan
    beyond = falling[falling > falling[min(allowed, len(null) - 1)] + ROUNDING]
    return float(beyond[-1]) if beyond.size else np.nan
