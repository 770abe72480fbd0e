"""MixUp and CutMix: pixels and targets blend by the same weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthscope.training.mix import FeatureMix, Mix, mix_batch

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


def test_features_and_targets_share_a_weight_of_their_own() -> None:
    torch.manual_seed(0)
    features = torch.eye(40)  # every image is told by its features
    targets = torch.arange(40) % 2.0
    mixed, soft = FeatureMix(alpha=0.2, p=0.5)(features, targets)
    torch.testing.assert_close(soft, mixed @ targets)
    torch.testing.assert_close(mixed.sum(1), torch.ones(40))
    assert ((mixed > 0).sum(1) <= 2).all()
    weights = torch.cat([FeatureMix(alpha=0.2, p=1)(features, targets)[0].diagonal() for _ in range(100)])
    kept = torch.stack([(FeatureMix(p=0.5)(features, targets)[0].diagonal() == 1).float().mean() for _ in range(100)])
    assert 0.48 < weights.mean() < 0.56  # 1 / 2, and 1 where an image met itself, once in 40
    assert 0.14 < weights.var() < 0.22  # of Beta(0.2, 0.2): 1 / (4 x 1.4) = 0.179
    assert 0.5 < kept.mean() < 0.65  # half is left alone; a Beta of 0.2 is 1 to the last bit now and then
