"""Mirrors and turns of an image and of the masks behind it."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from synthscope.config import Config
from synthscope.training.augment.step import Probability


class HFlip(Config):
    """Mirror left and right."""

    step: Literal["hflip"]
    p: Probability = 0.5

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int) -> np.ndarray:
        """Flip."""
        return cv2.flip(rgb, 1) if rng.random() < self.p else rgb
