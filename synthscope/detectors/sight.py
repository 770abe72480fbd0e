"""How much of an image lies inside a detector's input: a crop of a large image is a small part of it.

Without torch, so that reports can say it where it is not installed.
"""

from __future__ import annotations

import polars as pl

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.detectors.input import InputConfig, input_frame

TYPICAL = (512, 512), (1024, 1024), (1024, 1536)  # heights and widths of generated images that a model card names
Span = tuple[float, float]


def seen_part(height: int, width: int, config: InputConfig) -> tuple[Span, Span]:
    """Where a detector's input begins and ends in an image of ``height`` x ``width`` pixels: fractions of both sides.

    >>> seen_part(90, 120, InputConfig(resize=60, crop=60))
    ((0.0, 1.0), (0.125, 0.875))
    """
    frame = input_frame(height, width, config)
    return _span(frame.top, frame.height, config.crop), _span(frame.left, frame.width, config.crop)


def _span(start: int, side: int, crop: int | None) -> Span:
    return (0.0, 1.0) if crop is None or crop >= side or start + crop > side else (start / side, (start + crop) / side)


def seen_share(height: int, width: int, config: InputConfig) -> float:
    """Share of the area of an image of ``height`` x ``width`` pixels that lies inside a detector's input.

    >>> seen_share(1024, 1024, InputConfig(resize=None, crop=224))
    0.0478515625
    """
    (top, bottom), (left, right) = seen_part(height, width, config)
    return (bottom - top) * (right - left)


def mean_seen_share(images: pl.DataFrame, config: InputConfig) -> float | None:
    """Mean of :func:`seen_share` over images as their views show them; None where no size is known.

    Args:
        images: With ``height`` and ``width`` in pixels, as stored, and ``view``; rows without a size are left out.
        config: Of the input.
    """
    sizes = images.select("height", "width", pl.col("view").fill_null("none")).drop_nulls()
    sizes = sizes.group_by("height", "width", "view").len().sort(pl.all())
    recipes = {view: parse_recipe(view) for view in sizes["view"].unique()}
    total = sum(
        count * seen_share(*recipes[view].shape_after(height, width), config)
        for height, width, view, count in sizes.iter_rows()
    )
    return total / images_known if (images_known := int(sizes["len"].sum())) else None


def sees(config: InputConfig) -> str:
    """How much of images of typical sizes lies inside a detector's input, as a model card says it.

    >>> sees(InputConfig(resize=None, crop=224))
    '19.1 % of 512 x 512 pixels, 4.8 % of 1024 x 1024, 3.2 % of 1536 x 1024'
    >>> sees(InputConfig(resize=256, resize_mode="square", crop=None))
    'the whole image'
    """
    shares = [seen_share(height, width, config) for height, width in TYPICAL]
    if min(shares) == 1:
        return "the whole image"
    named = [f"{100 * share:.1f} % of {w} x {h}" for share, (h, w) in zip(shares, TYPICAL, strict=True)]
    return ", ".join([f"{named[0]} pixels", *named[1:]])
