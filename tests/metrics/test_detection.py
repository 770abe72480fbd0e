"""Detection metrics: hand-computed cases, invariances, and sentences for input that has no answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from synthscope.errors import SynthscopeError
from synthscope.metrics.detection import METRICS, average_precision, eer, precision, tpr_at_fpr

RANKING = [name for name, metric in METRICS.items() if metric.reads == "ranks"]
MIRROR = {name: name for name in ("accuracy", "balanced_accuracy", "auroc", "eer", "nll_bits", "brier")} | {
    "real_accuracy": "ai_accuracy",
    "ai_accuracy": "real_accuracy",
}


@st.composite
def images(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 40))
    y = draw(hnp.arrays(np.int8, n, elements=st.integers(0, 1)))
    y[:2] = 0, 1
    z = draw(hnp.arrays(np.float64, n, elements=st.integers(-12, 12).map(lambda k: k / 4)))
    return y, z


def value(name: str, y: np.ndarray, z: np.ndarray) -> float:
    return METRICS[name](y, z, p=None, threshold=0.0)


@settings(max_examples=60, deadline=None)
@given(images(), st.randoms(use_true_random=False))
def test_order_of_images_does_not_matter(data: tuple[np.ndarray, np.ndarray], random) -> None:
    y, z = data
    order = random.sample(range(len(y)), len(y))
    for name in METRICS:
        assert value(name, y, z) == pytest.approx(value(name, y[order], z[order]), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(images())
def test_ranking_metrics_ignore_monotone_transforms(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, z = data
    for name in RANKING:
        assert value(name, y, z) == value(name, y, np.exp(z) * 3 - 7) == value(name, y, z**3 + 100)


@settings(max_examples=60, deadline=None)
@given(images())
def test_swapping_the_classes_mirrors_the_metrics(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, z = data
    z = z + 0.01  # a logit of exactly 0 is a verdict for real
    for name, mirror in MIRROR.items():
        assert value(name, y, z) == pytest.approx(value(mirror, 1 - y, -z), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(images())
def test_repeating_every_image_changes_nothing(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, z = data
    for name in METRICS:
        assert value(name, y, z) == pytest.approx(value(name, np.tile(y, 3), np.tile(z, 3)), abs=1e-12)


def test_eer_by_hand() -> None:
    # ROC points (0, 0) (0, 1/2) (1/2, 1/2) (1/2, 1) (1, 1): FPR = FNR at (1/2, 1/2)
    assert eer([1, 0, 1, 0], [4.0, 3.0, 2.0, 1.0]) == 0.5
    # one diagonal step from (0, 1/3) to (1/2, 1): FPR = 1 - TPR at 2/7
    assert eer([1, 1, 1, 0, 0], [4.0, 3.0, 3.0, 3.0, 1.0]) == pytest.approx(2 / 7)
    assert eer([0, 1], [0.0, 1.0]) == 0.0
    assert eer([0, 1], [1.0, 0.0]) == 1.0
    assert eer([0, 1], [1.0, 1.0]) == 0.5


def test_tpr_at_fpr_by_hand() -> None:
    real, ai = np.arange(100.0), np.array([98.5, 97.5, 99.5, 50.0])
    y, z = np.r_[np.zeros(100), np.ones(4)], np.r_[real, ai]
    assert tpr_at_fpr(y, z, fpr=0.0) == (0.25, 99.0)
    assert tpr_at_fpr(y, z, fpr=0.01) == (0.5, 98.0)
    assert tpr_at_fpr(y, z, fpr=0.0199) == (0.5, 98.0)  # never rounds up
    assert tpr_at_fpr(y, z, fpr=0.02) == (0.75, 97.0)
    assert tpr_at_fpr(y, z, fpr=1.0) == (1.0, -np.inf)


def test_tpr_at_fpr_takes_tied_images_together() -> None:
    assert tpr_at_fpr([0, 1, 1], [5.0, 5.0, 1.0], fpr=0.5) == (0.0, 5.0)


def test_average_precision_counts_a_tie_once() -> None:
    assert average_precision([1, 0, 1, 0], [1.0, 1.0, 1.0, 1.0]) == 0.5


def test_precision_without_a_verdict_for_ai_is_zero() -> None:
    assert precision([0, 1], [-1.0, -1.0]) == 0.0


@pytest.mark.parametrize("name", METRICS)
def test_missing_classes_are_a_sentence(name: str) -> None:
    for label in (0, 1):
        if set(METRICS[name].needs) - {label}:
            with pytest.raises(SynthscopeError, match=r"^Expected .* got .*\. .*\.$"):
                value(name, np.full(3, label), np.zeros(3))
        else:
            assert 0 <= value(name, np.full(3, label), np.zeros(3)) <= 1
    with pytest.raises(SynthscopeError, match="Expected one value for each label"):
        value(name, np.array([]), np.array([]))


def test_wrong_input_is_a_sentence() -> None:
    for y, z in (([0, 1], [0.0]), ([0, 2], [0.0, 1.0]), ([0, 1], [0.0, np.nan]), ([[0, 1]], [[0.0, 1.0]])):
        with pytest.raises(SynthscopeError, match="Expected"):
            METRICS["auroc"](y, z, p=None, threshold=0.0)
    with pytest.raises(SynthscopeError, match="not percent"):
        tpr_at_fpr([0, 1], [0.0, 1.0], fpr=5)
