"""Parts of an image that are covered."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from synthscope.config import Config
from synthscope.detectors.input import IMAGENET_MEAN, IMAGENET_STD
from synthscope.training.augment.step import Probability, Range


class RandomErasing(Config):
    """A box of per-pixel normal noise (timm's ``pixel`` mode, N(0, 1) after normalisation).

    The noise is drawn here as N(mean, std) of ImageNet in bytes, so values beyond 0..255, about 3 %, are clipped.
    """

    step: Literal["random_erasing"]
    p: Probability = 0.25
    area: Range = (0.02, 1 / 3)
    ratio: Range = (0.3, 10 / 3)  # height / width

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int) -> np.ndarray:
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
                noise = rng.normal(np.multiply(IMAGENET_MEAN, 255), np.multiply(IMAGENET_STD, 255), (h, w, 3))
                rgb = rgb.copy()
                rgb[top : top + h, left : left + w] = 0  # nothing of an artifact is left to see
                rgb[top : top + h, left : left + w, :3] = noise.round().clip(0, 255).astype(np.uint8)
                return rgb
        return rgb
