"""The bootstrap: coverage, common draws, strata, and independence of how the work is cut up."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics import intervals
from synthscope.metrics.calibration import probabilities
from synthscope.metrics.detection import METRICS
from synthscope.metrics.intervals import (
    auroc_interval,
    bootstrap,
    percentile_interval,
    weighted_rates_interval,
    wilson,
)
from synthscope.metrics.replicates import Column
from synthscope.metrics.resampling import units_of


def data(n: int = 120, m: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return y, rng.normal(y[:, None] * 1.0, size=(n, m))


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    truth = {"auroc": norm.cdf(1 / np.sqrt(2)), "ai_accuracy": norm.cdf(1), "real_accuracy": 0.5, "eer": norm.cdf(-0.5)}
    y = np.repeat([0, 1], 80)
    z = rng.normal(y[:, None], size=(160, 400))  # each column is an experiment of its own
    low, high = percentile_interval(bootstrap(y, z, metrics=list(truth), n_resamples=400))
    for k, (name, true) in enumerate(truth.items()):
        covered = np.mean((low[k] <= true) & (true <= high[k]))
        assert 0.90 < covered < 0.99, (name, covered)


def test_classes_and_strata_keep_their_sizes() -> None:
    y, strata = np.r_[np.zeros(30), np.ones(50)], ["a"] * 10 + ["b"] * 20 + ["a"] * 45 + ["c"] * 5
    counts = np.concatenate(
        [
            b
            for _, group in intervals._draws(units_of([f"{c} {s}" for c, s in zip(y, strata, strict=True)]), 50, 0)
            for b in group
        ],
        axis=1,
    )
    assert counts.shape == (80, 50)
    for rows, size in ((slice(0, 10), 10), (slice(10, 30), 20), (slice(30, 75), 45), (slice(75, 80), 5)):
        assert (counts[rows].sum(axis=0) == size).all()
    assert counts.std() > 0.5
    counts = np.concatenate(
        [b for _, group in intervals._draws(units_of(["a"] * 20 + ["b"] * 20), 50, 0) for b in group], axis=1
    )
    assert abs(np.corrcoef(counts[:20].ravel(), counts[20:].ravel())[0, 1]) < 0.15  # strata are drawn independently


def test_draws_do_not_depend_on_the_cutting(monkeypatch: pytest.MonkeyPatch) -> None:
    y, z = data()
    whole = bootstrap(y, z, metrics=list(METRICS), n_resamples=100)
    monkeypatch.setattr(intervals, "BLOCK", 120 * 9)
    monkeypatch.setattr(intervals, "DRAWN", 120 * 9 * 2)
    assert np.allclose(whole, bootstrap(y, z, metrics=list(METRICS), n_resamples=100), rtol=0, atol=1e-12)


def test_a_column_alone_has_the_draws_it_has_in_company() -> None:
    y, z = data()
    together = bootstrap(y, z, metrics=["auroc", "ece"], n_resamples=40)
    assert np.allclose(together[:, 1], bootstrap(y, z[:, 1], metrics=["auroc", "ece"], n_resamples=40), atol=1e-12)
    same = bootstrap(y, z[:, [0, 0]], metrics=["eer"], n_resamples=40)
    assert (same[0, 0] == same[0, 1]).all()


def test_a_shared_stratum_is_resampled_alike_in_two_test_sets() -> None:
    rng = np.random.default_rng(3)
    real = rng.normal(size=40)
    replicates = [
        bootstrap(np.r_[np.zeros(40), np.ones(n)], np.r_[real, rng.normal(size=n)], metrics=["real_accuracy"],
                  units=units_of(["common"] * 40 + [name] * n))
        for name, n in (("x", 30), ("y", 70))
    ]  # fmt: skip
    assert (replicates[0] == replicates[1]).all()
    assert (
        bootstrap(np.zeros(40), real, metrics=["real_accuracy"], units=units_of(["other"] * 40)) != replicates[0]
    ).any()


def test_seeds() -> None:
    y, z = data(m=1)
    first = bootstrap(y, z, metrics=["auroc"], seed=1, n_resamples=30)
    assert (first == bootstrap(y, z, metrics=["auroc"], seed=1, n_resamples=30)).all()
    assert (first != bootstrap(y, z, metrics=["auroc"], seed=2, n_resamples=30)).any()


def test_one_class_and_no_image() -> None:
    values = bootstrap(np.ones(5), np.arange(5.0), metrics=["auroc", "ai_accuracy", "accuracy"], n_resamples=20)
    assert np.isnan(values[0]).all() and not np.isnan(values[1:]).any()
    assert np.isnan(bootstrap([], np.empty((0, 2)), metrics=["accuracy"], n_resamples=5)).all()
    low, high = percentile_interval(values)
    assert np.isnan(low[0]) and np.isnan(high[0]) and low[1] <= high[1]


def test_interval_leaves_out_replicates_without_a_class() -> None:
    values = np.r_[np.full(40, np.nan), np.linspace(0, 1, 60)]
    assert percentile_interval(values) == pytest.approx((0.025, 0.975))
    assert np.isnan(percentile_interval(np.r_[values, np.full(60, np.nan)])).all()


def test_sentences() -> None:
    with pytest.raises(UsageError, match="auroc"):
        bootstrap([0, 1], [0.0, 1.0], metrics=["aurok"])
    for k, n in ((3, 2), (-1, 4), (0, 0)):
        with pytest.raises(SynthscopeError, match="counts, not rates"):
            wilson(k, n)


def test_weighted_rates_reduce_to_wilson_and_mirror() -> None:
    assert weighted_rates_interval((7, 3), (10, 10), (1, 0)) == pytest.approx(wilson(7, 10))
    low, high = weighted_rates_interval((7, 3), (10, 20), (0.5, 0.5))
    mirrored = weighted_rates_interval((3, 17), (10, 20), (0.5, 0.5))
    assert (1 - high, 1 - low) == pytest.approx(mirrored)
    assert low < (0.7 + 0.15) / 2 < high


@pytest.mark.parametrize("rates", [(0.5, 0.5), (0.9, 0.7), (0.99, 0.95), (1.0, 0.98)])
def test_weighted_rates_cover_the_truth(rates: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    truth, n, runs = sum(rates) / 2, (40, 40), 2000
    draws = np.stack([rng.binomial(size, rate, runs) for size, rate in zip(n, rates, strict=True)], axis=1)
    bounds = [weighted_rates_interval(tuple(map(int, k)), n, (0.5, 0.5)) for k in draws]
    assert np.mean([low <= truth <= high for low, high in bounds]) > 0.93


def test_every_metric_has_its_formula_over_counts() -> None:
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 2, 60).astype(bool), rng.normal(size=60)
    column = Column(labels, logits, p=probabilities(logits), threshold=0.0, metrics=list(METRICS))
    values = column(np.ones((60, 1), np.uint8))[:, 0]
    without = [name for name, value in zip(METRICS, values, strict=True) if np.isnan(value)]
    assert not without, f"{without} would have no interval: add them to metrics/replicates.py"


@pytest.mark.parametrize("distance", [0.0, 2.0, 4.0])
def test_the_score_interval_of_an_auroc_covers_the_truth_also_where_samples_are_separated(distance: float) -> None:
    rng, truth, n_real, n_ai = np.random.default_rng(0), norm.cdf(distance / np.sqrt(2)), 15, 25
    real, ai = rng.normal(size=(2000, n_real, 1)), rng.normal(distance, size=(2000, 1, n_ai))
    found = (real < ai).mean((1, 2))  # the Mann-Whitney statistic
    bounds = {value: auroc_interval(value, n_real, n_ai) for value in np.unique(found)}
    covered = np.mean([bounds[value][0] <= truth <= bounds[value][1] for value in found])
    assert 0.93 < covered < 0.995, covered
    assert distance < 4 or (found == 1).mean() > 0.3  # where a bootstrap has no width


def test_the_score_interval_of_an_auroc_solves_its_equation_and_mirrors() -> None:
    low, high = auroc_interval(0.8, 10, 30)
    for end in (low, high):
        excess = (20 - 1) * ((1 - end) / (2 - end) + end / (1 + end))
        variance = end * (1 - end) / 300 * (1 + excess)
        assert (0.8 - end) ** 2 == pytest.approx(1.959963984540054**2 * variance)
    assert auroc_interval(0.2, 30, 10) == pytest.approx((1 - high, 1 - low))
    assert auroc_interval(0.0, 5, 5)[0] == 0 and auroc_interval(1.0, 5, 5)[1] == 1
