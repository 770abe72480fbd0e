"""Resizes of an image and of the masks behind it."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, model_validator

from synthscope.config import Config
from synthscope.detectors.base import resize
from synthscope.detectors.input import Interpolation, Side, short_side
from synthscope.training.augment.step import Ascending, Kernel, Probability, Range, side_of


class Resize(Config):
    """Shorter side, or both sides, to ``size`` pixels, as in the detectors' own preprocessing."""

    step: Literal["resize"]
    size: int | None = Field(default=None, ge=1)
    mode: Literal["short", "square"] = "short"
    interpolation: Interpolation = "bilinear"

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Resize."""
        size = side_of(self.size, crop, self.step)
        sides = (size, size) if self.mode == "square" else short_side(rgb.shape[0], rgb.shape[1], size)
        return resized(rgb, *sides, self.interpolation)


class RandomSqueeze(Config):
    """GramNet: both sides to one random number of pixels; put a square resize to the input behind it."""

    step: Literal["random_squeeze"]
    size: Annotated[tuple[Side, Side], Ascending] = (64, 256)  # both included
    interpolation: Interpolation = "opencv_bilinear"

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Squeeze."""
        side = int(rng.integers(self.size[0], self.size[1] + 1))
        return resized(rgb, side, side, self.interpolation)


class RandomResize(Config):
    """To a random size, with one of the kernels at random; the aspect stays.

    Community Forensics draws the short side between the crop and 1.228 times that; a factor is of the image's own size.
    """

    step: Literal["random_resize"]
    p: Probability = 1.0
    short: Range | None = None  # short side in sides of the input, more than the first to the second; or
    factor: Range | None = None  # of both sides
    interpolation: tuple[Kernel, ...] = Field(default=("bilinear", "bicubic"), min_length=1)

    @model_validator(mode="after")
    def _one_size(self) -> RandomResize:
        if (self.short is None) == (self.factor is None) or min(self.short or self.factor or (0,)) <= 0:
            raise ValueError("give one of short and factor, above 0")
        return self

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Resize."""
        if rng.random() >= self.p:
            return rgb
        if self.short is not None:
            low, high = (int(end * side_of(None, crop, self.step)) for end in self.short)
            sides = short_side(rgb.shape[0], rgb.shape[1], int(rng.integers(low, max(high, low + 1))) + 1)
        else:
            factor = rng.uniform(*self.factor or ())
            sides = round(rgb.shape[0] * factor), round(rgb.shape[1] * factor)
        return resized(rgb, max(sides[0], 1), max(sides[1], 1), drawn(self.interpolation, rng))


class PadResize(Config):
    """A border of one random grey around the image, then back to its size: everything becomes smaller."""

    step: Literal["pad_resize"]
    p: Probability = 1.0
    border: Probability = 0.1  # of the height and of the width, on either side
    interpolation: tuple[Kernel, ...] = Field(default=("bilinear", "bicubic"), min_length=1)

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Pad and resize."""
        if rng.random() >= self.p:
            return rgb
        height, width = rgb.shape[:2]
        rows, columns = round(height * self.border), round(width * self.border)
        padded = np.zeros((height + 2 * rows, width + 2 * columns, rgb.shape[2]), np.uint8)
        padded[..., :3] = rng.integers(256)
        padded[rows : rows + height, columns : columns + width] = rgb
        return resized(padded, height, width, drawn(self.interpolation, rng))


def resized(rgb: np.ndarray, height: int, width: int, interpolation: Kernel) -> np.ndarray:
    """Uint8 ``(H, W, C)`` at another size: the image by ``interpolation``, masks by their nearest pixels."""
    rgb, masks = rgb[..., :3], rgb[..., 3:]
    pixels = torch.from_numpy(np.require(rgb, requirements=["C", "W"])).permute(2, 0, 1)
    rgb = resize(pixels, height, width, interpolation).permute(1, 2, 0).numpy()
    return np.dstack([rgb, nearest(masks, height, width)]) if masks.size else rgb


def drawn(kernels: tuple[Kernel, ...], rng: np.random.Generator) -> Kernel:
    """One of some kernels."""
    return kernels[int(rng.integers(len(kernels)))]


def nearest(masks: np.ndarray, height: int, width: int) -> np.ndarray:
    """Masks ``(H, W, C)`` at another size: every pixel takes the value at its centre, so that they stay on the image.

    >>> nearest(np.arange(4).reshape(1, 4, 1), 1, 2)[0, :, 0].tolist()
    [1, 3]
    """
    sides = zip((height, width), masks.shape[:2], strict=True)
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in sides)
    return masks[rows[:, None], columns]
