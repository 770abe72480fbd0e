"""Losses on one logit against the two-class losses of the published code."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthscope import runtime
from synthscope.training.losses import Loss, balanced_weights, bce, jsd

LOGITS = st.lists(st.floats(-12, 12), min_size=6, max_size=6)


def two_class(logits: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.zeros_like(logits), logits], dim=-1)


@given(LOGITS, st.lists(st.booleans(), min_size=6, max_size=6), st.floats(0, 0.5))
def test_bce_is_two_class_cross_entropy_with_label_smoothing(z: list[float], y: list[bool], smoothing: float) -> None:
    logits, targets = torch.tensor(z, dtype=torch.float64), torch.tensor(y)
    expected = torch.nn.functional.cross_entropy(two_class(logits), targets.long(), label_smoothing=smoothing)
    torch.testing.assert_close(bce(logits, targets.double(), smoothing=smoothing), expected)


@given(LOGITS, st.lists(st.booleans(), min_size=2, max_size=2))
def test_jsd_is_timms_on_two_classes(z: list[float], y: list[bool]) -> None:
    runtime.import_timm()
    from timm.loss import JsdCrossEntropy

    logits, targets = torch.tensor(z, dtype=torch.float64), torch.tensor(y)
    expected = JsdCrossEntropy(num_splits=3, alpha=12, smoothing=0.1)(two_class(logits), targets.long())
    torch.testing.assert_close(jsd(logits.view(3, 2), targets.double()), expected, rtol=1e-6, atol=1e-6)


def test_jsd_by_hand() -> None:
    p = [0.9, 0.6, 0.3]  # of one image in three views
    mixture = sum(p) / 3
    divergence = sum(q * math.log(q / mixture) + (1 - q) * math.log((1 - q) / (1 - mixture)) for q in p) / 3
    entropy = -(0.95 * math.log(0.9) + 0.05 * math.log(0.1))
    logits = torch.tensor([[math.log(q / (1 - q))] for q in p], dtype=torch.float64)
    assert jsd(logits, torch.ones(1, dtype=torch.float64)).item() == pytest.approx(entropy + 12 * divergence)


def test_equal_views_leave_the_cross_entropy_and_far_logits_stay_finite() -> None:
    logits, targets = torch.tensor([[98.0, -98.0]]).repeat(3, 1), torch.tensor([0.0, 1.0])
    loss = Loss(name="jsd", smoothing=0.1)(logits, targets)
    torch.testing.assert_close(loss, bce(logits[0], targets, smoothing=0.1))
    assert loss.isfinite()
    assert Loss()(logits[:1], targets).item() == pytest.approx(98)


@given(LOGITS, st.lists(st.booleans(), min_size=6, max_size=6), st.floats(0.1, 9), st.floats(0.1, 9))
def test_class_weights_are_those_of_cross_entropy(z: list[float], y: list[bool], real: float, ai: float) -> None:
    logits, targets = torch.tensor(z, dtype=torch.float64), torch.tensor(y)
    weights = torch.tensor([real, ai], dtype=torch.float64)
    expected = torch.nn.functional.cross_entropy(two_class(logits), targets.long(), weights, reduction="none").mean()
    torch.testing.assert_close(bce(logits, targets.double(), weights=(real, ai)), expected)


@given(st.integers(1, 9), st.integers(1, 9), st.floats(0, 0.5), st.sampled_from(["bce", "jsd"]))
def test_balanced_classes_pull_equally(n_real: int, n_ai: int, smoothing: float, name: str) -> None:
    targets = torch.tensor([0.0] * n_real + [1.0] * n_ai, dtype=torch.float64)
    logit = torch.zeros(1, dtype=torch.float64, requires_grad=True)  # of images that cannot be told apart
    weights = balanced_weights(n_real, n_ai)
    loss = Loss(name=name, smoothing=smoothing)(logit.expand(1, len(targets)), targets, weights)
    loss.backward()
    assert logit.grad.item() == pytest.approx(0, abs=1e-12)
    assert loss.item() == pytest.approx(math.log(2))  # the mean weight is 1
    mixed = 0.7 * targets + 0.3 * targets.flip(0)  # and mixup keeps the balance
    logit.grad = None
    Loss(smoothing=smoothing)(logit.expand(1, len(targets)), mixed, weights).backward()
    assert logit.grad.item() == pytest.approx(0, abs=1e-12)
