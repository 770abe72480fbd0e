"""Calibration errors, temperature and thresholds on cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthscope.errors import SynthscopeError
from synthscope.metrics.calibration import (
    adaptive_ece,
    best_threshold,
    calibrated,
    ece,
    fit_temperature,
    half_logit,
    probabilities,
    reliability,
)
from synthscope.metrics.detection import balanced_accuracy


def test_half_of_100_saturated_predictions_wrong() -> None:
    y, p = np.arange(100) % 2, np.ones(100)
    assert ece(y, p) == adaptive_ece(y, p) == 0.5
    assert reliability(y, p).n[-1] == 100


def test_bins_by_hand() -> None:
    # 15 bins: 1/15 is the lower edge of bin 1; bins 0, 1, 14 hold 1, 2 and 1 images
    y, p = [0, 1, 0, 1], [0.0, 1 / 15, 0.1, 1.0]
    assert reliability(y, p).n.tolist() == [1, 2, *[0] * 12, 1]
    assert ece(y, p) == pytest.approx(2 / 4 * abs(0.5 - (1 / 15 + 0.1) / 2))
    assert np.isnan(reliability(y, p).mean_p[2])
    assert reliability(y, p).frequency[1] == 0.5


def test_adaptive_bins_hold_equal_counts() -> None:
    p = np.linspace(0.4, 0.6, 300)  # three bins of equal width, fifteen of equal count
    y = (np.arange(300) % 20 < 10).astype(int)  # each bin of 20: frequency 1/2
    expected = np.mean([abs(p[20 * b : 20 * b + 20].mean() - 0.5) for b in range(15)])
    assert adaptive_ece(y, p) == pytest.approx(expected)


@pytest.mark.parametrize("function", [ece, adaptive_ece])
def test_calibration_error_does_not_depend_on_order(function) -> None:
    rng = np.random.default_rng(0)
    p = np.round(rng.random(200), 1)
    y = (rng.random(200) < p).astype(int)
    order = rng.permutation(200)
    assert function(y, p) == pytest.approx(function(y[order], p[order]), abs=1e-12)


def test_probabilities_outside_the_unit_interval_are_refused() -> None:
    with pytest.raises(SynthscopeError, match="sigmoid"):
        ece([0, 1], [0.5, 3.0])


def test_temperature_recovers_a_known_distortion() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=20_000) * 2
    y = (rng.random(20_000) < probabilities(z)).astype(int)
    temperature, bias = fit_temperature(y, 3.0 * z + 1.5)
    assert temperature == pytest.approx(3.0, rel=0.05)
    assert bias == pytest.approx(-0.5, abs=0.05)
    assert ece(y, probabilities((3 * z + 1.5) / temperature + bias)) < 0.02 < ece(y, probabilities(3 * z + 1.5))


def test_temperature_of_separable_constant_and_backward_logits_is_finite() -> None:
    y = np.arange(40) % 2
    for z in (200.0 * y - 100, np.zeros(40), 1.0 - 2.0 * y, np.full(40, 98.0), 1e-9 * y):
        temperature, bias = fit_temperature(y, z)
        p = probabilities(z / temperature + bias)
        assert 1e-4 <= temperature <= 1e4 and np.isfinite(bias)
        assert p.mean() == pytest.approx(0.5, abs=0.01)
    assert fit_temperature(y, 1.0 - 2.0 * y)[0] == 1e4


def test_logits_that_differ_by_rounding_alone_are_calibrated_where_they_are() -> None:
    rng = np.random.default_rng(0)
    for level in (-1.3332748, 40.0, -1e4):
        z = (level + 1e-7 * abs(level) * rng.integers(-3, 4, 112)).astype(np.float32)
        y = np.arange(112) < 22
        p = calibrated(z, *fit_temperature(y, z, prior=0.5))
        assert (p[y].mean() + p[~y].mean()) / 2 == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("prior", [0.5, 0.1, 0.99])
def test_a_skewed_sample_gives_the_calibration_of_the_stated_prior(prior: float) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(100_000) % 10 < 9  # nine AI images to a real one
    z = rng.normal(np.where(y, 1.0, -1.0))  # logarithm of the likelihood ratio: 2 z
    temperature, bias = fit_temperature(y, z, prior=prior)
    assert temperature == pytest.approx(0.5, rel=0.05)
    assert bias == pytest.approx(np.log(prior / (1 - prior)), abs=0.08)
    assert fit_temperature(y, z)[1] == pytest.approx(np.log(9), abs=0.08)  # of these images, unless told


@pytest.mark.parametrize(("n_real", "n_ai"), [(2, 500), (500, 2), (30, 31)])
def test_logits_that_tell_nothing_give_half_and_mirrored_ones_a_threshold_in_the_middle(n_real: int, n_ai: int) -> None:
    y = np.r_[np.zeros(n_real), np.ones(n_ai)]
    assert fit_temperature(y, np.zeros(len(y)), prior=0.5)[1] == pytest.approx(0, abs=1e-9)
    assert half_logit(*fit_temperature(y, 6 * y - 1, prior=0.5)) == pytest.approx(2, abs=1e-5)  # of -1 and 5


@given(st.floats(1e-4, 1e4), st.floats(-30, 30), st.floats(-100, 100, width=32), st.integers(-3, 3))
def test_p_is_above_half_exactly_where_the_logit_is_above_the_threshold(
    temperature: float, bias: float, far: float, steps: int
) -> None:
    threshold = near = half_logit(temperature, bias)
    for _ in range(abs(steps)):
        near = np.nextafter(near, np.float32(np.inf * np.sign(steps)))
    z = np.array([near, far, -near, near + np.float32(far * temperature)], np.float32)
    p = calibrated(z, temperature, bias)
    assert p.dtype == np.float32
    assert np.array_equal(p > 0.5, z > threshold)
    assert (np.diff(p[np.argsort(z)]) >= 0).all()
    exact = probabilities(z.astype(np.float64) / temperature + bias)
    assert np.abs(p - exact).max() <= 2.0**-23 * (1 + abs(bias))


def test_calibrated_keeps_nan_and_takes_a_calibration_for_each_logit() -> None:
    p = calibrated([np.nan, 2.0, 2.0, 1e-30], np.array([1.0, 1.0, 2.0, 1.0]), np.array([0.0, 0.0, 1.0, 0.0]))
    assert np.isnan(p[0]) and p[1:3] == pytest.approx([1 / (1 + np.exp(-2.0))] * 2)
    assert 0.5 < p[3] < 0.5000001
    assert str(half_logit(1.0, 0.0)) == "0.0"


def test_calibration_on_the_images_that_chose_the_epoch_is_too_sure_on_others_it_is_not() -> None:
    rng, n, epochs = np.random.default_rng(0), 80, 100  # epochs that know nothing
    y, fresh = np.arange(n) % 2, rng.normal(size=4000)
    excess: dict[str, list[float]] = {"same": [], "others": []}
    for _ in range(300):
        choosing, calibrating = rng.normal(size=(epochs, n)), rng.normal(size=n)
        best = max(choosing, key=lambda z: balanced_accuracy(y, z))
        for name, z in (("same", best), ("others", calibrating)):
            temperature, bias = fit_temperature(y, z, prior=0.5)
            scaled = fresh / temperature + bias
            nll = np.mean((np.logaddexp(0, scaled) + np.logaddexp(0, -scaled)) / 2)  # as many real as AI images
            excess[name].append(nll - np.log(2))
    # the slope costs 1 / 2n in expectation where it is not negative, which the temperature forbids: 1 / 4n, +- 3 SE
    assert 0.15 / n < np.mean(excess["others"]) < 0.35 / n
    assert np.mean(excess["same"]) > 2 / n


def test_best_threshold_is_the_best_of_all() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        y = np.r_[0, 1, rng.integers(0, 2, 30)]
        z = np.round(rng.normal(y * 1.0, size=32), 1)
        best = max(balanced_accuracy(y, z, threshold=t) for t in np.r_[z, z.min() - 1])
        assert balanced_accuracy(y, z, threshold=best_threshold(y, z)) == best
    assert best_threshold([0, 1], [1.0, -1.0]) == 1.0  # nothing beats calling all real
