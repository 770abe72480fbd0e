"""MixUp and CutMix of a batch: images and targets are blended with the batch in reverse order, as timm does.

And CO-SPY's mix of features.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from synthscope.config import Config


class Mix(Config):
    """Beta parameters of MixUp (Zhang et al., ICLR 2018) and CutMix (Yun et al., ICCV 2019); 0 switches one off."""

    mixup: float = Field(default=0.8, ge=0)
    cutmix: float = Field(default=1.0, ge=0)
    p: float = Field(default=1.0, ge=0, le=1)
    switch: float = Field(default=0.5, ge=0, le=1)  # probability of CutMix where both are on


class FeatureMix(Config):
    """CO-SPY: an image's features and target become ``d a + (1 - d) b``, b those of any image of the micro-batch."""

    alpha: float = Field(default=0.2, gt=0)  # d ~ Beta(alpha, alpha), anew for each image
    p: float = Field(default=0.5, gt=0, le=1)  # of an image to be mixed

    def __call__(self, features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, D)`` features and float32 ``(B,)`` targets, both float32; torch's generator of the CPU draws."""
        count, features = len(features), features.float()
        weight = torch.distributions.Beta(self.alpha, self.alpha).sample((count,))
        weight = weight.where(torch.rand(count) < self.p, 1.0).to(features.device)
        other = torch.randint(count, (count,)).to(features.device)
        return torch.lerp(features[other], features, weight[:, None]), torch.lerp(targets[other], targets, weight)


def mix_batch(images: Tensor, targets: Tensor, *, mix: Mix, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Blend a batch; one weight for the whole batch.

    Args:
        images: uint8 or float ``(B, 3, h, w)`` in 0..255.
        targets: float32 ``(B,)``.
        mix: What to do.
        rng: Drawn from in the same order on every machine.

    Returns:
        Images (float32 where they were mixed) and soft targets.
    """
    alphas = (mix.mixup, mix.cutmix)
    if rng.random() >= mix.p or not any(alphas):
        return images, targets
    cut = not mix.mixup or (mix.cutmix > 0 and rng.random() < mix.switch)
    weight = float(rng.beta(alphas[cut], alphas[cut]))  # of an image's own pixels
    if cut:
        images, weight = _cut(images, weight, rng)
    else:
        images = torch.lerp(images.flip(0).float(), images.float(), weight)
    return images, weight * targets + (1 - weight) * targets.flip(0)


def _cut(images: Tensor, weight: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    height, width = images.shape[-2:]
    half_h, half_w = (int(side * math.sqrt(1 - weight)) // 2 for side in (height, width))
    y, x = int(rng.integers(height)), int(rng.integers(width))
    top, bottom = max(y - half_h, 0), min(y + half_h, height)
    left, right = max(x - half_w, 0), min(x + half_w, width)
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = images.flip(0)[..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
