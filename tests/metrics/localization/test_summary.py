"""Groups of images: what is counted, and intervals that cover and pair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from synthscope.errors import SynthscopeError
from synthscope.metrics.localization.summary import summarise


def test_means_and_counts_by_group() -> None:
    nan = np.nan
    summaries = summarise(
        [0.2, 0.9, nan, 0.4, nan, nan], list("babbba"), blank=[False, False, True, False, False, False]
    )
    assert list(summaries) == ["a", "b"]
    a, b = summaries["a"], summaries["b"]
    assert (a.mean, a.n, a.n_blank, a.n_excluded) == (0.9, 1, 0, 1) and np.isnan(a.low)
    assert b.mean == pytest.approx(0.3) and (b.n, b.n_blank, b.n_excluded) == (2, 1, 1)
    (nothing,) = summarise([nan], ["x"], blank=[False]).values()
    assert np.isnan(nothing[:3]).all() and nothing[3:] == (0, 0, 1)


def test_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(0).beta(2, 5, 150)
    (summary,) = summarise(values, [""] * 150, blank=np.zeros(150, bool), n_resamples=4000).values()
    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=4000, random_state=1).confidence_interval
    assert (summary.low, summary.high) == pytest.approx((expected.low, expected.high), abs=0.003)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(200):
        values = rng.beta(2, 5, 40)
        values[rng.random(40) < 0.2] = np.nan
        (summary,) = summarise(values, ["g"] * 40, blank=np.zeros(40, bool), n_resamples=200).values()
        hits += summary.low <= 2 / 7 <= summary.high
    assert 0.88 <= hits / 200 <= 0.985


def test_methods_are_resampled_alike_and_groups_apart() -> None:
    values, blank = np.random.default_rng(0).random(30), np.zeros(30, bool)
    first = summarise(values, ["a"] * 30, blank=blank)["a"]
    shifted = summarise(np.r_[values + 1, values], ["a"] * 30 + ["b"] * 30, blank=np.r_[blank, blank])
    assert shifted["a"][:3] == pytest.approx(np.add(first[:3], 1))
    assert shifted["b"][0] == first[0] and shifted["b"][1:3] != first[1:3]
    assert summarise(values, ["a"] * 30, blank=blank, seed=1)["a"][1:3] != first[1:3]


def test_sentences() -> None:
    with pytest.raises(SynthscopeError, match="one group and one blank"):
        summarise([1.0], ["a"], blank=[False], together=["x", "y"])
    with pytest.raises(SynthscopeError, match="one group and one blank"):
        summarise([1.0], ["a", "b"], blank=[False])
    with pytest.raises(SynthscopeError, match="NaN for blank"):
        summarise([1.0], ["a"], blank=[True])


def test_images_that_belong_together_are_drawn_together() -> None:
    values = np.random.default_rng(0).beta(2, 5, 40)
    values[3] = np.nan
    names = [f"{i:02}" for i in range(40)]
    one = summarise(values, ["a"] * 40, blank=np.zeros(40, bool), together=names)["a"]
    eight, blank = np.repeat(values, 8), np.zeros(320, bool)
    copies = summarise(eight, ["a"] * 320, blank=blank, together=np.repeat(names, 8).tolist())["a"]
    assert copies[:3] == pytest.approx(one[:3]) and copies.n == 8 * one.n
    apart = summarise(eight, ["a"] * 320, blank=blank)["a"]
    assert apart.high - apart.low < 0.5 * (one.high - one.low)
