"""Occlusion: how far the logit falls when a square of the input is covered (Zeiler and Fergus, ECCV 2014)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from synthscope.config import Config
from synthscope.detectors.base import Detector
from synthscope.explainers.base import Explainer
from synthscope.explainers.gradients import Baseline, baseline

MAX_INPUTS = 64  # of one forward pass


class Occlusion(Explainer):
    """Mean fall of the logit over all squares that cover a pixel, in logits. The last squares end at the border."""

    class Options(Config):
        """The squares, in pixels of the input."""

        window: int = Field(default=32, ge=1, le=4096)  # side; a smaller input is covered as a whole
        stride: int = Field(default=16, ge=1, le=4096)
        fill: Baseline = "mean"

    name = "occlusion"
    signed = True

    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        """Signed ``(B, h, w)``."""
        images = images.float()
        height, width = images.shape[-2:]
        corners = [(top, left) for top in self._starts(height) for left in self._starts(width)]
        fill, window = baseline(detector, self.options.fill)[0], self.options.window
        heat, covered = images.new_zeros(len(images), height, width), images.new_zeros(height, width)
        whole = detector(images)
        at_once = max(1, MAX_INPUTS // len(images))
        for first in range(0, len(corners), at_once):
            places = corners[first : first + at_once]
            variants = images.repeat(len(places), 1, 1, 1).unflatten(0, (len(places), len(images)))
            for variant, (top, left) in zip(variants, places, strict=True):
                variant[..., top : top + window, left : left + window] = fill
            falls = whole - detector(variants.flatten(0, 1)).view(len(places), len(images))
            for fall, (top, left) in zip(falls, places, strict=True):
                heat[:, top : top + window, left : left + window] += fall[:, None, None]
                covered[top : top + window, left : left + window] += 1
        return torch.where(covered > 0, heat / covered.clamp(min=1), 0)

    def _starts(self, side: int) -> list[int]:
        last = max(side - self.options.window, 0)
        return [*range(0, last, self.options.stride), last]
