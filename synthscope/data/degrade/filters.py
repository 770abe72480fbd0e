"""Steps that filter: blur, noise."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from synthscope.data.degrade.step import Fixed, Step, strips

_STRIP = 512  # columns blurred at a time: the rows that the kernel spans stay in the cache
Sigma = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class Blur(Fixed):
    """Gaussian blur, ``sigma`` in pixels of the image it meets; kernel radius 4 sigma, mirrored borders."""

    op = "blur"
    ladder = ("sigma=0.5", "sigma=1", "sigma=2", "sigma=3", "sigma=5")
    sigma: Sigma

    @property
    def reach(self) -> int:
        """The radius of the kernel."""
        return int(np.ceil(4 * self.sigma))

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        import cv2

        # A float kernel: GaussianBlur on uint8 rounds the kernel to fixed point and is two grey levels off.
        kernel = cv2.getGaussianKernel(2 * self.reach + 1, self.sigma, cv2.CV_32F)
        result, width = np.empty_like(rgb, order="C"), rgb.shape[1]
        for left in range(0, width, _STRIP):
            right = min(width, left + _STRIP)
            first = max(0, left - self.reach)
            strip = cv2.sepFilter2D(
                rgb[:, first : right + self.reach], -1, kernel, kernel, borderType=cv2.BORDER_REFLECT
            )
            result[:, left:right] = strip[:, left - first : right - first]
        return result


class Noise(Step):
    """Independent Gaussian noise on every channel, ``sigma`` in grey levels of 0..255."""

    op = "noise"
    ladder = ("sigma=2", "sigma=4", "sigma=8", "sigma=16", "sigma=32")
    sigma: Sigma

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        result = np.empty_like(rgb)
        for rows in strips(rgb):  # the same numbers as all at once, without their memory
            part = rgb[rows]
            noisy = rng.standard_normal(part.shape, dtype=np.float32)
            noisy *= self.sigma
            noisy += part
            result[rows] = np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy)
        return result
