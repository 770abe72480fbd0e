"""Occlusion: how far the logit falls when a square of the input is covered (Zeiler and Fergus, ECCV 2014)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from synthscope.config import Config
from synthscope.detectors.base import Detector
from synthscope.explainers.base import FromForward
from synthscope.explainers.forward import Forward, Taps
from synthscope.explainers.gradients import Baseline, baseline

PIXELS = 8 * 224**2  # of one forward pass on a CPU, where larger batches lose to page faults


class Occlusion(FromForward):
    """Mean fall of the logit over all squares that cover a pixel, in logits. The last squares end at the border."""

    class Options(Config):
        """The squares, in pixels of the input."""

        window: int = Field(default=32, ge=1, le=4096)  # side; a smaller input is covered as a whole
        stride: int = Field(default=16, ge=1, le=4096)
        fill: Baseline = "mean"

    name = "occlusion"
    signed = True

    def taps(self, detector: Detector) -> Taps:
        """Nothing but the logit of the whole image."""
        return Taps()

    def maps(self, detector: Detector, images: Tensor, seen: Forward) -> list[Tensor]:
        """The signed heatmaps."""
        images = images.float()
        height, width = images.shape[-2:]
        corners = [(top, left) for top in self._starts(height) for left in self._starts(width)]
        fill, window = baseline(detector, self.options.fill)[0], self.options.window
        heat, covered = images.new_zeros(len(images), height, width), images.new_zeros(height, width)
        variants = torch.stack([images] * min(at_once(images), len(corners)))
        for first in range(0, len(corners), len(variants)):
            windows = [
                (..., slice(top, top + window), slice(left, left + window))
                for top, left in corners[first : first + len(variants)]
            ]
            for variant, place in zip(variants, windows, strict=False):
                variant[place] = fill
            falls = seen.logits - detector(variants[: len(windows)].flatten(0, 1)).view(len(windows), len(images))
            for variant, fall, place in zip(variants, falls, windows, strict=False):
                heat[place] += fall[:, None, None]
                covered[place] += 1
                variant[place] = images[place]
        return [torch.where(covered > 0, heat / covered.clamp(min=1), 0)]

    def _starts(self, side: int) -> list[int]:
        last = max(side - self.options.window, 0)
        return [*range(0, last, self.options.stride), last]


def at_once(images: Tensor) -> int:
    """How many variants of every image of ``(B, 3, h, w)`` go through a detector together, one at least."""
    pixels = images.shape[0] * images.shape[-2] * images.shape[-1]
    return max(1, PIXELS * (1 if images.device.type == "cpu" else 8) // pixels)
