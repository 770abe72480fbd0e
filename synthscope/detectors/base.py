"""The contract of a detector, and the configuration that travels with its weights.

A detector turns RGB pixels into one logit, positive = AI-generated. ``preprocess`` does the geometry (resize, crop)
and stays in uint8; everything about value ranges (scaling, mean, std, spectra) is inside ``forward``, so that cheap
bytes cross process borders and heat maps live in input coordinates.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor, nn

from synthscope.config import Config, validate
from synthscope.data.images import MAX_MEGAPIXELS
from synthscope.detectors.input import Corner, InputConfig, crop_start, short_side
from synthscope.errors import UnreadableImageError, UsageError
from synthscope.metrics.calibration import half_logit


class TrainedOn(Config):
    """What a detector has seen; reported beside every result."""

    subsets: tuple[str, ...] = ()
    view: str = "none"
    n_real: int = 0
    n_ai: int = 0
    seed: int | None = None
    recipe: str | None = None
    manifest_sha256: str | None = None


class Calibration(Config):
    """``p_ai = sigmoid(logit / temperature + bias)``, fitted on held-out training images."""

    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    bias: float = Field(default=0.0, allow_inf_nan=False)
    prior: float | None = Field(default=None, gt=0, lt=1)  # share of AI images at which it holds; None = not fitted
    n_real: int = 0  # images it was fitted on
    n_ai: int = 0
    chose_epoch: bool = False  # the same images chose the epoch, which flatters p_ai

    @property
    def threshold(self) -> float:
        """Logit at which ``p_ai`` is 0.5, a float32 number; above it ``p_ai`` is above 0.5."""
        return half_logit(self.temperature, self.bias).item()


class DetectorConfig(Config):
    """``config.json`` of a detector folder."""

    name: str
    architecture: str
    options: dict[str, str | int | float | bool | None] = Field(default_factory=dict)  # of the architecture
    input: InputConfig = InputConfig()
    threshold: float = Field(default=0.0, allow_inf_nan=False)  # on the logit; above = AI
    calibration: Calibration = Calibration()
    trained_on: TrainedOn = TrainedOn()
    licence: str | None = None
    paper: str | None = None
    stored: Literal["fp32", "fp16"] = "fp32"  # numbers in model.safetensors; a network computes in float32 in any case
    weights_sha256: str | None = None  # of model.safetensors; checked when the folder is loaded

    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of input and options; the ``preprocessing`` column of the predictions.

        The same weights give other logits under other options, such as another seed of SSP's patches.
        """
        told = self.input.model_dump_json() + json.dumps(self.options, sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:12]


class Detector(nn.Module, ABC):
    """Base of all detectors. Subclasses build their layers from ``options`` and implement :meth:`forward`."""

    Options: ClassVar[type[Config] | None] = None  # what ``config.options`` may hold, then ``options``; None = anything
    default_input: ClassVar[InputConfig] = InputConfig()
    paper: ClassVar[str | None] = None
    licence: ClassVar[str | None] = None  # of the architecture's code
    weights: ClassVar[str] = "trained by you: synthscope train"  # where weights come from
    ready: ClassVar[bool] = False  # the constructor brings trained weights

    mean: Tensor
    std: Tensor

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.options: Any = None
        if self.Options is not None:
            self.options = validate(self.Options, config.options, f"options of {config.architecture}")
        self.register_buffer("mean", torch.tensor(config.input.mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(config.input.std).view(1, 3, 1, 1) * 255, persistent=False)

    def preprocess(self, rgb: np.ndarray) -> Tensor:
        """Resize and centre-crop one image.

        Args:
            rgb: uint8 ``(H, W, 3)``.

        Returns:
            uint8 ``(3, h, w)``, best with channels last in memory; ``h = w = config.input.side`` unless that is None.
        """
        return preprocess(rgb, self.config.input)

    def normalize(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` uint8 or float in 0..255 to float32 with the configured mean and standard deviation."""
        return (images.to(self.mean.dtype) - self.mean) / self.std

    @classmethod
    def input_for(cls, architecture: str) -> InputConfig:
        """Input that ``architecture`` was designed for."""
        return cls.default_input

    def over_input(self, maps: Tensor, images: Tensor, layer: str) -> Tensor:
        """Maps ``(B, h, w)`` over the input, of those of what a layer saw: several crops of it, in some detectors.

        Args:
            maps: ``(N, h, w)``; ``N = B`` where the layer sees the input as a whole.
            images: ``(B, 3, H, W)``, the input.
            layer: Name of the module that the maps are of.
        """
        return maps

    def no_decay(self) -> set[str]:
        """Names of parameters that weight decay spares, beside all one-dimensional ones."""
        return set()

    def load_pretrained(self) -> None:
        """Start from weights of another task. Raises ``UsageError`` where the architecture has none."""
        raise UsageError(
            f"Expected an architecture with pretrained weights, got {self.config.architecture!r}. "
            f"Remove options.pretrained."
        )

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI, of ``(B, 3, h, w)`` images, uint8 or float in 0..255."""


def preprocess(rgb: np.ndarray, config: InputConfig) -> Tensor:
    """:meth:`Detector.preprocess` as a plain function of the configuration."""
    image = uncropped(rgb, config)
    return dense(image if config.crop is None else _centre_crop(image, config.crop, config.corner))


def dense(image: Tensor) -> Tensor:
    """A part of an image ``(3, h, w)`` with memory of its own, channels last as decoders and batches have them."""
    return image.permute(1, 2, 0).clone(memory_format=torch.contiguous_format).permute(2, 0, 1)


def uncropped(rgb: np.ndarray, config: InputConfig) -> Tensor:
    """An image uint8 ``(H, W, 3)`` as it is before the crop: uint8 ``(3, h, w)``, resized, enlarged or repeated."""
    image = _from_rgb(np.require(rgb, requirements=["C", "W"]))
    height, width = image.shape[-2:]
    if config.resize is not None:
        if config.resize_mode == "square":
            image = resize(image, config.resize, config.resize, config.interpolation)
        else:
            image = resize(image, *short_side(height, width, config.resize), config.interpolation)
    if config.crop is not None:
        if min(image.shape[-2:]) < config.crop and config.small == "upscale":
            image = resize(image, *short_side(image.shape[1], image.shape[2], config.crop), config.interpolation)
        elif config.small == "tile":
            fill = config.fill or config.crop
            image = image.repeat(1, -(-fill // image.shape[1]), -(-fill // image.shape[2]))
    return image


def _from_rgb(rgb: np.ndarray) -> Tensor:
    return torch.from_numpy(rgb).permute(2, 0, 1)  # a view: channels stay last in memory


def resize(image: Tensor, height: int, width: int, interpolation: str) -> Tensor:
    """Antialiased resize of a ``(3, H, W)`` image, uint8 in uint8 out.

    Raises:
        UnreadableImageError: More than ``MAX_MEGAPIXELS`` would come out, as when a thin strip is enlarged.
    """
    if image.shape[-2:] == (height, width):
        return image
    if height * width > MAX_MEGAPIXELS * 1e6:
        before = f"{image.shape[2]}x{image.shape[1]}"
        raise UnreadableImageError(
            f"Expected at most {MAX_MEGAPIXELS} megapixels after resizing, got {width}x{height} from {before}. "
            f"Leave the image out."
        )
    library, _, kernel = interpolation.rpartition("_")
    if library == "pillow":
        pixels = Image.fromarray(image.permute(1, 2, 0).numpy())
        return _from_rgb(np.array(pixels.resize((width, height), Image.Resampling[kernel.upper()])))
    if library == "opencv":
        return _from_rgb(cv2.resize(image.permute(1, 2, 0).numpy(), (width, height), interpolation=cv2.INTER_LINEAR))
    return nn.functional.interpolate(
        image[None], size=(height, width), mode=interpolation, antialias=True, align_corners=False
    )[0]


def _centre_crop(image: Tensor, size: int, corner: Corner) -> Tensor:
    height, width = image.shape[-2:]
    top, left = (crop_start(side, size, corner) for side in (height, width))
    if min(height, width) >= size:
        return image[:, top : top + size, left : left + size]
    return nn.functional.pad(image, (-left, size - width + left, -top, size - height + top))  # negative = cut off


def holding_a_patch(image: Tensor, smallest: int, architecture: str) -> Tensor:
    """``image`` ``(3, h, w)`` itself, where its shorter side holds one patch of ``smallest`` pixels.

    Raises:
        UnreadableImageError: Smaller, as only images of native size can be.
    """
    height, width = image.shape[-2:]
    if min(height, width) < smallest:
        raise UnreadableImageError(
            f"Expected {smallest} x {smallest} pixels or more, one patch of {architecture}, got {width} x {height}. "
            f"Leave the image out, or set input.resize or input.crop."
        )
    return image
