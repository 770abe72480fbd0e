"""p-values of paired differences against scipy's tests and simulations of the null; power against simulated tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, ttest_1samp, ttest_rel

from synthscope.errors import UsageError
from synthscope.metrics.significance import bootstrap_p, paired_t_p, smallest_detectable


def p_of(d: np.ndarray, *, replicates: int = 4000, seed: int = 0) -> float:
    """One class, one stratum, every image alone."""
    weights = np.random.default_rng(seed).multinomial(len(d), np.full(len(d), 1 / len(d)), replicates) / len(d)
    n = float(len(d))
    return float(
        bootstrap_p(d.mean(keepdims=True), (weights @ d)[None], units=np.array([n]), freedom=np.array([n - 1]))[0]
    )


@pytest.mark.parametrize(("n", "shift"), [(8, 0.5), (30, 0.0), (30, 0.4), (300, 0.15)])
def test_one_image_a_group_is_the_paired_t_test(n: int, shift: float) -> None:
    d = np.random.default_rng(n).normal(shift, 1, n)
    assert np.log(p_of(d, replicates=20000)) == pytest.approx(np.log(ttest_1samp(d, 0).pvalue), abs=0.15)


def test_verdicts_are_nearly_mcnemars_test() -> None:
    """18 images right for one detector only, 4 for the other: (18 - 4)^2 / 22 = 8.91, chi squared with one degree."""
    d = np.repeat([1.0, -1.0, 0.0], [18, 4, 378])
    assert p_of(d, replicates=20000) == pytest.approx(0.00284, rel=0.2)


def test_what_is_alike_everywhere() -> None:
    assert p_of(np.zeros(20)) == 1.0
    assert p_of(np.ones(5)) == 2**-4  # the sign test of five that agree
    few = {"units": np.array([1.0]), "freedom": np.array([0.0])}
    assert np.isnan(bootstrap_p(np.array([0.1]), np.ones((1, 9)), **few)).all()
    many = {"units": np.array([9.0]), "freedom": np.array([8.0])}
    assert np.isnan(bootstrap_p(np.array([np.nan]), np.ones((1, 9)), **many)).all()
    assert np.isnan(bootstrap_p(np.array([0.1]), np.array([[0.1, 0.2, *[np.nan] * 7]]), **many)).all()


@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=2, max_size=9))
def test_paired_t_is_scipys(values: list[float]) -> None:
    d = np.array(values)
    if np.ptp(d) > 0:
        expected = ttest_rel(d + 3, np.full(len(d), 3.0)).pvalue
        assert paired_t_p(d) == pytest.approx(expected, rel=1e-6, abs=1e-9)
        assert paired_t_p(-d) == pytest.approx(paired_t_p(d))


def test_seeds_that_cannot_tell() -> None:
    assert paired_t_p(np.array([0.3])) is paired_t_p(np.array([0.3, np.nan])) is None
    assert paired_t_p(np.array([0.1 + 0.2, 0.3])) is None  # the same but for rounding


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_four_of_five_experiments_see_the_smallest_detectable_difference(n: int) -> None:
    trials, sd = 4000, 0.03
    draws = np.random.default_rng(n).normal(smallest_detectable(sd, n), sd, (trials, n))
    seen = int((ttest_1samp(draws, 0, axis=1).pvalue < 0.05).sum())
    low, high = binom.interval(0.999, trials, 0.8)
    assert low <= seen <= high


def test_power_follows_the_spread_and_needs_two_pairs() -> None:
    assert smallest_detectable(0.0, 3) == 0 and smallest_detectable(2.0, 4) == pytest.approx(
        2 * smallest_detectable(1, 4)
    )
    with pytest.raises(UsageError, match="at least 2 pairs, got 1"):
        smallest_detectable(1.0, 1)
