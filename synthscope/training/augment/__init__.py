"""Augmentations of one image, uint8 ``(H, W, 3)`` in and out, each with an explicit generator.

Channels behind the third are masks: they follow the geometry, with the nearest pixel, and nothing else. A step is a
configuration that can be called: recipes list them as ``{step: hflip, p: 0.5}``. ``crop`` is the side of the
detector's input, which steps without a ``size`` of their own aim at; None where it takes images of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from synthscope.training.augment.colours import ColourJitter, Greyscale
from synthscope.training.augment.combined import OneOf, RandomList, SingleStep
from synthscope.training.augment.compression import BlurJpeg, Jpeg
from synthscope.training.augment.crops import RandomCrop, RandomResizedCrop, SimplestPatch
from synthscope.training.augment.erasing import MaskPatches, RandomErasing
from synthscope.training.augment.filters import Blur, GaussianNoise, PepperNoise, Sharpen, gaussian_blur
from synthscope.training.augment.geometry import Affine, HFlip, VFlip
from synthscope.training.augment.paired import FrequencyMix, JpegLikeReal, PairStep, PasteBack, PixelMix, RandomOrder
from synthscope.training.augment.policies import RandAugment
from synthscope.training.augment.resizes import PadResize, RandomResize, RandomSqueeze, Resize, nearest

__all__ = [
    "Affine", "Blur", "BlurJpeg", "ColourJitter", "FrequencyMix", "GaussianNoise", "Greyscale", "HFlip", "Jpeg",
    "JpegLikeReal", "MaskPatches", "OneOf", "PadResize", "PairStep", "PasteBack", "PepperNoise", "PixelMix",
    "RandAugment", "RandomCrop", "RandomErasing", "RandomList", "RandomOrder", "RandomResize", "RandomResizedCrop",
    "RandomSqueeze", "Resize", "Sharpen", "SimplestPatch", "Step", "VFlip", "augment", "gaussian_blur", "nearest",
]  # fmt: skip

Step = Annotated[SingleStep | SimplestPatch | RandAugment | OneOf | RandomList, Field(discriminator="step")]


def augment(rgb: np.ndarray, steps: Sequence[Step], *, rng: np.random.Generator, crop: int | None) -> np.ndarray:
    """``steps`` in order on uint8 ``(H, W, 3)``.

    >>> image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    >>> augment(image, [HFlip(step="hflip", p=1)], rng=np.random.default_rng(0), crop=4)[0, 0].tolist()
    [9, 10, 11]

    Raises:
        UsageError: A step aims at the side of the input, which has none.
    """
    for step in steps:
        rgb = step(rgb, rng, crop)
    return rgb
