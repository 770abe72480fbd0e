"""Parts of an image: windows of native pixels, Inception's crop, the simplest patch."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from synthscope.config import Config
from synthscope.detectors.input import short_side
from synthscope.detectors.ssp import simplest_patch
from synthscope.training.augment.resizes import drawn, resized
from synthscope.training.augment.step import Kernel, Range, Share, side_of


class RandomCrop(Config):
    """A square at a random place, native pixels; an image below the size is enlarged first, or repeated, or laid
    anywhere on black, as by torchvision's ``pad_if_needed``, or in the middle of it, as centre crops are.

    Enlarging leaves the traces of interpolation that some detectors look for.
    """

    step: Literal["random_crop"]
    size: int | None = Field(default=None, ge=1)
    small: Literal["upscale", "tile", "pad", "pad_centre"] = "upscale"

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Crop."""
        size = side_of(self.size, crop, self.step)
        if min(rgb.shape[:2]) < size and self.small == "tile":
            rgb = np.tile(rgb, (-(-size // rgb.shape[0]), -(-size // rgb.shape[1]), 1))
        elif self.small == "pad":
            around = [(max(size - side, 0),) * 2 for side in rgb.shape[:2]]
            rgb = np.pad(rgb, (*around, (0, 0)))
        elif self.small == "pad_centre":
            lacking = [max(size - side, 0) for side in rgb.shape[:2]]
            rgb = np.pad(rgb, (*((short // 2, short - short // 2) for short in lacking), (0, 0)))
        elif min(rgb.shape[:2]) < size:
            rgb = resized(rgb, *short_side(rgb.shape[0], rgb.shape[1], size), "bilinear")
        top, left = (int(rng.integers(side - size + 1)) for side in rgb.shape[:2])
        return rgb[top : top + size, left : left + size]


class SimplestPatch(Config):
    """SSP: the least textured of 64 random patches, drawn anew in every epoch."""

    step: Literal["simplest_patch"]

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Choose."""
        pixels = torch.from_numpy(np.require(rgb, requirements=["C", "W"])).permute(2, 0, 1)
        return simplest_patch(pixels, side_of(None, crop, self.step), rng=rng).permute(1, 2, 0).numpy()


class RandomResizedCrop(Config):
    """Inception's crop: random area and aspect, resized to a square with one of the interpolations at random."""

    step: Literal["random_resized_crop"]
    size: int | None = Field(default=None, ge=1)
    scale: Share = (0.08, 1.0)  # of the area
    ratio: Range = (3 / 4, 4 / 3)  # width / height
    interpolation: tuple[Kernel, ...] = Field(default=("bilinear", "bicubic"), min_length=1)

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Crop and resize."""
        size = side_of(self.size, crop, self.step)
        top, left, height, width = self._box(rgb.shape[0], rgb.shape[1], rng)
        return resized(rgb[top : top + height, left : left + width], size, size, drawn(self.interpolation, rng))

    def _box(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        for _ in range(10):
            area = height * width * rng.uniform(*self.scale)
            aspect = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
        # torchvision's fallback: the largest centred box whose aspect is allowed
        w = min(width, round(height * self.ratio[1]))
        h = min(height, round(width / self.ratio[0]))
        return (height - h) // 2, (width - w) // 2, h, w
