"""Augmentations of one image, uint8 ``(H, W, 3)`` in and out, each with an explicit generator.

Channels behind the third are masks: they follow the geometry, with the nearest pixel, and nothing else. A step is a
configuration that can be called: recipes list them as ``{step: hflip, p: 0.5}``. ``crop`` is the side of the
detector's input, which steps without a ``size`` of their own aim at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from synthscope.training.augment.crops import RandomCrop, RandomResizedCrop, SimplestPatch
from synthscope.training.augment.erasing import RandomErasing
from synthscope.training.augment.geometry import HFlip
from synthscope.training.augment.policies import RandAugment
from synthscope.training.augment.quality import BlurJpeg, gaussian_blur
from synthscope.training.augment.resizes import RandomSqueeze, Resize, nearest

__all__ = [
    "BlurJpeg",
    "HFlip",
    "RandAugment",
    "RandomCrop",
    "RandomErasing",
    "RandomResizedCrop",
    "RandomSqueeze",
    "Resize",
    "SimplestPatch",
    "Step",
    "augment",
    "gaussian_blur",
    "nearest",
]

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
