"""Spec (AutoGAN): a ResNet-34 on the log spectrum of every colour channel; up-sampling leaves replicas in it.

    L = log(|FFT2(x)| + 1e-3),   z = clip(2 ((L - p5) / (p95 - p5) - 0.5), -1, 1)

with the 5th and 95th percentile of each channel of each image; the zero frequency stays in the corner. Only the
spectrum classifier is here, not the GAN simulator.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import ValidationInfo, field_validator
from torch import Tensor

from synthscope.detectors.backbones import GENIMAGE, Backbone, BackboneOptions
from synthscope.detectors.input import InputConfig

Band = Literal["all", "low", "mid", "high"]
LowBox = Literal["centred", "published"]
FLAT = (
    0.05  # nat between the percentiles: of a flat channel next to 0, of two lone pixels 1.6, of photographs 2 or more
)
# Edges of boxes in a 224 x 224 spectrum, from its zero frequency at 112; the first two leave bands of equal area. The
# published low box is 57:177, off the centre by 5; 47:177 is what makes bands of equal area and is centred.
LOW, MIDDLE, PUBLISHED_LOW = (-65, 65), (-91, 91), (-55, 65)


class SpecOptions(BackboneOptions):
    """What the ResNet-34 reads."""

    residual: Literal[False] = False  # it reads spectra instead
    feature: Literal["spectrum", "pixels"] = "spectrum"  # pixels: the published baseline, in -1..1
    band: Band = "all"  # of the spectrum; the others are set to 0
    low_box: LowBox = "centred"  # published: the lopsided box of the published code
    channels: Literal["rgb", "bgr"] = "rgb"  # bgr: the order of the published code, which published weights need

    @field_validator("band")
    @classmethod
    def _has_a_spectrum(cls, band: Band, info: ValidationInfo) -> Band:
        if band != "all" and info.data.get("feature") == "pixels":
            raise ValueError("pixels have no bands, use feature=spectrum or band=all")
        return band


class Spec(Backbone):
    """ResNet-34 on log spectra; square resize to 256 as the published code does, where an image is not 256 high."""

    Options = SpecOptions  # narrower: without residual
    options: SpecOptions
    model = "resnet34.tv_in1k"  # torchvision's ImageNet weights, as published
    default_input = InputConfig(
        resize=256, resize_mode="square", interpolation="opencv_bilinear", crop=224, mean=(0, 0, 0), std=(1, 1, 1)
    )
    paper = f"Zhang et al., Detecting and simulating artifacts in GAN fake images, WIFS 2019; {GENIMAGE}"
    licence = "Apache-2.0 (timm); AutoGAN's file headers say BSD"

    def features(self, images: Tensor) -> Tensor:
        """Input of the network, float32 ``(B, 3, h, w)`` in -1..1, of images in 0..255."""
        pixels = self.normalize(images)
        if self.options.channels == "bgr":
            pixels = pixels.flip(1)
        if self.options.feature == "pixels":
            return (2 * pixels - 1).float()
        spectrum = log_spectrum(pixels)
        if self.options.band == "all":
            return spectrum
        keep = band_mask(*spectrum.shape[-2:], band=self.options.band, low_box=self.options.low_box)
        return spectrum * keep.to(spectrum.device)

    def normalize(self, images: Tensor) -> Tensor:
        """As the base class does, in float64, where the published code computes: small magnitudes feel the rounding."""
        return (images.double() - self.mean) / self.std

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        return self.net(self.features(images))[:, 0]


def log_spectrum(images: Tensor) -> Tensor:
    """Log magnitudes between their percentiles, per image and channel (Zhang et al., WIFS 2019; published mode 0).

    Computed in float64, as the published code does. A channel without a spread of magnitudes, such as a flat one, gives
    zeros; the published code gives nan or noise.

    Args:
        images: ``(B, C, h, w)`` in 0..1; float64 where they are quotients, so that those are exact.

    Returns:
        float32 ``(B, C, h, w)`` in -1..1, zero frequency at ``[0, 0]``.

    >>> log_spectrum(torch.eye(4)[None, None])[0, 0, 0].tolist()
    [1.0, -1.0, -1.0, -1.0]
    """
    width = images.shape[-1]
    with torch.autocast(images.device.type, enabled=False):
        half = torch.log(torch.fft.rfft2(images.double().contiguous()).abs() + 1e-3)
        mirrored = slice(1, (width + 1) // 2)  # columns that stand for a second one
        alone = torch.cat([half[..., :1], half[..., mirrored.stop :]], -1).flatten(-2)
        low, high = outer_percentiles(alone, half[..., mirrored].flatten(-2), percent=5)
        spread = (high - low)[..., None, None]
        some = spread > FLAT
        half = ((half - low[..., None, None]) / torch.where(some, spread, 1) - 0.5) * 2
        half = torch.where(some, half.clamp(-1, 1), 0)
        rest = half[..., mirrored].flip(-2, -1).roll(1, -2)  # L[-u, -v] = L[u, v]
        return torch.cat([half, rest], -1).float()


def outer_percentiles(once: Tensor, twice: Tensor, *, percent: float) -> tuple[Tensor, Tensor]:
    """Percentiles ``percent`` and ``100 - percent`` of a set whose members ``twice`` count double.

    Linear interpolation, numpy's default, on the outermost values alone: half a spectrum holds nearly every value of
    the whole one twice, and only the tails need an order.

    Args:
        once: ``(..., n)``.
        twice: ``(..., m)``.
        percent: Below 50.

    Returns:
        Two tensors ``(...)``.

    >>> [p.item() for p in outer_percentiles(torch.tensor([0.0, 4.0]), torch.tensor([1.0, 2.0, 3.0]), percent=10)]
    [0.699999988079071, 3.299999952316284]
    """
    count = once.shape[-1] + 2 * twice.shape[-1]
    position = percent / 100 * (count - 1)
    rank = int(position)

    def lower(once: Tensor, twice: Tensor) -> Tensor:
        tail = twice.topk(min((rank + 3) // 2, twice.shape[-1]), -1, largest=False, sorted=False).values
        tail = torch.cat([once, tail, tail], -1)
        below, above = (tail.kthvalue(min(order, count), -1).values for order in (rank + 1, rank + 2))
        return torch.lerp(below, above, position - rank)

    return lower(once, twice), -lower(-once, -twice)


def band_mask(height: int, width: int, *, band: Band, low_box: LowBox = "centred") -> Tensor:
    """Where an unshifted spectrum belongs to a band (published modes 1 to 3); boxes scale with the size.

    Args:
        height: Of the spectrum.
        width: Of the spectrum.
        band: At 224 x 224 and around the zero frequency: low is a box of 130, high what lies outside a box of 182,
            mid what lies between.
        low_box: "published" is the box of the published code, 10 narrower and off its centre by 5.

    Returns:
        bool ``(height, width)``.

    >>> [int(band_mask(224, 224, band=band).sum()) for band in ("low", "mid", "high")]
    [16900, 16224, 17052]
    """
    low = _box(height, width, LOW if low_box == "centred" else PUBLISHED_LOW)
    middle = _box(height, width, MIDDLE)
    return {"all": middle | ~middle, "low": low, "mid": middle & ~low, "high": ~middle}[band]


def _box(height: int, width: int, edges: tuple[int, int]) -> Tensor:
    inside = []
    for side in (height, width):
        frequencies = torch.fft.fftfreq(side, 1 / side)
        first, last = (round(edge * side / 224) for edge in edges)
        inside.append((frequencies >= first) & (frequencies < last))
    return inside[0][:, None] & inside[1]
