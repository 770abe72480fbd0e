"""JPEG round trips, alone and behind a blur."""

from __future__ import annotations

from io import BytesIO
from typing import Annotated, Literal

import cv2
import numpy as np
from PIL import Image

from synthscope.config import Config
from synthscope.data.degrade.jpeg import Quality
from synthscope.training.augment.filters import gaussian_blur
from synthscope.training.augment.step import Ascending, PixelStep, Probability, Range


class Jpeg(PixelStep):
    """A JPEG round trip by OpenCV or Pillow, which is drawn, at a random quality, chroma halved."""

    step: Literal["jpeg"]
    quality: Annotated[tuple[Quality, Quality], Ascending] = (30, 100)  # both included
    values: tuple[Quality, ...] = ()  # one of these instead of the range; RINE: 30 or 100, nothing between

    def change(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Compress."""
        if self.values:
            return jpeg(rgb, self.values[int(rng.integers(len(self.values)))], rng)
        return jpeg(rgb, int(rng.integers(self.quality[0], self.quality[1] + 1)), rng)


class BlurJpeg(Config):
    """CNNSpot: blur with sigma ~ U, then a JPEG round trip by OpenCV or Pillow, each with its own probability."""

    step: Literal["blur_jpeg"]
    blur_prob: Probability = 0.5
    jpg_prob: Probability = 0.5
    sigma: Range = (0.0, 3.0)
    quality: Annotated[tuple[Quality, Quality], Ascending] = (30, 100)  # both included

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Blur and compress."""
        rgb, masks = rgb[..., :3], rgb[..., 3:]
        if rng.random() < self.blur_prob:
            rgb = gaussian_blur(rgb, float(rng.uniform(*self.sigma)))
        if rng.random() < self.jpg_prob:
            rgb = jpeg(rgb, int(rng.integers(self.quality[0], self.quality[1] + 1)), rng)
        return np.dstack([rgb, masks]) if masks.size else rgb


def jpeg(rgb: np.ndarray, quality: int, rng: np.random.Generator) -> np.ndarray:
    """The round trip of uint8 ``(H, W, 3)`` by one of the two libraries."""
    return (_jpeg_cv2, jpeg_pil)[int(rng.integers(2))](rgb, quality)


def _jpeg_cv2(rgb: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])  # type: ignore[index]


def jpeg_pil(rgb: np.ndarray, quality: int) -> np.ndarray:
    """The round trip of uint8 ``(H, W, 3)`` by Pillow."""
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
