"""The supervised contrast against its equation written out in loops, and in the loss of a step."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from synthscope.detectors.hub import create_detector
from synthscope.errors import UsageError
from synthscope.training.config import TrainConfig
from synthscope.training.contrast import Contrast, margin_contrast, supervised_contrast
from synthscope.training.objective import Objective, prepare

Make = Callable[..., TrainConfig]
RINE = {"architecture": "rine", "options": {"tower": "tiny", "width": 8, "weights": "random"}, "input": {"crop": 28}}


def written_out(embeddings: list[list[float]], labels: list[int], t: float) -> float:
    """-1/|P(i)| sum_p log(exp(z_i z_p / t) / sum_{a != i} exp(z_i z_a / t)), a mean over i (Khosla et al., eq. 2)."""
    z = [[x / math.hypot(*row) for x in row] for row in embeddings]
    similar = [[sum(a * b for a, b in zip(one, two, strict=True)) / t for two in z] for one in z]
    total, n = 0.0, len(z)
    for i in range(n):
        positives = [p for p in range(n) if p != i and labels[p] == labels[i]]
        below = sum(math.exp(similar[i][a]) for a in range(n) if a != i)
        for p in positives:
            total -= math.log(math.exp(similar[i][p]) / below) / len(positives)
    return total / n


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=2, max_size=7), st.integers(0, 1000), st.floats(0.05, 2))
def test_it_is_the_equation(labels: list[int], seed: int, temperature: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(len(labels), 3, generator=generator, dtype=torch.float64)
    loss = supervised_contrast(embeddings, torch.tensor(labels), temperature=temperature)
    assert loss.item() == pytest.approx(written_out(embeddings.tolist(), labels, temperature), rel=1e-6, abs=1e-9)


def test_by_hand() -> None:
    embeddings = torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, 5.0]])  # lengths don't count
    apart = supervised_contrast(embeddings, torch.tensor([0, 0, 1, 1]), temperature=0.5)
    assert apart.item() == pytest.approx(-math.log(math.e**2 / (math.e**2 + 2)))
    mixed = supervised_contrast(embeddings, torch.tensor([0, 1, 0, 1]), temperature=0.5)
    assert mixed.item() == pytest.approx(-math.log(1 / (math.e**2 + 2)))


@pytest.mark.parametrize("labels", [[1, 1, 1], [0], [0, 1], [0, 1, 1, 1]])
def test_one_class_and_single_images_give_finite_losses_and_gradients(labels: list[int]) -> None:
    embeddings = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(0))
    embeddings[-1] = 0  # all ReLUs silent
    embeddings.requires_grad_()
    loss = supervised_contrast(embeddings, torch.tensor(labels), temperature=0.07)
    loss.backward()
    assert loss.isfinite() and embeddings.grad is not None and embeddings.grad.isfinite().all()
    if len(set(labels)) == len(labels):
        assert loss.item() == 0


def test_a_step_lowers_both_losses(make_config: Make) -> None:
    plain = make_config(detector=RINE)
    both = make_config(detector=RINE, contrast={"weight": 0.3, "temperature": 0.2})
    detector = create_detector(**RINE).eval()
    images = torch.randint(0, 256, (4, 3, 28, 28), generator=torch.Generator().manual_seed(1)).byte()
    targets = torch.tensor([0.0, 1.0, 1.0, 0.0])
    features = detector.features(images)
    embeddings = detector.net.embed(features)
    contrast = written_out(embeddings.double().tolist(), [0, 1, 1, 0], 0.2)
    without = Objective(detector, plain, None)(images, targets).item()
    assert contrast > 0.1
    assert Objective(detector, both, None)(images, targets).item() == pytest.approx(without + 0.3 * contrast, rel=1e-4)
    kept = Objective(detector, both, None, from_features=True)(features, targets)
    assert kept.item() == pytest.approx(without + 0.3 * contrast, rel=1e-4)


def test_where_it_cannot_be_is_told(make_config: Make) -> None:
    prepare(create_detector(**RINE), make_config(detector=RINE, contrast={"weight": 1}))
    config = make_config(contrast={"weight": 1})
    with pytest.raises(UsageError, match=r"Expected a detector with embeddings for contrast, such as rine, got 'cnn_"):
        prepare(create_detector("cnn_small"), config)
    with pytest.raises(ValidationError, match="contrast needs augment.mix null"):
        make_config(contrast={"weight": 1}, augment={"steps": [{"step": "random_crop"}], "mix": {}})
    with pytest.raises(ValidationError, match="greater than 0"):
        Contrast(weight=0)


def test_the_margin_compares_every_pair_and_stands_still_where_two_are_one() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(7, 2, generator=generator)
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 1])
    z = [(x / math.hypot(x, y), y / math.hypot(x, y)) for x, y in embeddings.tolist()]
    near = [math.dist(z[i], z[j]) for i in range(7) for j in range(i) if labels[i] == labels[j]]
    far = [max(0.8 - math.dist(z[i], z[j]), 0) for i in range(7) for j in range(i) if labels[i] != labels[j]]
    far = [lack for lack in far if lack]
    wanted = sum(near) / len(near) + sum(far) / len(far)
    assert margin_contrast(embeddings, labels, margin=0.8).item() == pytest.approx(wanted, rel=1e-5)
    assert 0 < len(far) < 12
    pair = torch.ones(2, 3, requires_grad=True)  # a photograph and its copy
    loss = margin_contrast(pair, torch.tensor([0, 1]), margin=1)
    loss.backward()
    assert loss.item() == 1 and pair.grad is not None and not pair.grad.any()
