"""Spearman's rho against SciPy and tables, its permutation p against all permutations, its interval by simulation."""

from __future__ import annotations

from itertools import permutations as all_permutations
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from synthscope.errors import SynthscopeError
from synthscope.metrics.rank_correlation import _rho, rank_correlation, smallest_p, spearman

few = st.integers(0, 6)
pairs = st.lists(st.tuples(few, few, st.sampled_from("abc")), min_size=3, max_size=40)


def columns(rows: list[tuple[int, int, str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, strata = zip(*rows, strict=True)
    return np.array(x, float), np.array(y, float), np.array(strata)


def naive(x: np.ndarray, y: np.ndarray, strata: np.ndarray) -> float:
    """Pearson's r of ranks that were taken, centred and scaled in each stratum."""
    u, v = np.zeros(len(x)), np.zeros(len(x))
    for name in set(strata):
        rows = strata == name
        for values, ranks in ((x, u), (y, v)):
            r = stats.rankdata(values[rows])
            ranks[rows] = (r - r.mean()) / (rows.sum() + 1)
    return float((u * v).sum() / np.sqrt((u * u).sum() * (v * v).sum())) if u.any() and v.any() else np.nan


@settings(deadline=None)
@given(pairs)
def test_equal_to_scipy_with_ties_and_to_plain_ranks_within_strata(rows: list[tuple[int, int, str]]) -> None:
    x, y, strata = columns(rows)
    expected = np.nan if np.ptp(x) == 0 or np.ptp(y) == 0 else stats.spearmanr(x, y).statistic
    assert spearman(x, y) == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert spearman(x, y, strata=strata) == pytest.approx(naive(x, y, strata), abs=1e-9, nan_ok=True)


@settings(deadline=None)
@given(pairs)
def test_only_the_order_within_strata_counts(rows: list[tuple[int, int, str]]) -> None:
    x, y, strata = columns(rows)
    shifted = np.exp(x) + np.where(strata == "a", 1e4, 0.0)
    mixed = np.random.default_rng(0).permutation(len(x))
    expected = pytest.approx(spearman(x, y, strata=strata), abs=1e-9, nan_ok=True)
    assert spearman(shifted, -(y**3), strata=strata) == pytest.approx(-spearman(x, y, strata=strata), nan_ok=True)
    assert spearman(x[mixed], y[mixed], strata=strata[mixed]) == expected


@settings(deadline=None)
@given(pairs, st.integers(0, 99))
def test_a_replicate_is_rho_of_the_repeated_pairs(rows: list[tuple[int, int, str]], seed: int) -> None:
    x, y, strata = columns(rows)
    counts = np.random.default_rng(seed).integers(0, 4, (len(x), 3)).astype(float)
    groups = [np.flatnonzero(strata == name) for name in np.unique(strata)]
    repeated = [np.repeat(np.arange(len(x)), column.astype(int)) for column in counts.T]
    expected = [naive(x[i], y[i], strata[i]) if len(i) else np.nan for i in repeated]
    np.testing.assert_allclose(_rho(x, y, groups, counts), expected, atol=1e-9)


def test_strata_that_differ_in_both_make_no_correlation_within() -> None:
    x, y = [1, 2, 3, 11, 12, 13], [3, 2, 1, 13, 12, 11]
    assert spearman(x, y) > 0.5 and spearman(x, y, strata=list("aaabbb")) == pytest.approx(-1)


def test_p_is_that_of_all_permutations() -> None:
    x, y = np.array([1.0, 2, 3, 4, 5, 6, 6]), np.array([2.0, 1, 4, 3, 7, 5, 6])
    u, v = stats.rankdata(x) - 4, stats.rankdata(y) - 4
    sums = np.array(list(all_permutations(v))) @ u
    exact = np.mean(np.abs(sums) >= abs(u @ v) - 1e-9)
    assert rank_correlation(x, y, seed=3).p_value == pytest.approx(exact, abs=4 * np.sqrt(exact / 9999))
    # within strata: of 2 x 2 x 2 orders of pairs, those with all alike and all opposite are as extreme
    found = rank_correlation([1, 2, 1, 2, 1, 2], [1, 2, 1, 2, 1, 2], strata=list("aabbcc"))
    assert found.rho == pytest.approx(1) and found.p_value == pytest.approx(2 / 8, abs=0.02)


@pytest.mark.parametrize(("n", "tabled"), [(5, 1.0), (6, 0.886), (8, 0.738), (10, 0.648)])
def test_critical_values_are_those_of_the_tables(n: int, tabled: float) -> None:
    found = rank_correlation(np.arange(n), np.random.default_rng(0).permutation(n), permutations=99_999, resamples=10)
    assert found.critical == pytest.approx(tabled, abs=0.0101 if n == 10 else 6e-4)


def test_p_cannot_fall_below_what_n_and_the_permutations_give() -> None:
    found = rank_correlation([1, 2, 3, 4], [1, 2, 3, 4])
    assert found.p_value == pytest.approx(smallest_p(4), abs=0.012) and np.isnan(found.critical)
    assert smallest_p(1) == smallest_p(2) == 1 and smallest_p(500, 99) == 0.01
    many = rank_correlation(np.arange(50), np.arange(50), permutations=99)
    assert many.p_value == 0.01 and many.n == 50


def test_p_is_uniform_and_the_interval_covers() -> None:
    rng, p, covered = np.random.default_rng(1), [], 0
    truth = 6 / np.pi * np.arcsin(0.5 / 2)  # of a normal pair with r = 0.5
    for seed in range(200):
        a, b = rng.normal(size=(2, 60))
        p.append(rank_correlation(a[:20], b[:20], strata=list("ab") * 10, permutations=199, resamples=2).p_value)
        found = rank_correlation(a, 0.5 * a + np.sqrt(0.75) * b, permutations=9, resamples=300, seed=seed)
        covered += found.ci_low <= truth <= found.ci_high
    assert stats.binomtest(sum(value <= 0.05 for value in p), 200, 0.05).pvalue > 0.001
    assert stats.kstest(p, "uniform").pvalue > 0.001
    assert covered >= 178  # of 200; 190 expected


def test_seed_decides_and_undefined_is_nan() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    assert rank_correlation(x, y, seed=1) == rank_correlation(x, y, seed=1) != rank_correlation(x, y, seed=2)
    for nothing in (rank_correlation([1, 1, 1], [1, 2, 3]), rank_correlation([], []), rank_correlation([1], [1])):
        assert np.isnan([nothing.rho, nothing.p_value, nothing.ci_low]).all()
    with pytest.raises(SynthscopeError, match="finite"):
        spearman([1, np.nan], [1, 2])
    with pytest.raises(SynthscopeError, match="one shape"):
        spearman([1, 2], [1, 2, 3])


def test_p_is_that_of_all_exchanges_within_and_of_groups() -> None:
    """Three groups of two pairs and one of three, which has no like: 3! x 2 x 2 x 2 x 3! orders."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 9))
    groups = list("abcabcddd")
    rows = [[0, 3], [1, 4], [2, 5]]
    u, v = stats.rankdata(x) - 5, stats.rankdata(y) - 5
    sums = [
        sum(u[i] * v[j] for to, of, flip in zip(rows, order, flips, strict=True)
            for i, j in zip(to, of[::flip], strict=True)) + u[6:] @ rest
        for order in all_permutations(rows)
        for flips in product((1, -1), repeat=3)
        for rest in map(np.array, all_permutations(v[6:]))
    ]  # fmt: skip
    exact = np.mean(np.abs(sums) >= abs(u @ v) - 1e-9)
    assert len(sums) == 288 and 0.05 < exact < 0.95
    found = rank_correlation(x, y, groups=groups, resamples=10)
    assert found.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9999))
    # in strata, a prompt drawn by two generators: two prompts change places in both at once, or do not
    pairs = rank_correlation([1, 2, 1, 2], [1, 2, 1, 2], strata=list("AABB"), groups=list("pqpq"), resamples=10)
    assert pairs.rho == pytest.approx(1) and pairs.p_value == 1


def test_p_is_uniform_and_the_interval_covers_where_groups_share_an_effect() -> None:
    rng, p, covered = np.random.default_rng(1), [], np.zeros(2)
    names = [f"g{i}" for i in range(30) for _ in range(6)]
    for seed in range(120):
        a, b = np.repeat(rng.normal(0, 2, (2, 30)), 6, axis=1) + rng.normal(size=(2, 180))
        both = [rank_correlation(a, b, groups=of, permutations=199, resamples=200, seed=seed) for of in (names, None)]
        p.append([found.p_value for found in both])
        covered += [found.ci_low <= 0 <= found.ci_high for found in both]
    together, apart = np.array(p).T
    assert stats.kstest(together, "uniform").pvalue > 0.01 and covered[0] >= 104  # of 120; 114 expected
    assert (apart <= 0.05).mean() > 0.3 and covered[1] < 84  # the control: pair by pair


def test_groups_of_one_are_none() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 40))
    names, strata = [f"{i:02}" for i in range(40)], list("abcd") * 10
    alone = rank_correlation(x, y, strata=strata, permutations=199, resamples=50)
    assert rank_correlation(x, y, strata=strata, groups=names, permutations=199, resamples=50) == alone
