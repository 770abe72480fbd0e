"""The contract of an explainer, and the way of a heatmap back from a detector's input to the pixels of the image.

Heatmaps stay raw: never scaled to a range, so that two of them can be compared. Positive = evidence for AI.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from synthscope.config import Config, validate
from synthscope.detectors.base import Detector, InputConfig, short_side
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers import EXPLAINERS


class Explainer(ABC):
    """Base of all explainers: call it with a detector and its inputs.

    Subclasses set ``name`` and implement :meth:`heatmaps` and :meth:`layer`.
    """

    name: ClassVar[str]
    signed: ClassVar[bool] = False  # negative values are evidence for real; metrics clip them to 0
    Options: ClassVar[type[Config]] = Config

    def __init__(self, options: Config | None = None) -> None:
        self.options: Any = options or self.Options()

    def __str__(self) -> str:
        """Name and the options that differ from their defaults, as ``create_explainer`` reads them."""
        changed = self.options.model_dump(exclude_defaults=True)
        return self.name + (":" + ",".join(f"{key}={value}" for key, value in changed.items()) if changed else "")

    def __call__(self, detector: Detector, images: Tensor) -> Tensor:
        """Explain the logit of every image; none depends on the others of the batch.

        Args:
            detector: In evaluation mode; comes back unchanged.
            images: ``(B, 3, h, w)`` of ``detector.preprocess``, uint8 or float in 0..255, on the detector's device.

        Returns:
            float32 ``(B, h, w)``, raw, in input coordinates: see :func:`to_image`.

        Raises:
            UsageError: A method that this detector cannot be explained by, or an unknown layer.
            SynthscopeError: A detector in training mode.
        """
        if detector.training:
            raise SynthscopeError(
                f"Expected {detector.config.name} in evaluation mode, got training mode. Call detector.eval() first."
            )
        with torch.inference_mode(False), torch.no_grad():
            return self.heatmaps(detector, images).detach().float()

    @abstractmethod
    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        """What :meth:`__call__` returns; runs without gradients unless it enables them."""

    def layer(self, detector: Detector) -> str:
        """What of the detector is looked at: names of modules joined by ``+``, or ``input``. Stored with heatmaps.

        Raises:
            UsageError: The detector has nothing that this method could look at.
        """
        return "input"


def create_explainer(text: str) -> Explainer:
    """An explainer by name, with options behind a colon: ``gradcam:layer=net.layer3``, ``occlusion:window=16``.

    Raises:
        UsageError: Unknown name or option, or a value out of range.

    >>> str(create_explainer("occlusion: window=16, stride=16"))
    'occlusion:window=16'
    """
    match = re.fullmatch(r"\s*(.+\.py:\w+|[^:]+?)\s*(?::(.*))?", text)
    name, given = (match[1], match[2] or "") if match else (text, "")
    options = {}
    for part in filter(None, (part.strip() for part in given.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise UsageError(f"Expected option=value in explainer {text!r}, got {part!r}. Put a value after =.")
        options[key] = value
    kind = EXPLAINERS[name]
    return kind(validate(kind.Options, options, f"options of {name}"))


def upsample(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Bilinear ``(B, h', w')`` to ``(B, *size)``, pixel centres aligned as in the detectors' resize."""
    return functional.interpolate(maps[:, None].float(), tuple(size), mode="bilinear", align_corners=False)[:, 0]


class Frame(NamedTuple):
    """Where a detector's input lies: an image resized to ``height`` x ``width``, seen from ``top``, ``left``."""

    height: int
    width: int
    top: int  # rows above the input that were cut off; negative = rows of zeros that were added
    left: int
    tiled: bool  # the image repeats


def input_frame(height: int, width: int, config: InputConfig) -> Frame:
    """Geometry of :func:`synthscope.detectors.base.preprocess` for an image of ``height`` x ``width`` pixels.

    >>> input_frame(400, 600, InputConfig(resize=200, crop=100))
    Frame(height=200, width=300, top=50, left=100, tiled=False)
    """
    if config.resize is not None:
        square = config.resize_mode == "square"
        height, width = (config.resize,) * 2 if square else short_side(height, width, config.resize)
    if config.crop is None:
        return Frame(height, width, 0, 0, tiled=False)
    if min(height, width) < config.crop and config.small == "upscale":
        height, width = short_side(height, width, config.crop)
    tiled = config.small == "tile"
    top, left = (_crop_start(side, config.crop, tiled=tiled) for side in (height, width))
    return Frame(height, width, top, left, tiled=tiled)


def _crop_start(side: int, crop: int, *, tiled: bool) -> int:
    if tiled:
        side *= -(-crop // side)
    return -((crop - side) // 2) if side < crop else round((side - crop) / 2)


def to_image(
    heatmap: Tensor | NDArray[Any], detector: Detector, rgb_shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A heatmap over the pixels of the image that the detector's input was made from: resize and crop undone.

    Args:
        heatmap: ``(h, w)`` in input coordinates.
        detector: Whose ``preprocess`` made the input.
        rgb_shape: ``(H, W, …)`` of the image that went into ``preprocess``.

    Returns:
        As :func:`place`.

    Raises:
        UsageError: A heatmap of another size than the input, or a detector whose ``preprocess`` looks elsewhere.
    """
    if not keeps_geometry(detector):
        raise UsageError(
            f"Expected a detector that resizes and crops as configured, got {detector.config.name}, which chooses its "
            f"input by itself: its heatmaps have no place in the image. Leave it out."
        )
    return place(heatmap, detector.config.input, rgb_shape)


def keeps_geometry(detector: Detector) -> bool:
    """Whether the detector's ``preprocess`` is the one that its input configuration describes; tried on noise."""
    if type(detector).preprocess is Detector.preprocess:
        return True
    probe = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    return torch.equal(detector.preprocess(probe), Detector.preprocess(detector, probe))


def place(
    heatmap: Tensor | NDArray[Any], config: InputConfig, rgb_shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """:func:`to_image` as a plain function of the input configuration, for heatmaps that were stored.

    Returns:
        float32 ``(H, W)``, 0 where the detector did not look, and bool ``(H, W)``: where it did. Where it saw a pixel
        several times (``small=tile``), the mean.
    """
    heat = torch.as_tensor(heatmap).detach().cpu().numpy().astype(np.float32)
    height, width = rgb_shape[:2]
    frame = input_frame(height, width, config)
    expected = (config.crop, config.crop) if config.crop else (frame.height, frame.width)
    if heat.shape != expected:
        raise UsageError(f"Expected a heatmap of {expected}, the detector's input, got {heat.shape}. Pass the raw one.")
    axes = zip((frame.top, frame.left), heat.shape, (frame.height, frame.width), strict=True)
    (inner, rows), (across, columns) = (_places(*axis, tiled=frame.tiled) for axis in axes)
    total = np.zeros((frame.height, frame.width), np.float32)
    np.add.at(total, np.ix_(rows, columns), heat[np.ix_(inner, across)])
    views = np.outer(np.bincount(rows, minlength=frame.height), np.bincount(columns, minlength=frame.width))
    layers = torch.from_numpy(np.stack([total / np.maximum(views, 1), views > 0]).astype(np.float32))
    value, seen = functional.interpolate(
        layers[None], (height, width), mode="bilinear", antialias=True, align_corners=False
    )[0].numpy()
    return np.where(seen >= 0.5, value / np.maximum(seen, 0.5), 0).astype(np.float32), seen >= 0.5


def _places(start: int, length: int, side: int, *, tiled: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Along one axis: which positions of the input lie in the image, and where."""
    places = start + np.arange(length)
    places = places % side if tiled else places
    inner = np.flatnonzero((places >= 0) & (places < side))
    return inner, places[inner]
