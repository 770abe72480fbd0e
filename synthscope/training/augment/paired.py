"""What brings the AI image of a pair closer to its real one, before both are augmented alike. Only it changes.

DDA's format alignment and mixes (Chen et al., NeurIPS 2025; roy-ch/Dual-Data-Alignment, Training/data), and what
B-Free's local edits do: the original's pixels around a part that stays generated.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy import fft

from synthscope.config import Config
from synthscope.training.augment.compression import jpeg_pil
from synthscope.training.augment.step import Probability, Range, Share

UNSEEN_QUALITY = 96  # of a real image that is no JPEG file, as published


class JpegLikeReal(Config):
    """A JPEG round trip at the quality that the file of the real image was saved with; at 100 there is none."""

    step: Literal["jpeg_like_real"]
    p: Probability = 0.5

    def __call__(self, ai: np.ndarray, real: np.ndarray, rng: np.random.Generator, quality: int | None) -> np.ndarray:
        """Compress."""
        quality = quality or UNSEEN_QUALITY
        return ai if rng.random() >= self.p or quality == 100 else jpeg_pil(ai, quality)


class PixelMix(Config):
    """A weighted mean with the real image, ``w ai + (1 - w) real``.

    Rounded: the published program cuts the fraction off, which darkens the AI image alone by half a grey level.
    """

    step: Literal["pixel_mix"]
    p: Probability = 0.2
    share: Share = (0.0, 0.8)  # w, of the AI image

    def __call__(self, ai: np.ndarray, real: np.ndarray, rng: np.random.Generator, quality: int | None) -> np.ndarray:
        """Mix."""
        return ai if rng.random() >= self.p else pixel_mix(ai, real, float(rng.uniform(*self.share)))


class FrequencyMix(Config):
    """A weighted mean of the cosine transforms, ``w C(real) + (1 - w) C(ai)``, and back, rounded."""

    step: Literal["frequency_mix"]
    p: Probability = 0.2
    share: Share = (0.0, 0.8)  # w, of the real image: not of the AI image as in the other mix

    def __call__(self, ai: np.ndarray, real: np.ndarray, rng: np.random.Generator, quality: int | None) -> np.ndarray:
        """Mix."""
        return ai if rng.random() >= self.p else frequency_mix(ai, real, float(rng.uniform(*self.share)))


class PasteBack(Config):
    """Outside of a random box the real image's own pixels, as in an inpainted picture."""

    step: Literal["paste_back"]
    p: Probability = 0.5
    area: Share = (0.05, 0.5)  # of the image, that stays generated
    ratio: Range = (0.5, 2.0)  # height / width

    def __call__(self, ai: np.ndarray, real: np.ndarray, rng: np.random.Generator, quality: int | None) -> np.ndarray:
        """Paste."""
        if rng.random() >= self.p:
            return ai
        height, width = ai.shape[:2]
        area = height * width * rng.uniform(*self.area)
        ratio = math.exp(rng.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
        h = min(max(round(math.sqrt(area * ratio)), 1), height)
        w = min(max(round(area / h), 1), width)
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        box = np.zeros((height, width), bool)
        box[top : top + h, left : left + w] = True
        return paste_back(ai, real, box)


Mixing = Annotated[JpegLikeReal | PixelMix | FrequencyMix | PasteBack, Field(discriminator="step")]


class RandomOrder(Config):
    """All of ``steps``, in an order that is drawn."""

    step: Literal["random_order"]
    steps: Annotated[tuple[Mixing, ...], Field(min_length=1)]

    def __call__(self, ai: np.ndarray, real: np.ndarray, rng: np.random.Generator, quality: int | None) -> np.ndarray:
        """One after the other."""
        for place in rng.permutation(len(self.steps)):
            ai = self.steps[place](ai, real, rng, quality)
        return ai


PairStep = Annotated[JpegLikeReal | PixelMix | FrequencyMix | PasteBack | RandomOrder, Field(discriminator="step")]


def pixel_mix(ai: np.ndarray, real: np.ndarray, share: float) -> np.ndarray:
    """``share x ai + (1 - share) x real`` of uint8 ``(H, W, 3)`` images, rounded.

    >>> pixel_mix(np.uint8([[[8, 0, 255]]]), np.uint8([[[0, 9, 255]]]), 0.25).tolist()
    [[[2, 7, 255]]]
    """
    return (share * ai.astype(np.float32) + (1 - share) * real.astype(np.float32)).round().astype(np.uint8)


def frequency_mix(ai: np.ndarray, real: np.ndarray, share: float) -> np.ndarray:
    """The orthonormal DCT-II of each whole channel, ``share`` of the real image's coefficients and the rest of the AI
    image's, and back; uint8 ``(H, W, 3)``.

    One weight for all frequencies and a linear transform: but for rounding this is the mean of the pixels.
    """
    of_ai, of_real = (fft.dctn(image.astype(np.float32), axes=(0, 1), norm="ortho") for image in (ai, real))
    mixed = fft.idctn(share * of_real + (1 - share) * of_ai, axes=(0, 1), norm="ortho")
    return mixed.clip(0, 255).round().astype(np.uint8)


def paste_back(ai: np.ndarray, real: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 ``(H, W, 3)``: the AI image where bool ``(H, W)`` says so, the real one elsewhere.

    >>> paste_back(np.full((1, 2, 3), 9), np.zeros((1, 2, 3), int), np.array([[True, False]]))[0, :, 0].tolist()
    [9, 0]
    """
    return np.where(mask[..., None], ai, real)
