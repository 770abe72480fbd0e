"""Augmentations of one image, uint8 ``(H, W, 3)`` in and out, each with an explicit generator.

Channels behind the third are masks: they follow the geometry, with the nearest pixel, and nothing else. A step is a
configuration that can be called: recipes list them as ``{step: hflip, p: 0.5}``. ``crop`` is the side of the
detector's input, which steps without a ``size`` of their own aim at.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import torch
from PIL import Image
from pydantic import Field, field_validator

from synthscope import runtime
from synthscope.config import Config
from synthscope.detectors.base import resize
from synthscope.detectors.input import IMAGENET_MEAN, IMAGENET_STD, Interpolation, Side, short_side
from synthscope.detectors.ssp import simplest_patch

Probability = Annotated[float, Field(ge=0, le=1)]
Range = tuple[float, float]
_GLOBAL = threading.Lock()  # held by the one thread that draws from the global generators


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
        return _resized(rgb, *sides, self.interpolation)


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
        return _resized(rgb, side, side, self.interpolation)


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
            rgb = _resized(rgb, *short_side(rgb.shape[0], rgb.shape[1], size), "bilinear")
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
        return _resized(rgb[top : top + height, left : left + width], size, size, interpolation)

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


class HFlip(Config):
    """Mirror left and right."""

    step: Literal["hflip"]
    p: Probability = 0.5

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int) -> np.ndarray:
        """Flip."""
        return cv2.flip(rgb, 1) if rng.random() < self.p else rgb


class RandAugment(Config):
    """timm's RandAugment; the default is GenImage's ``rand-m9-mstd0.5-inc1``."""

    step: Literal["randaugment"]
    policy: str = "rand-m9-mstd0.5-inc1"

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int) -> np.ndarray:
        """Augment."""
        transform = _randaugment(self.policy, crop)
        with _global_seed(int(rng.integers(2**32))):  # timm draws from the global generators
            return np.asarray(transform(Image.fromarray(np.ascontiguousarray(rgb))))


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


class BlurJpeg(Config):
    """CNNSpot: blur with sigma ~ U, then a JPEG round trip by OpenCV or Pillow, each with its own probability."""

    step: Literal["blur_jpeg"]
    blur_prob: Probability = 0.5
    jpg_prob: Probability = 0.5
    sigma: Range = (0.0, 3.0)
    quality: tuple[int, int] = (30, 100)  # both included

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int) -> np.ndarray:
        """Blur and compress."""
        rgb, masks = rgb[..., :3], rgb[..., 3:]
        if rng.random() < self.blur_prob:
            rgb = gaussian_blur(rgb, float(rng.uniform(*self.sigma)))
        if rng.random() < self.jpg_prob:
            quality = int(rng.integers(self.quality[0], self.quality[1] + 1))
            rgb = (_jpeg_cv2, _jpeg_pil)[int(rng.integers(2))](rgb, quality)
        return np.dstack([rgb, masks]) if masks.size else rgb


Step = Annotated[
    Resize
    | RandomSqueeze
    | RandomCrop
    | SimplestPatch
    | RandomResizedCrop
    | HFlip
    | RandAugment
    | RandomErasing
    | BlurJpeg,
    Field(discriminator="step"),
]


def augment(rgb: np.ndarray, steps: Sequence[Step], *, rng: np.random.Generator, crop: int) -> np.ndarray:
    """``steps`` in order on uint8 ``(H, W, 3)``.

    >>> image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    >>> augment(image, [HFlip(step="hflip", p=1)], rng=np.random.default_rng(0), crop=4)[0, 0].tolist()
    [9, 10, 11]
    """
    for step in steps:
        rgb = step(rgb, rng, crop)
    return rgb


def gaussian_blur(rgb: np.ndarray, sigma: float) -> np.ndarray:
    """Blur cut at 4 sigma with mirrored borders, as scipy's ``gaussian_filter``, which CNNSpot uses."""
    size = 2 * int(4 * sigma + 0.5) + 1
    return cv2.GaussianBlur(rgb, (size, size), sigma, borderType=cv2.BORDER_REFLECT) if size > 1 else rgb


def _jpeg_cv2(rgb: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])  # type: ignore[index]


def _jpeg_pil(rgb: np.ndarray, quality: int) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _resized(rgb: np.ndarray, height: int, width: int, interpolation: Interpolation) -> np.ndarray:
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


@cache
def _randaugment(policy: str, crop: int) -> Callable[[Image.Image], Image.Image]:
    runtime.import_timm()
    from timm.data.auto_augment import rand_augment_transform

    fill = tuple(round(255 * value) for value in IMAGENET_MEAN)
    hparams: dict[str, Any] = {"translate_const": int(crop * 0.45), "img_mean": fill}
    return rand_augment_transform(policy, hparams)


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    with _GLOBAL:
        python, numpy = random.getstate(), np.random.get_state()
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
