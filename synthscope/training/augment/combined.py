"""Steps made of steps: one of several, or all of them in random number and order."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from synthscope.config import Config
from synthscope.training.augment.colours import ColourJitter, Greyscale
from synthscope.training.augment.compression import BlurJpeg, Jpeg
from synthscope.training.augment.crops import RandomCrop, RandomResizedCrop
from synthscope.training.augment.erasing import MaskPatches, RandomErasing
from synthscope.training.augment.filters import Blur, GaussianNoise, PepperNoise, Sharpen
from synthscope.training.augment.geometry import Affine, HFlip, VFlip
from synthscope.training.augment.resizes import PadResize, RandomResize, RandomSqueeze, Resize
from synthscope.training.augment.step import Probability

SingleStep = (
    Resize | RandomSqueeze | RandomResize | PadResize | RandomCrop | RandomResizedCrop | HFlip | VFlip | Affine
    | RandomErasing | MaskPatches | ColourJitter | Greyscale | Blur | Sharpen | GaussianNoise | PepperNoise | Jpeg
    | BlurJpeg
)  # fmt: skip
Steps = Annotated[tuple[Annotated[SingleStep, Field(discriminator="step")], ...], Field(min_length=1)]


class OneOf(Config):
    """One of ``steps``, all as likely, with probability ``p``."""

    step: Literal["one_of"]
    p: Probability = 1.0
    steps: Steps

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Take one."""
        return self.steps[int(rng.integers(len(self.steps)))](rgb, rng, crop) if rng.random() < self.p else rgb


class RandomList(Config):
    """Community Forensics: each of ``steps`` is drawn 0 to ``most`` times, then all draws follow in random order."""

    step: Literal["random_list"]
    most: int = Field(default=2, ge=1, le=10)
    steps: Steps

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Draw the list and apply it."""
        times = rng.integers(0, self.most + 1, len(self.steps))
        for place in rng.permutation(np.repeat(np.arange(len(self.steps)), times)):
            rgb = self.steps[place](rgb, rng, crop)
        return rgb
