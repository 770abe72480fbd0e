"""Parts of an image: windows of native pixels, Inception's crop, the simplest patch."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from synthscope.config import Config
from synthscope.detectors.input import Interpolation, short_side
from synthscope.detectors.ssp import simplest_patch
from synthscope.training.augment.resizes import resized
from synthscope.training.augment.step import Range


class RandomCrop(Config):
    """A square at a random place, native pixels; an image below the size is enlarged first, or repeated.

    Enlarging leaves the traces of interpolation that some detectors look for.
    """

    step: Literal["random_crop"]
    size: int | None = Field(default=None, ge=1)
    small: Literal["upscale", "tile"] = "upscale"

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int) -> np.ndarray:
        """Crop."""
        size = self.size or crop
        if min(rgb.shape[:2]) < size and self.small == "tile":
            rgb = np.tile(rgb, (-(-size // rgb.shape[0]), -(-size // rgb.shape[1]), 1))
        elif min(rgb.shape[:2]) < size:
            rgb = resized(rgb, *short_side(rgb.shape[0], rgb.shape[1], size), "bilinear")
        top, left = (int(rng.integers(side - size + 1)) for side in rgb.shape[:2])
        return rgb[top : top + size, left : left + size]


class SimplestPatch(Config):
    """SSP: the least textured of 64 random patches, drawn anew in every epoch."""

    step: Literal["simplest_patch"]

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int) -> np.ndarray:
        """Choose."""
        pixels = torch.from_numpy(np.require(rgb, requirements=["C", "W"])).permute(2, 0, 1)
        return simplest_patch(pixels, crop, rng=rng).permute(1, 2, 0).numpy()


class RandomResizedCrop(Config):
    """Inception's crop: random area and aspect, resized to a square with one of the interpolations at random."""

    step: Literal["random_resized_crop"]
    size: int | None = Field(default=None, ge=1)
    scale: Range = (0.08, 1.0)  # of the area
    ratio: Range = (3 / 4, 4 / 3)  # width / height
    interpolation: tuple[Interpolation, ...] = ("bilinear", "bicubic")

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int) -> np.ndarray:
        """Crop and resize."""
        size = self.size or crop
        top, left, height, width = self._box(rgb.shape[0], rgb.shape[1], rng)
        interpolation = self.interpolation[int(rng.integers(len(self.interpolation)))]
        return resized(rgb[top : top + height, left : left + width], size, size, interpolation)

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
