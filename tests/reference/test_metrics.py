"""Metrics against scikit-learn and SciPy, on logits that saturate a float32 sigmoid and on ties."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from synthscope.metrics import calibration, detection, intervals
from synthscope.metrics.resampling import units_of


def sample(seed: int, n: int = 400, kind: str = "normal") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rng.uniform(0.2, 0.8)).astype(int)
    y[:2] = 0, 1
    z = rng.normal(1.2 * y - 0.6)
    if kind == "ties":
        z = np.round(z)
    if kind == "saturated":  # +-98: a float32 sigmoid is 0 or 1 for nearly all of them
        z = np.float32(98 * np.sign(z) + z)
    return y, z


KINDS = pytest.mark.parametrize("kind", ["normal", "ties", "saturated"])


@KINDS
@pytest.mark.parametrize("seed", range(5))
def test_ranking_metrics_equal_scikit_learn(seed: int, kind: str) -> None:
    y, z = sample(seed, kind=kind)
    assert detection.auroc(y, z) == pytest.approx(sk.roc_auc_score(y, z), abs=1e-12)
    assert detection.average_precision(y, z) == pytest.approx(sk.average_precision_score(y, z), abs=1e-12)
    fpr, tpr, _ = sk.roc_curve(y, z, drop_intermediate=False)
    for alpha in (0.0, 0.01, 0.05, 0.1, 0.5, 1.0):
        rate, threshold = detection.tpr_at_fpr(y, z, fpr=alpha)
        assert rate == pytest.approx(tpr[fpr <= alpha].max(), abs=1e-12)
        called = z.astype(np.float64) > threshold
        assert called[y == 1].mean() == pytest.approx(rate) and called[y == 0].mean() <= alpha


@KINDS
def test_eer_is_the_crossing_of_scikit_learns_curve(kind: str) -> None:
    y, z = sample(7, kind=kind)
    fpr, tpr, _ = sk.roc_curve(y, z, drop_intermediate=False)
    crossing = scipy.optimize.brentq(
        lambda t: np.interp(t, *_walk(fpr, tpr, fpr)) - 1 + np.interp(t, *_walk(fpr, tpr, tpr)), 0, 1
    )
    assert detection.eer(y, z) == pytest.approx(np.interp(crossing, *_walk(fpr, tpr, fpr)), abs=1e-9)


def _walk(fpr: np.ndarray, tpr: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values along the polygon, by the share of its (city-block) length."""
    length = np.concatenate([[0], np.cumsum(np.diff(fpr) + np.diff(tpr))])
    return length / length[-1], values


@KINDS
def test_verdict_metrics_equal_scikit_learn(kind: str) -> None:
    y, z = sample(3, kind=kind)
    called = (z > 0.3).astype(int)
    assert detection.accuracy(y, z, threshold=0.3) == pytest.approx(sk.accuracy_score(y, called))
    assert detection.balanced_accuracy(y, z, threshold=0.3) == pytest.approx(sk.balanced_accuracy_score(y, called))
    assert detection.precision(y, z, threshold=0.3) == pytest.approx(sk.precision_score(y, called))
    assert detection.recall(y, z, threshold=0.3) == pytest.approx(sk.recall_score(y, called))
    assert detection.f1(y, z, threshold=0.3) == pytest.approx(sk.f1_score(y, called))
    assert detection.real_accuracy(y, z, threshold=0.3) == pytest.approx(sk.recall_score(y, called, pos_label=0))
    p = calibration.probabilities(z)
    assert detection.brier(y, p) == pytest.approx(sk.brier_score_loss(y, p))


def test_nll_bits_is_scikit_learns_log_loss_on_balanced_weights() -> None:
    y, z = sample(4)
    weights = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    expected = sk.log_loss(y, calibration.probabilities(z), sample_weight=weights) / np.log(2)
    assert detection.nll_bits(y, z) == pytest.approx(expected)
    assert detection.nll_bits([1, 0], [800.0, 800.0]) == pytest.approx(400 / np.log(2))  # finite where p is not


def test_temperature_equals_platt_scaling_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(600) % 2
    x = (rng.normal(2.0 * y - 1.4, 1.5) * 3)[:, None]
    machine = LinearSVC().fit(x, y)
    z = machine.decision_function(x)
    platt = CalibratedClassifierCV(FrozenEstimator(machine), method="sigmoid", ensemble=False).fit(x, y)
    temperature, bias = calibration.fit_temperature(y, z)
    assert np.allclose(calibration.probabilities(z / temperature + bias), platt.predict_proba(x)[:, 1], atol=1e-4)


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_temperature_equals_unpenalised_logistic_regression(scale: float) -> None:
    y, z = sample(1, n=4000)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(z[:, None], y)
    temperature, bias = calibration.fit_temperature(y, scale * z)
    assert scale / temperature == pytest.approx(
        model.coef_.item(), rel=2e-3
    )  # Platt's targets differ from 0 and 1 by 1 / n
    assert bias == pytest.approx(model.intercept_.item(), abs=2e-3)


@pytest.mark.parametrize("prior", [0.5, 0.05])
def test_temperature_at_a_prior_equals_weighted_logistic_regression(prior: float) -> None:
    rng = np.random.default_rng(3)
    y = (np.arange(60) < 12).astype(int)
    z = rng.normal(2.0 * y - 0.7, 1.2)
    n = {1: 12, 0: 48}
    worth = 1 / (prior**2 / n[1] + (1 - prior) ** 2 / n[0])  # Kish's effective sample size
    rows, labels, weights = [], [], []
    for logit, label in zip(z, y, strict=True):  # a smoothed target: the image with both labels
        share = {1: prior, 0: 1 - prior}[label]
        wrong = 1 / (share * worth + 2)  # Platt 1999
        rows += [[logit]] * 2
        labels += [label, 1 - label]
        weights += [share / n[label] * (1 - wrong), share / n[label] * wrong]
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(rows, labels, sample_weight=weights)
    temperature, bias = calibration.fit_temperature(y, z, prior=prior)
    assert 1 / temperature == pytest.approx(model.coef_.item(), rel=1e-4)
    assert bias == pytest.approx(model.intercept_.item(), rel=1e-3)


def test_wilson_equals_scipy() -> None:
    for k, n in ((0, 5), (3, 10), (997, 1000), (12, 12)):
        expected = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
        assert intervals.wilson(k, n) == pytest.approx((expected.low, expected.high))


def test_intervals_agree_with_scipys_bootstrap() -> None:
    y, z = sample(5, n=300)
    replicates = intervals.bootstrap(y, z, metrics=["auroc"], n_resamples=8000)
    ours = np.array(intervals.percentile_interval(replicates))[:, 0]

    def statistic(ai: np.ndarray, real: np.ndarray, axis: int) -> np.ndarray:
        wins = (ai[..., :, None] > real[..., None, :]).mean(axis=(-1, -2))
        return wins

    theirs = scipy.stats.bootstrap(
        (z[y == 1], z[y == 0]), statistic, n_resamples=4000, batch=50, method="percentile", rng=1, vectorized=True
    ).confidence_interval
    width = theirs.high - theirs.low
    assert np.abs(ours - [theirs.low, theirs.high]).max() < 0.05 * width


def test_paired_difference_agrees_with_scipys_paired_bootstrap() -> None:
    rng = np.random.default_rng(2)
    y = np.ones(500, int)
    shared = rng.normal(size=500)
    z = np.stack([shared + 0.9 + 0.3 * rng.normal(size=500), shared + 0.7 + 0.3 * rng.normal(size=500)], axis=1)
    a, b = intervals.bootstrap(y, z, metrics=["ai_accuracy"], n_resamples=8000)[0]
    ours = np.array(intervals.percentile_interval(a - b))
    theirs = scipy.stats.bootstrap(
        (z[:, 0] > 0, z[:, 1] > 0), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        paired=True, n_resamples=8000, method="percentile", rng=1,
    ).confidence_interval  # fmt: skip
    assert np.abs(ours - [theirs.low, theirs.high]).max() <= 0.0041  # two images of 500
    assert np.diff(ours) < 0.8 * np.diff(intervals.percentile_interval(a - np.roll(b, 1)))  # pairing narrows it


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(2, 60), levels=st.integers(1, 30), missing=st.sampled_from([0.0, 0.3])
)
def test_replicates_equal_plain_metrics_of_the_repeated_images(seed: int, n: int, levels: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(bool)
    z = np.round(rng.normal(y[:, None] * 1.0, size=(n, 2)) * levels) / levels
    z[rng.random((n, 2)) < missing] = np.nan
    p = np.round(rng.random((n, 2)), 2)
    thresholds = np.array([0.0, 0.5])
    units = units_of([f"{y[i]} {i % 2}" for i in range(n)], [f"{i // 2 if i < n // 2 else i}" for i in range(n)])
    names = list(detection.METRICS)
    fast = intervals.bootstrap(y, z, metrics=names, p=p, threshold=thresholds, units=units, n_resamples=7, seed=seed)
    counts = np.concatenate([block for _, group in intervals._draws(units, 7, seed) for block in group], axis=1)
    for column in range(2):
        seen = ~np.isnan(z[:, column])
        for r in range(7):
            pick = np.repeat(np.arange(n)[seen], counts[seen, r])
            for k, name in enumerate(names):
                metric = detection.METRICS[name]
                if len(pick) == 0 or any((y[pick] == label).sum() == 0 for label in metric.needs):
                    assert np.isnan(fast[k, column, r])
                    continue
                plain = metric(y[pick], z[pick, column], p=p[pick, column], threshold=thresholds[column])
                assert fast[k, column, r] == pytest.approx(plain, abs=1e-12), name
