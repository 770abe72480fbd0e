"""Steps that change the size of an image: resizes, crops."""

from __future__ import annotations

from math import sqrt
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from synthscope.data.degrade.step import Fixed
from synthscope.data.images import MAX_MEGAPIXELS
from synthscope.errors import SynthscopeError, UnreadableImageError

Kernel = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]  # Pillow's; all but nearest are antialiased
Side = Annotated[int, Field(ge=1, le=8192)]
Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class LowResolution(Fixed):
    """Square resize to ``size`` x ``size`` pixels; ``reupsample`` returns to the original size."""

    op = "lr"
    moves = True
    positional = "size"
    ladder = ("224", "160", "112", "64", "32")
    size: Side
    kernel: Kernel = "bicubic"
    reupsample: bool = False

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        small = _resize(rgb, self.size, self.size, self.kernel)
        return _resize(small, rgb.shape[0], rgb.shape[1], self.kernel) if self.reupsample else small

    def shape_after(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the step."""
        return (height, width) if self.reupsample else (self.size, self.size)


class Resize(Fixed):
    """Resize by a factor, or so that the short side has ``size`` pixels, or the long side at most ``long``, or the
    width at most ``wide``, or the whole at most ``mp`` megapixels: what is no larger than that stays as it is. The
    aspect ratio stays.
    """

    op = "resize"
    moves = True
    ladder = ("scale=0.75", "scale=0.5", "scale=0.35", "scale=0.25", "scale=0.125")
    scale: Annotated[float, Field(gt=0, le=8, allow_inf_nan=False)] | None = None
    size: Side | None = None
    long: Side | None = None
    wide: Side | None = None
    mp: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] | None = None
    interp: Kernel = "bicubic"

    def model_post_init(self, context: object) -> None:
        if [self.scale, self.size, self.long, self.wide, self.mp].count(None) != 4:
            raise SynthscopeError("one of scale, size, long, wide and mp")

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _resize(rgb, *self.shape_after(rgb.shape[0], rgb.shape[1]), self.interp)

    def shape_after(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the step."""
        if self.scale is not None:
            factor = self.scale
        elif self.size is not None:
            factor = self.size / min(height, width)
        elif self.long is not None:
            factor = min(1.0, self.long / max(height, width))
        elif self.wide is not None:
            factor = min(1.0, self.wide / width)
        else:
            factor = min(1.0, sqrt((self.mp or 0) * 1e6 / (height * width)))
        return max(1, round(height * factor)), max(1, round(width * factor))


class Display(Fixed):
    """Shown as large as a display of ``width`` x ``height`` device pixels holds it, and taken from there: a screenshot
    cut to the image, which may be larger than the file. Device pixels are CSS pixels times the device pixel ratio.
    """

    op = "display"
    moves = True
    width: Side
    height: Side
    interp: Kernel = "bilinear"

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _resize(rgb, *self.shape_after(rgb.shape[0], rgb.shape[1]), self.interp)

    def shape_after(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the step."""
        factor = min(self.height / height, self.width / width)
        return max(1, round(height * factor)), max(1, round(width * factor))


class Crop(Fixed):
    """Centre crop to a fraction of each side, or to ``size`` pixels a side; a shorter side is kept as it is.

    ``grid`` moves the corner up and left to a multiple of that many pixels, so that a JPEG block grid survives;
    ``offset`` then moves it down and right by so many, as far as there is room, so that it surely does not.
    """

    op = "crop"
    moves = True
    ladder = ("frac=0.9", "frac=0.8", "frac=0.7", "frac=0.6", "frac=0.5")
    frac: Fraction | None = None
    size: Side | None = None
    grid: Side = 1
    offset: Annotated[int, Field(ge=0, le=8192)] = 0

    def model_post_init(self, context: object) -> None:
        if (self.frac is None) == (self.size is None):
            raise SynthscopeError("one of frac and size")

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        rows, columns = (self._kept(side) for side in rgb.shape[:2])
        return np.ascontiguousarray(rgb[rows, columns])

    def shape_after(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the step."""
        rows, columns = self._kept(height), self._kept(width)
        return rows.stop - rows.start, columns.stop - columns.start

    def _kept(self, side: int) -> slice:
        kept = min(side, self.size) if self.size is not None else max(1, round(side * (self.frac or 1)))
        start = min((side - kept) // 2 // self.grid * self.grid + self.offset, side - kept)
        return slice(start, start + kept)


def _resize(rgb: np.ndarray, height: int, width: int, kernel: str) -> np.ndarray:
    from PIL import Image

    if height * width > MAX_MEGAPIXELS * 1e6:  # a thin strip grows without bounds when its short side is enlarged
        raise UnreadableImageError(
            f"Expected at most {MAX_MEGAPIXELS} megapixels after resizing, got {width}x{height}. Leave the image out."
        )
    if (height, width) == rgb.shape[:2]:
        return rgb
    image = Image.fromarray(rgb).resize((width, height), Image.Resampling[kernel.upper()])
    return np.array(image)
