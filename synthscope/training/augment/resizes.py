"""Resizes of an image and of the masks behind it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field, field_validator

from synthscope.config import Config
from synthscope.detectors.base import resize
from synthscope.detectors.input import Interpolation, Side, short_side


class Resize(Config):
    """Shorter side, or both sides, to ``size`` pixels, as in the detectors' own preprocessing."""

    step: Literal["resize"]
    size: int | None = Field(default=None, ge=1)
    mode: Literal["short", "square"] = "short"
    interpolation: Interpolation = "bilinear"

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int) -> np.ndarray:
        """Resize."""
        size = self.size or crop
        sides = (size, size) if self.mode == "square" else short_side(rgb.shape[0], rgb.shape[1], size)
        return resized(rgb, *sides, self.interpolation)


class RandomSqueeze(Config):
    """GramNet: both sides to one random number of pixels; put a square resize to the input behind it."""

    step: Literal["random_squeeze"]
    size: tuple[Side, Side] = (64, 256)  # both included
    interpolation: Interpolation = "opencv_bilinear"

    @field_validator("size")
    @classmethod
    def _ascends(cls, size: tuple[int, int]) -> tuple[int, int]:
        if size[0] > size[1]:
            raise ValueError("give the smaller size first")
        return size

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int) -> np.ndarray:
        """Squeeze."""
        side = int(rng.integers(self.size[0], self.size[1] + 1))
        return resized(rgb, side, side, self.interpolation)


def resized(rgb: np.ndarray, height: int, width: int, interpolation: Interpolation) -> np.ndarray:
    """Uint8 ``(H, W, C)`` at another size: the image by ``interpolation``, masks by their nearest pixels."""
    rgb, masks = rgb[..., :3], rgb[..., 3:]
    pixels = torch.from_numpy(np.require(rgb, requirements=["C", "W"])).permute(2, 0, 1)
    rgb = resize(pixels, height, width, interpolation).permute(1, 2, 0).numpy()
    return np.dstack([rgb, nearest(masks, height, width)]) if masks.size else rgb


def nearest(masks: np.ndarray, height: int, width: int) -> np.ndarray:
    """Masks ``(H, W, C)`` at another size: every pixel takes the value at its centre, so that they stay on the image.

    >>> nearest(np.arange(4).reshape(1, 4, 1), 1, 2)[0, :, 0].tolist()
    [1, 3]
    """
    sides = zip((height, width), masks.shape[:2], strict=True)
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in sides)
    return masks[rows[:, None], columns]
