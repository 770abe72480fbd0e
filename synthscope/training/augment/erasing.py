"""Parts of an image that are covered, and with them what masks say of these parts: nothing of it is left to see."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from synthscope.config import Config
from synthscope.detectors.input import IMAGENET_MEAN, IMAGENET_STD, Side
from synthscope.training.augment.step import Probability, Range, Share


class RandomErasing(Config):
    """A box of per-pixel normal noise (timm's ``pixel`` mode, N(0, 1) after normalisation), or a black one (cut-out).

    The noise is drawn here as N(mean, std) of ImageNet in bytes, so values beyond 0..255, about 3 %, are clipped.
    """

    step: Literal["random_erasing"]
    p: Probability = 0.25
    area: Share = (0.02, 1 / 3)
    ratio: Range = (0.3, 10 / 3)  # height / width
    fill: Literal["noise", "black"] = "noise"

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Erase."""
        if rng.random() >= self.p:
            return rgb
        height, width = rgb.shape[:2]
        for _ in range(10):
            area = height * width * rng.uniform(*self.area)
            aspect = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < h < height and 0 < w < width:
                top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
                rgb = rgb.copy()
                rgb[top : top + h, left : left + w] = 0
                if self.fill == "noise":
                    noise = rng.normal(np.multiply(IMAGENET_MEAN, 255), np.multiply(IMAGENET_STD, 255), (h, w, 3))
                    rgb[top : top + h, left : left + w, :3] = noise.round().clip(0, 255).astype(np.uint8)
                return rgb
        return rgb


class MaskPatches(Config):
    """SAFE: squares of a grid from the upper left become black, a share of them that is drawn for the image."""

    step: Literal["mask_patches"]
    p: Probability = 0.5
    patch: Side = 16
    share: Share = (0.0, 0.75)  # of the whole squares; what lies beyond the last of them stays

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Mask."""
        if rng.random() >= self.p:
            return rgb
        rows, columns = (side // self.patch for side in rgb.shape[:2])
        masked = rng.permutation(rows * columns) < int(rows * columns * rng.uniform(*self.share))
        grid = masked.reshape(rows, columns).repeat(self.patch, 0).repeat(self.patch, 1)
        rgb = rgb.copy()
        rgb[: grid.shape[0], : grid.shape[1]][grid] = 0
        return rgb
