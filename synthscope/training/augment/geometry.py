"""Mirrors and turns of an image and of the masks behind it."""

from __future__ import annotations

from typing import Annotated, Literal

import cv2
import numpy as np
from PIL import Image
from pydantic import Field

from synthscope.config import Config
from synthscope.training.augment.step import Probability, torchvision_functional


class HFlip(Config):
    """Mirror left and right."""

    step: Literal["hflip"]
    p: Probability = 0.5

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Flip."""
        return cv2.flip(rgb, 1) if rng.random() < self.p else rgb


class VFlip(Config):
    """Mirror top and bottom."""

    step: Literal["vflip"]
    p: Probability = 0.5

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Flip."""
        return cv2.flip(rgb, 0) if rng.random() < self.p else rgb


class Affine(Config):
    """Rotation, translation and shear, each drawn up to its limit to both sides, as torchvision's ``RandomAffine``.

    The size stays; nearest pixels, black where nothing is left.
    """

    step: Literal["affine"]
    p: Probability = 1.0
    degrees: float = Field(default=0.0, ge=0, le=180)  # of rotation about the centre
    translate: Probability = 0.0  # of the width and of the height
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0  # degrees, along both axes

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Turn, move and shear."""
        if rng.random() >= self.p:
            return rgb
        angle, shear = rng.uniform(-self.degrees, self.degrees), rng.uniform(-self.shear, self.shear, 2).tolist()
        reach = np.multiply(rgb.shape[1::-1], self.translate)
        moved = np.rint(rng.uniform(-reach, reach)).astype(int).tolist()
        affine = torchvision_functional().affine
        images = [rgb[..., :3], *np.moveaxis(rgb[..., 3:], 2, 0)]  # the default of torchvision is the nearest pixel
        turned = [affine(Image.fromarray(np.ascontiguousarray(part)), angle, moved, 1.0, shear) for part in images]
        return np.dstack([np.asarray(part) for part in turned])
