"""Blur, sharpening and noise."""

from __future__ import annotations

from typing import Annotated, Literal

import cv2
import numpy as np
from PIL import Image
from pydantic import AfterValidator, Field, model_validator

from synthscope.data.degrade.filters import Noise, Sigma
from synthscope.training.augment.step import Ascending, PixelStep, Range, Share, torchvision_functional


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise ValueError("an odd number of pixels")
    return side


KernelSide = Annotated[int, Field(ge=3, le=99), AfterValidator(_odd)]


class Blur(PixelStep):
    """Gaussian, median or motion blur; motion is a line between two random pixels of the kernel.

    Beyond its borders a Gaussian mirrors the image without the edge, as kornia's; without a ``kernel`` it is
    :func:`gaussian_blur`.
    """

    step: Literal["blur"]
    kind: Literal["gaussian", "median", "motion"] = "gaussian"
    kernel: tuple[KernelSide, ...] = ()  # sides in pixels, one of which is drawn
    sigma: Range | None = None  # Gaussian; None = OpenCV's choice for the kernel

    @model_validator(mode="after")
    def _is_known(self) -> Blur:
        if not self.kernel and (self.kind != "gaussian" or self.sigma is None):
            raise ValueError("give a kernel, or sigma of a Gaussian blur")
        if self.sigma is not None and (self.kind != "gaussian" or self.sigma[0] < 0):
            raise ValueError("sigma is of a Gaussian blur, 0 or more")
        return self

    def change(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Blur."""
        sigma = 0.0 if self.sigma is None else float(rng.uniform(*self.sigma))
        if not self.kernel:
            return gaussian_blur(rgb, sigma)
        side = self.kernel[int(rng.integers(len(self.kernel)))]
        if self.kind == "median":
            return cv2.medianBlur(rgb, side)
        if self.kind == "motion":
            return cv2.filter2D(rgb, -1, _line(side, rng))
        # A float kernel: GaussianBlur on uint8 rounds the kernel to fixed point.
        kernel = cv2.getGaussianKernel(side, sigma, cv2.CV_32F)
        return cv2.sepFilter2D(rgb, -1, kernel, kernel)


class Sharpen(PixelStep):
    """torchvision's ``adjust_sharpness``: 0 is the image smoothed over 3 x 3 pixels, 1 as it is, above is sharper.

    With a ``sigma`` DDA's instead: ``x + factor (x - blurred)``, the fraction cut off.
    """

    step: Literal["sharpen"]
    factor: Range = (1.0, 3.0)
    sigma: float | None = Field(default=None, gt=0)  # of a Gaussian, in pixels

    def change(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Sharpen."""
        if self.sigma is not None:
            pixels = rgb.astype(np.float32)
            detail = pixels - cv2.GaussianBlur(pixels, (0, 0), self.sigma)
            return (pixels + rng.uniform(*self.factor) * detail).clip(0, 255).astype(np.uint8)
        return np.asarray(torchvision_functional().adjust_sharpness(Image.fromarray(rgb), rng.uniform(*self.factor)))


class GaussianNoise(PixelStep):
    """Independent noise on every channel, sigma in grey levels of 0..255."""

    step: Literal["gaussian_noise"]
    sigma: Annotated[tuple[Sigma, Sigma], Ascending]

    def change(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add noise."""
        return Noise(sigma=float(rng.uniform(*self.sigma))).apply(rgb, rng)


class PepperNoise(PixelStep):
    """Black pixels, each with the same probability, which is drawn for the image."""

    step: Literal["pepper_noise"]
    share: Share = (0.0, 0.02)

    def change(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Blacken."""
        black = rng.random(rgb.shape[:2]) < rng.uniform(*self.share)
        return np.where(black[..., None], np.uint8(0), rgb)


def gaussian_blur(rgb: np.ndarray, sigma: float) -> np.ndarray:
    """Blur cut at 4 sigma with mirrored borders, as scipy's ``gaussian_filter``, which CNNSpot uses."""
    size = 2 * int(4 * sigma + 0.5) + 1
    return cv2.GaussianBlur(rgb, (size, size), sigma, borderType=cv2.BORDER_REFLECT) if size > 1 else rgb


def _line(side: int, rng: np.random.Generator) -> np.ndarray:
    start, other = int(rng.integers(side * side)), int(rng.integers(1, side * side))
    canvas = np.zeros((side, side), np.uint8)
    ends = [divmod(place, side) for place in (start, (start + other) % (side * side))]  # two that differ
    line = cv2.line(canvas, ends[0], ends[1], 1).astype(np.float32)
    return line / line.sum()
