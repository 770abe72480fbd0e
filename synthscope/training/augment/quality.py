"""Blur and compression."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from synthscope.config import Config
from synthscope.training.augment.step import Probability, Range


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
