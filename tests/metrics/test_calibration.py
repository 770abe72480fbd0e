"""Calibration errors, temperature and thresholds on cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from synthscope.errors import SynthscopeError
from synthscope.metrics.calibration import (
    adaptive_ece,
    best_threshold,
    ece,
    fit_temperature,
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


def test_best_threshold_is_the_best_of_all() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        y = np.r_[0, 1, rng.integers(0, 2, 30)]
        z = np.round(rng.normal(y * 1.0, size=32), 1)
        best = max(balanced_accuracy(y, z, threshold=t) for t in np.r_[z, z.min() - 1])
        assert balanced_accuracy(y, z, threshold=best_threshold(y, z)) == best
    assert best_threshold([0, 1], [1.0, -1.0]) == 1.0  # nothing beats calling all real
