"""A detector's own preprocessing once more, so that gradients pass through it to the pixels of the image."""

from __future__ import annotations

from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.detectors.input import InputConfig, crop_start, short_side
from synthscope.errors import SynthscopeError


def differentiable(images: Tensor, config: InputConfig) -> Tensor:
    """:func:`synthscope.detectors.base.preprocess` of floats: resize and crop, without rounding to grey levels.

    Args:
        images: float ``(B, 3, H, W)`` in 0..255.
        config: Of the detector's input.

    Returns:
        float ``(B, 3, h, w)`` in 0..255, within one grey level and its rounding (1.1) of what the detector gets of the
        same pixels; with Pillow's bicubic kernel some more where edges overshoot black or white.
    """
    if config.resize is not None:
        height, width = images.shape[-2:]
        square = config.resize_mode == "square"
        size = (config.resize, config.resize) if square else short_side(height, width, config.resize)
        images = _resize(images, size, config.interpolation)
    if config.crop is None:
        return images
    height, width = images.shape[-2:]
    if min(height, width) < config.crop and config.small == "upscale":
        images = _resize(images, short_side(height, width, config.crop), config.interpolation)
    elif config.small == "tile":
        fill = config.fill or config.crop
        images = images.repeat(1, 1, -(-fill // height), -(-fill // width))
    height, width = images.shape[-2:]
    top, left = (crop_start(side, config.crop, config.corner) for side in (height, width))
    edges = (-left, config.crop - width + left, -top, config.crop - height + top)  # negative = cut off
    return nn.functional.pad(images, edges)


def check_differentiable(detector: Detector) -> None:
    """Raises ``SynthscopeError`` where a detector does more than resize and crop before its network."""
    if type(detector).preprocess is not Detector.preprocess:
        raise SynthscopeError(
            f"Expected a detector whose preprocessing is a resize and a crop, got {detector.config.name}, which "
            "chooses its input by itself. Attack it by transfer from another detector."
        )


def _resize(images: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    if tuple(images.shape[-2:]) == size:
        return images
    library, _, mode = interpolation.rpartition("_")
    along_rows = images.shape[2], size[1]  # first, as torch does, which cuts overshoots off between
    for part in (along_rows, size):
        images = nn.functional.interpolate(
            images, size=part, mode=mode, antialias=library != "opencv", align_corners=False
        ).clamp(0, 255)
    return images
