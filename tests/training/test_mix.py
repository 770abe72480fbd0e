"""MixUp and CutMix: pixels and targets blend by the same weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthscope.training.mix import Mix, mix_batch

IMAGES = torch.tensor([0, 100, 200], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 16, 16)
TARGETS = torch.tensor([0.0, 0.0, 1.0])


@pytest.mark.parametrize("mix", [Mix(cutmix=0), Mix(mixup=0), Mix()])
def test_pixels_and_targets_share_one_weight(mix: Mix) -> None:
    for seed in range(30):
        images, targets = mix_batch(IMAGES, TARGETS, mix=mix, rng=np.random.default_rng(seed))
        weight = targets[2].item()  # the last image is AI-generated, its partner real
        assert 0 <= weight <= 1
        assert targets[0].item() == pytest.approx(1 - weight)
        assert images[0].float().mean().item() == pytest.approx((1 - weight) * 200, abs=1e-3)
        assert images[1].float().mean().item() == pytest.approx(100, abs=1e-3)  # its own partner


def test_cutmix_moves_a_box_and_mixup_does_not() -> None:
    cut, _ = mix_batch(IMAGES, TARGETS, mix=Mix(mixup=0), rng=np.random.default_rng(1))
    assert set(cut.unique().tolist()) <= {0, 100, 200} and cut.dtype == torch.uint8
    blended, _ = mix_batch(IMAGES, TARGETS, mix=Mix(cutmix=0), rng=np.random.default_rng(1))
    assert blended[0].unique().numel() == 1 and blended.dtype == torch.float32


def test_switched_off_or_unlucky_batches_stay() -> None:
    for mix in (Mix(p=0), Mix(mixup=0, cutmix=0)):
        images, targets = mix_batch(IMAGES, TARGETS, mix=mix, rng=np.random.default_rng(0))
        assert images is IMAGES and targets is TARGETS


def test_weights_follow_the_beta_distribution() -> None:
    rng = np.random.default_rng(0)
    weights = [mix_batch(IMAGES, TARGETS, mix=Mix(mixup=0.8, cutmix=0), rng=rng)[1][2].item() for _ in range(1000)]
    assert np.mean(weights) == pytest.approx(0.5, abs=0.04)
    assert np.var(weights) == pytest.approx(1 / (4 * (2 * 0.8 + 1)), rel=0.15)
