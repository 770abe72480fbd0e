"""What a metric's test shows: a case by hand, another implementation, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from synthscope.errors import SynthscopeError
from synthscope.metrics.detection import metric_named

RANDOM = np.random.default_rng(0)
LABELS, LOGITS = RANDOM.integers(0, 2, 200), RANDOM.normal(size=200)


def value(labels: np.ndarray, logits: np.ndarray) -> float:
    return metric_named("youden_j")(labels, logits, p=None, threshold=0.0)


def test_it_is_what_scikit_learn_counts() -> None:
    (tn, fp), (fn, tp) = confusion_matrix(LABELS, LOGITS > 0)
    assert value(LABELS, LOGITS) == pytest.approx(tp / (tp + fn) - fp / (tn + fp))


def test_neither_order_nor_the_ratio_of_classes_matters() -> None:
    real, twice = LABELS == 0, np.r_[np.arange(200), np.flatnonzero(LABELS == 0)]
    assert real.any() and value(LABELS[twice], LOGITS[twice]) == pytest.approx(value(LABELS, LOGITS))
    assert value(LABELS[::-1], LOGITS[::-1]) == pytest.approx(value(LABELS, LOGITS))


def test_one_class_has_no_answer() -> None:
    with pytest.raises(SynthscopeError, match="Expected"):
        value(np.ones(3), np.zeros(3))
