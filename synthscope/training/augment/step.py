"""What steps share: ranges, the side that they aim at, masks behind the image, the kind of step that moves nothing."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import AfterValidator, Field

from synthscope import runtime
from synthscope.config import Config
from synthscope.detectors.input import Interpolation
from synthscope.errors import UsageError

N = TypeVar("N", int, float)


def _ascends(ends: tuple[N, N]) -> tuple[N, N]:
    if ends[0] > ends[1]:
        raise ValueError("give the smaller number first")
    return ends


Ascending = AfterValidator(_ascends)
Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[tuple[Probability, Probability], Ascending]  # of pixels or of an area, drawn between the two
Range = Annotated[tuple[float, float], Ascending]
Kernel = Interpolation | Literal["pillow_nearest", "pillow_box", "pillow_hamming", "pillow_lanczos"]


class PixelStep(Config, ABC):
    """A step that changes colours with probability ``p`` and moves nothing, so that masks stay as they are."""

    p: Probability = 1.0

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator, crop: int | None) -> np.ndarray:
        """Change the image, or leave it."""
        if rng.random() >= self.p:
            return rgb
        changed = self.change(np.ascontiguousarray(rgb[..., :3]), rng)
        return np.dstack([changed, rgb[..., 3:]]) if rgb.shape[2] > 3 else changed

    @abstractmethod
    def change(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Uint8 ``(H, W, 3)`` to the same shape; the input is not modified."""


def side_of(size: int | None, crop: int | None, step: str) -> int:
    """``size`` of a step, else the side of the detector's input. Raises ``UsageError`` where neither is known."""
    if size is None and crop is None:
        raise UsageError(
            f"Expected a detector whose input has a fixed side for the augmentation {step}, got one for any size. "
            f"Give the step a size of its own, or set detector.input.crop."
        )
    return size or crop or 0


def torchvision_functional() -> Any:
    """``torchvision.transforms.functional``."""
    runtime.import_torchvision()
    return importlib.import_module("torchvision.transforms.functional")
