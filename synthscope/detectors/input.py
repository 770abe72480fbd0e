"""What a detector sees of an image: the configuration of its input, and the way from there back to the image's pixels.

Without torch, so that heatmaps can be scored where it is not installed.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from synthscope.config import Config
from synthscope.errors import UsageError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Side = Annotated[int, Field(ge=1, le=4096)]  # pixels; a downloaded config.json must not ask for all memory
Spread = Annotated[float, Field(gt=0)]
# bilinear and bicubic are torch's, antialiased and fast, within one grey level of Pillow's; published checkpoints were
# trained and judged on Pillow's pixels or on OpenCV's (not antialiased), so theirs are given exactly.
Interpolation = Literal["bilinear", "bicubic", "pillow_bilinear", "pillow_bicubic", "opencv_bilinear"]
Corner = Literal["round", "floor"]  # torchvision rounds half a pixel to even, albumentations down


class InputConfig(Config):
    """Geometry and value range of a detector's input. Every field changes logits, so all are part of the hash."""

    resize: Side | None = 256  # target of the resize in pixels; None = native size
    resize_mode: Literal["short", "square"] = "short"  # short side to `resize`, or both sides to it
    interpolation: Interpolation = "bilinear"
    crop: Side | None = 224  # centre crop; None = whole image
    corner: Corner = "round"  # where the crop begins if the rest is odd
    small: Literal["upscale", "pad", "tile"] = "upscale"  # below the crop: enlarge the short side, add zeros, or repeat
    fill: Side | None = None  # with small=tile: the side that images are repeated to at least; None = crop
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[Spread, Spread, Spread] = IMAGENET_STD

    def __str__(self) -> str:
        side = "short side" if self.resize_mode == "short" else "both sides"
        resized = f"{side} {self.resize} {self.interpolation}" if self.resize else "native size"
        return f"{resized}, {f'crop {self.crop}, smaller images: {self.small}' if self.crop else 'whole image'}"

    @model_serializer(mode="wrap")
    def _as_before_there_was(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # so that the hashes in folders and prediction stores of before stay those of the same input
        later = ("corner", "round"), ("fill", None)
        return {key: value for key, value in serialize(self).items() if (key, value) not in later}

    @property
    def side(self) -> int | None:
        """Height and width of every preprocessed image in pixels; None where they follow the image."""
        return self.crop or (self.resize if self.resize_mode == "square" else None)

    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of all fields; equal for detectors that can share preprocessed images."""
        return _digest(self)


@lru_cache(maxsize=256)
def _digest(config: InputConfig) -> str:
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12]


def short_side(height: int, width: int, target: int) -> tuple[int, int]:
    """Height and width after the shorter side became ``target``; the longer one is cut to whole pixels.

    >>> short_side(375, 500, 235)
    (235, 313)
    """
    if height <= width:
        return target, int(target * width / height)
    return int(target * height / width), target


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
    whole = [side * -(-(config.fill or config.crop) // side) if tiled else side for side in (height, width)]
    top, left = (crop_start(side, config.crop, config.corner) for side in whole)
    return Frame(height, width, top, left, tiled=tiled)


def crop_start(side: int, crop: int, corner: Corner) -> int:
    """First pixel of a centre crop along one axis; negative = so many zeros come before the image.

    >>> crop_start(227, 224, "round"), crop_start(227, 224, "floor"), crop_start(221, 224, "floor")
    (2, 1, -1)
    """
    if side < crop:
        return -((crop - side) // 2)
    return (side - crop) // 2 if corner == "floor" else round((side - crop) / 2)


class Placed(NamedTuple):
    """A heatmap over the pixels of an image, and where its detector looked."""

    heat: NDArray[np.float32]  # (H, W), 0 where it did not look
    seen: NDArray[np.bool_]  # (H, W), a rectangle

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns that the detector sees: ``rgb[placed.window]`` is what it sees of an image ``(H, W, …)``."""
        rows, columns = (np.flatnonzero(self.seen.any(axis)) for axis in (1, 0))
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def place(heatmap: NDArray[Any], config: InputConfig, rgb_shape: tuple[int, ...]) -> Placed:
    """A heatmap over the pixels of the image that a detector's input was made from: resize and crop undone.

    Args:
        heatmap: ``(h, w)`` in input coordinates, raw.
        config: Of the input.
        rgb_shape: ``(H, W, …)`` of the image that went into ``preprocess``.

    Returns:
        The heatmap at every pixel that the detector saw; of one it saw several times (``small=tile``), the mean.

    Raises:
        UsageError: A heatmap of another size than the input.
    """
    heat = np.asarray(heatmap, np.float32)
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
    value, cover = (
        np.asarray(Image.fromarray(layer.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))
        for layer in (total / np.maximum(views, 1), views > 0)
    )  # antialiased where it shrinks
    reached = cover.max(1), cover.max(0)
    seen = np.logical_and.outer(*(axis >= min(0.5, axis.max()) for axis in reached))
    heat = np.divide(value, cover, out=np.zeros_like(value), where=seen)
    return Placed(heat.astype(np.float32), seen)


def _places(start: int, length: int, side: int, *, tiled: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Along one axis: which positions of the input lie in the image, and where."""
    places = start + np.arange(length)
    places = places % side if tiled else places
    inner = np.flatnonzero((places >= 0) & (places < side))
    return inner, places[inner]
