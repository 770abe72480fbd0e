"""P-values against the definition, counted one by one; their level under exchangeability, and where that fails."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from synthscope.errors import SynthscopeError
from synthscope.metrics.conformal import attainable_level, conformal_p, critical_score, missed

SCORES = st.lists(st.integers(-3, 3).map(float) | st.floats(-5, 5), min_size=1, max_size=30)
LEVELS = st.sampled_from([0.001, 0.01, 0.05, 0.07, 0.1, 0.29, 0.5, 0.57, 0.999])


@given(SCORES, SCORES)
def test_every_p_value_is_the_count_that_defines_it(reference: list[float], scores: list[float]) -> None:
    expected = [(1 + sum(r >= s for r in reference)) / (len(reference) + 1) for s in scores]
    assert conformal_p(reference, scores).tolist() == expected


@given(SCORES, SCORES, LEVELS)
def test_scores_above_the_critical_one_are_those_within_the_level(
    reference: list[float], scores: list[float], level: float
) -> None:
    critical = critical_score(reference, level)
    for score in scores:
        exact = Fraction(1 + sum(r >= score for r in reference), len(reference) + 1)
        assert (score > critical) == (exact <= Fraction(str(level)))


def test_few_references_limit_the_level() -> None:
    assert attainable_level(0.001, 200) == 1 / 201
    assert min(conformal_p(np.zeros(200), [9.0])) == 1 / 201
    assert critical_score(np.zeros(98), 0.01) == float("inf")
    assert critical_score(np.zeros(99), 0.01) == 0.0  # exactly 1 in 100


def test_missed_ai_images_are_those_within_the_level() -> None:
    assert missed(range(99), [98.5, 98.0, 200.0, -1.0], 0.01).tolist() == [False, True, False, True]


def test_nan_is_neither_unusual_nor_common() -> None:
    assert np.isnan(conformal_p([1.0], [np.nan])).all()


@pytest.mark.parametrize("reference", [[], [np.nan], [np.inf, 0.0]])
def test_references_must_be_finite(reference: list[float]) -> None:
    with pytest.raises(SynthscopeError, match="at least one reference image"):
        conformal_p(reference, [0.0])


@pytest.mark.parametrize("level", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("n", [20, 99, 200, 1000, 5000])
@pytest.mark.parametrize("ties", [False, True])
def test_the_level_holds_for_exchangeable_scores(n: int, level: float, ties: bool) -> None:
    """Without ties the rate is exactly the share of possible p-values within the level; with ties it is no greater."""
    trials, rng = 1500, np.random.default_rng(n)
    draws = rng.normal(size=(trials, n + 1)).astype(np.float32)
    draws = np.round(draws) if ties else draws
    accused = sum(conformal_p(row[1:], row[0]) <= level for row in draws)
    share = int(level * (n + 1) + 1e-9) / (n + 1)
    assert accused <= binom.ppf(0.9999, trials, share)
    if not ties:
        assert accused >= binom.ppf(0.0001, trials, share)


def test_the_level_does_not_hold_for_photographs_of_another_kind() -> None:
    """The control: with scores half a standard deviation higher than the references' the same count is far too high."""
    rng = np.random.default_rng(0)
    accused = sum(conformal_p(rng.normal(size=200), rng.normal(0.5)) <= 0.05 for _ in range(1500))
    assert accused > binom.ppf(0.9999, 1500, 0.05)
