"""The alignment loss against its formulas, finite differences and a toy that can only be solved by looking there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call

from synthscope.detectors.artifact_vit import ArtifactVit
from synthscope.detectors.hub import create_detector
from synthscope.explainers.attention import attention_taps, gradient_rollout
from synthscope.training.alignment import Align, alignment_loss, class_attention, patch_fractions
from synthscope.training.config import TrainConfig
from synthscope.training.masks import REGION
from synthscope.training.objective import Objective

SIZE = {"patch": 8, "depth": 2, "width": 64}


def tiny(side: int = 24, **options: object) -> ArtifactVit:
    options = SIZE | {"task": "authenticity"} | options
    detector = create_detector("artifact_vit", options=options, input={"resize": None, "crop": side})
    assert isinstance(detector, ArtifactVit)
    return detector


def test_class_attention_is_the_rollout_of_attention_times_gradient_over_its_maximum() -> None:
    rng = np.random.default_rng(0)
    attention = [torch.from_numpy(rng.dirichlet(np.ones(7), (2, 3, 7))).requires_grad_() for _ in range(2)]
    slope = [torch.from_numpy(rng.normal(size=(2, 3, 7, 7))) for _ in range(2)]  # the gradient of a linear logit
    logits = sum((a * g).sum((1, 2, 3)) for a, g in zip(attention, slope, strict=True))
    got = class_attention(logits, attention, grid=(2, 2), eps=0.0).detach().numpy()
    for image in range(2):
        rollout = np.eye(7)
        for a, g in zip(attention, slope, strict=True):
            layer = np.maximum(np.mean([a[image, h].detach().numpy() * g[image, h].numpy() for h in range(3)], 0), 0)
            layer += np.eye(7)
            rollout = (layer / layer.sum(1, keepdims=True)) @ rollout
        patches = rollout[0, 3:]  # behind the class token and two registers
        np.testing.assert_allclose(got[image].ravel(), patches / patches.max(), rtol=1e-12)


def test_no_positive_gradient_gives_zeros_and_finite_slopes() -> None:
    attention = torch.full((1, 1, 5, 5), 0.2, requires_grad=True)
    got = class_attention(-attention.sum((1, 2, 3)), [attention], grid=(2, 2))
    got.sum().backward()
    assert not got.any() and attention.grad is not None and torch.isfinite(attention.grad).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_the_loss_is_the_papers_sum(seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    seen = rng.uniform(size=(2, 3, 4)).astype(np.float32)
    target = rng.uniform(size=(2, 3, 4)).astype(np.float32) * (rng.random((2, 3, 4)) < 0.5)
    target[1] = 0  # a real image
    got = alignment_loss(torch.from_numpy(seen), torch.from_numpy(target), benign_weight=weight)
    for image in range(2):
        expected = 0.0
        for i in range(3):
            for j in range(4):
                w = 1.0 if target[image, i, j] > 0 else weight
                expected += w * (seen[image, i, j] - target[image, i, j]) ** 2 / 12
        assert got[image].item() == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert got[1].item() == pytest.approx(weight * np.mean(seen[1] ** 2), rel=1e-5, abs=1e-7)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 4]))
@settings(max_examples=20, deadline=None)
def test_the_target_is_the_share_of_every_patch(seed: int, patch: int) -> None:
    region = np.random.default_rng(seed).random((2, 8, 12)) < 0.3
    got = patch_fractions(torch.from_numpy(region), patch).numpy()
    for i in range(8 // patch):
        for j in range(12 // patch):
            block = region[:, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch]
            np.testing.assert_allclose(got[:, i, j], block.mean((1, 2)), rtol=1e-6)


@pytest.mark.parametrize("second_order", [True, False])
def test_slopes_equal_finite_differences(second_order: bool) -> None:
    torch.manual_seed(0)
    detector = tiny(side=16, depth=2, width=32).double().eval()
    weights = {name: value.detach().clone() for name, value in detector.named_parameters()}
    with torch.no_grad():
        for value in weights.values():
            value += 0.3 * torch.randn_like(value)  # attention and gradients that are far from uniform
    images = torch.rand(2, 3, 16, 16, dtype=torch.float64) * 255
    target = torch.rand(2, 2, 2, dtype=torch.float64)

    def forward(weights: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
        with attention_taps(detector.vit) as attentions:
            return functional_call(detector, weights, images), attentions

    def loss(weights: dict[str, Tensor], constant: list[Tensor] | None) -> Tensor:
        logits, attentions = forward(weights)
        if constant is None:
            seen = class_attention(logits, attentions, grid=(2, 2), second_order=second_order)
        else:
            patches = gradient_rollout(attentions, constant)
            seen = (patches / (patches.amax(1, keepdim=True) + 1e-6)).unflatten(1, (2, 2))
        return alignment_loss(seen, target, benign_weight=0.4).sum()

    leaves = {name: value.requires_grad_() for name, value in weights.items()}
    constant = None
    if not second_order:
        logits, attentions = forward(leaves)
        constant = list(torch.autograd.grad(logits.sum(), attentions))
    slopes = torch.autograd.grad(loss(leaves, None), list(leaves.values()), allow_unused=True)
    for seed in range(3):
        torch.manual_seed(seed)
        direction = {name: torch.randn_like(value) for name, value in weights.items()}
        ends = [
            loss({n: (v + s * 1e-6 * direction[n]).detach().requires_grad_() for n, v in weights.items()}, constant)
            for s in (1, -1)
        ]
        expected = (ends[0] - ends[1]).item() / 2e-6
        got = sum((g * d).sum().item() for g, d in zip(slopes, direction.values(), strict=True) if g is not None)
        assert got == pytest.approx(expected, rel=1e-4) and abs(expected) > 1e-4


def config(**changes: object) -> TrainConfig:
    tree = {"name": "a", "steps": 1, "detector": {"architecture": "artifact_vit", "options": SIZE}}
    return TrainConfig.model_validate(tree | {"align": {"beta": 10, "lambda": 0.4}} | changes)


def squares(count: int, side: int = 48) -> tuple[Tensor, Tensor]:
    """Noise; every second image, an AI-generated one, has a striped square, which its fourth channel marks."""
    rng = np.random.default_rng(0)
    images = rng.integers(90, 160, (count, 4, side, side), dtype=np.uint8)
    images[:, 3] = 0
    stripes = np.where(np.arange(16) % 2, 255, 0).astype(np.uint8)
    for image in images[1::2]:
        y, x = 8 * rng.integers(0, side // 8 - 1, 2)
        image[:3, y : y + 16, x : x + 16] = stripes
        image[3, y : y + 16, x : x + 16] = REGION
    return torch.from_numpy(images), (torch.arange(count) % 2).float()


@pytest.mark.parametrize("second_order", [True, False])
def test_twenty_steps_pull_attention_onto_the_artifacts(second_order: bool) -> None:
    images, labels = squares(16)
    detector = tiny(48)
    objective = Objective(detector, config(align={"beta": 10, "lambda": 0.4, "second_order": second_order}), None)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=2e-3)

    def judge() -> tuple[float, float]:
        with attention_taps(detector.vit) as attentions:
            logits = detector(images[:, :3])
        seen = class_attention(logits, attentions, grid=(6, 6)).detach()
        target = patch_fractions(images[:, 3] > 0, 8)
        apart = alignment_loss(seen, target, benign_weight=0.4).mean().item()
        inside = (seen * target)[1::2].sum() / seen[1::2].sum()
        return apart, inside.item()

    apart, inside = judge()
    for _ in range(20):
        optimizer.zero_grad()
        objective(images, labels, torch.ones(16)).backward()
        optimizer.step()
    assert judge()[0] < 0.7 * apart
    assert judge()[1] > 1.5 * inside
    assert all(block.attn.fused_attn for block in detector.vit.blocks)


def test_beta_scales_the_term_and_images_without_annotations_have_none() -> None:
    images, labels = squares(4)
    detector = tiny(48)

    def loss(annotated: list[float], **align: object) -> float:
        objective = Objective(detector, config(align={"lambda": 0.4} | align), None)
        return objective(images, labels, torch.tensor(annotated)).item()

    nothing = loss([0, 0, 0, 0], beta=10)
    bce = torch.nn.functional.binary_cross_entropy_with_logits(detector(images[:, :3]), labels).item()
    assert nothing == pytest.approx(bce, abs=1e-6)
    one, two = loss([1, 1, 1, 1], beta=1) - nothing, loss([1, 1, 1, 1], beta=2) - nothing
    assert two == pytest.approx(2 * one, rel=1e-4) and one > 0
    parts = [loss([float(i == j) for j in range(4)], beta=1) - nothing for i in range(4)]
    assert sum(parts) == pytest.approx(one, rel=1e-4)


def test_the_second_order_changes_slopes_and_not_the_loss() -> None:
    images, labels = squares(4)
    results = []
    for second_order in (True, False):
        detector = tiny(48)
        objective = Objective(detector, config(align={"second_order": second_order}), None)
        loss = objective(images, labels, torch.ones(4))
        loss.backward()
        results.append((loss.item(), detector.vit.blocks[0].attn.qkv.weight.grad))
    assert results[0][0] == results[1][0]
    assert not torch.allclose(results[0][1], results[1][1])


def test_the_configuration_speaks_the_papers_names_and_survives_json() -> None:
    align = Align.model_validate({"beta": 3, "lambda": 0.6, "source": "benign"})
    assert align.lambda_ == 0.6
    assert Align.model_validate_json(align.model_dump_json()) == align
    assert config(align={"source": "none"}).aligned is None and not config(align={"source": "none"}).uses_masks
