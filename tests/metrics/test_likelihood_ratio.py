"""Likelihood ratios of Gaussian scores, for which they are known; costs against their definition and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from synthscope.errors import SynthscopeError
from synthscope.metrics.likelihood_ratio import (
    FOLDS,
    SCALE,
    cllr,
    cllr_min,
    crossfitted_cllr,
    fit_log_ratios,
    in_words,
)


def gaussians(n: int, distance: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of unit variance around 0 and ``distance``: the log likelihood ratio is ``d z - d² / 2``."""
    rng, labels = np.random.default_rng(seed), np.repeat([0, 1], n)
    return labels, rng.normal(labels * distance)


def test_ratios_of_gaussian_scores_are_those_of_the_densities() -> None:
    labels, scores = gaussians(200_000, 1.5)
    places = np.linspace(-1, 3, 9)
    assert fit_log_ratios(labels, scores).of(places) == pytest.approx(1.5 * places - 1.125, abs=0.05)


def test_the_ratio_of_classes_does_not_matter() -> None:
    labels, scores = gaussians(50_000, 1.5)
    few = np.r_[0:50_000, 50_000:55_000]
    assert fit_log_ratios(labels[few], scores[few]).of([0.0, 2.0]) == pytest.approx([-1.125, 1.875], abs=0.1)


def test_no_ratio_says_more_than_its_images_can() -> None:
    ratios = fit_log_ratios([0] * 99 + [1] * 9, [-5.0] * 99 + [5.0] * 9)
    assert np.exp(ratios.of([1e6, -1e6])) == pytest.approx([100, 1 / 10])


def test_costs_by_hand() -> None:
    assert cllr([1, 0], [math.log(3), -math.log(3)]) == pytest.approx(math.log2(4 / 3))
    assert cllr([1, 0], [-math.log(3), math.log(3)]) == pytest.approx(2.0)
    assert cllr_min([0, 1, 0, 1], [0.0, 0.0, 1.0, 1.0]) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.booleans(), st.integers(-4, 4)), min_size=2, max_size=40))
def test_the_least_cost_is_that_of_isotonic_regression(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows])
    if labels.all() or not labels.any():
        with pytest.raises(SynthscopeError, match="real and AI"):
            cllr_min(labels, scores)
        return
    share = IsotonicRegression().fit_transform(scores, labels.astype(float))
    prior = labels.mean()
    with np.errstate(divide="ignore"):
        odds = np.log(share / (1 - share) * (1 - prior) / prior)
    expected = (np.logaddexp(0, -odds[labels]).mean() + np.logaddexp(0, odds[~labels]).mean()) / (2 * np.log(2))
    assert cllr_min(labels, scores) == pytest.approx(expected, abs=1e-9)
    assert cllr_min(labels, scores) <= min(1.0, cllr(labels, fit_log_ratios(labels, scores).of(scores))) + 1e-9


def test_scores_that_say_nothing_cost_a_bit_on_images_held_out() -> None:
    labels, scores = gaussians(400, 0.0)
    assert cllr_min(labels, scores) < 1.0  # what the order of these very scores seems to say
    assert crossfitted_cllr(labels, scores) == pytest.approx(1.0, abs=0.02)


def test_too_few_images_have_no_crossfitted_cost() -> None:
    labels, scores = gaussians(2 * FOLDS - 1, 1.0)
    assert crossfitted_cllr(labels, scores) is None
    labels, scores = gaussians(2 * FOLDS, 1.0)
    assert crossfitted_cllr(labels, scores) is not None


def test_words_follow_the_scale() -> None:
    for least, word in SCALE[1:]:
        assert in_words(float(least)) == f"{word} for AI generation"
        assert in_words(1 / least) == f"{word} for a photograph"
    assert in_words(1.0) == in_words(1.99) == "no support"
