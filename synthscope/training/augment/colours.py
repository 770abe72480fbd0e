"""Changes of brightness and colour."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from synthscope.training.augment.step import PixelStep, torchvision_functional


class ColourJitter(PixelStep):
    """torchvision's ``ColorJitter``: factors ``max(0, 1 - x)`` to ``1 + x``, hue by -x to x turns, in random order."""

    step: Literal["colour_jitter"]
    brightness: float = Field(default=0.0, ge=0)
    contrast: float = Field(default=0.0, ge=0)
    saturation: float = Field(default=0.0, ge=0)
    hue: float = Field(default=0.0, ge=0, le=0.5)

    def change(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Adjust."""
        functional, image = torchvision_functional(), Image.fromarray(rgb)
        for name in rng.permutation(["brightness", "contrast", "saturation", "hue"]):
            limit, middle = getattr(self, name), float(name != "hue")
            if limit:
                low = -limit if name == "hue" else max(0.0, middle - limit)
                image = getattr(functional, f"adjust_{name}")(image, rng.uniform(low, middle + limit))
        return np.asarray(image)


class Greyscale(PixelStep):
    """Luma (ITU-R 601) in all three channels."""

    step: Literal["greyscale"]

    def change(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Take the colours away."""
        return np.asarray(Image.fromarray(rgb).convert("L").convert("RGB"))
