"""Regions to pixels, exactly as X-AIGD's evaluators draw them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.annotations.heatmaps import region_heatmap
from synthscope.annotations.mask_files import read_mask
from synthscope.annotations.rle import decode_rle
from synthscope.annotations.taxonomy import BY_LABEL, CATEGORIES
from synthscope.errors import SynthscopeError, UsageError, suggest

Mask = NDArray[np.bool_]


def region_mask(row: Mapping[str, Any], height: int, width: int) -> Mask:
    """Pixels of one row of an annotation table.

    Polygons: coordinates truncated to int32, clipped to the image, filled one by one with their boundary
    (``cv2.fillPoly``). Boxes: truncated, half-open, clipped. Heatmaps: values above 0.5. A row without a region is
    empty.

    Args:
        row: Columns of ``ANNOTATIONS``; missing ones count as null.
        height: Of the image, in pixels.
        width: Of the image, in pixels.

    Returns:
        bool ``(height, width)``.

    Raises:
        SynthscopeError: A polygon of fewer than 3 points, an image or mask of another size, no geometry; names the
            file and the region.
    """
    mask = np.zeros((height, width), np.uint8)
    _draw(row, mask)
    return mask.astype(bool)


def image_masks(
    rows: pl.DataFrame | Iterable[Mapping[str, Any]],
    height: int,
    width: int,
    *,
    per: Literal["image", "category", "instance"] = "image",
) -> Mask:
    """Masks of the rows of one image.

    Returns:
        bool; ``per="image"``: ``(H, W)``, the union. ``per="category"``: ``(7, H, W)`` in the order of ``CATEGORIES``,
        without the regions that have none. ``per="instance"``: ``(n, H, W)``, one for each row that is a region.

    Raises:
        SynthscopeError: As :func:`region_mask`; with ``per="category"`` also an unknown category.
    """
    given = rows.iter_rows(named=True) if isinstance(rows, pl.DataFrame) else rows
    regions = [row for row in given if row.get("region") is not None]
    if per == "image":
        masks = np.zeros((1, height, width), np.uint8)
        places = [0] * len(regions)
    elif per == "category":
        masks = np.zeros((len(CATEGORIES), height, width), np.uint8)
        regions = [row for row in regions if row.get("category") is not None]
        places = [category_number(row) - 1 for row in regions]
    elif per == "instance":
        masks = np.zeros((len(regions), height, width), np.uint8)
        places = list(range(len(regions)))
    else:
        raise UsageError(f"Expected per to be image, category or instance, got {per!r}. Correct it.")
    for row, place in zip(regions, places, strict=True):
        _draw(row, masks[place])
    return masks[0].astype(bool) if per == "image" else masks.astype(bool)


def category_number(row: Mapping[str, Any]) -> int:
    """Number of a region's category, 1 to 7. Raises ``SynthscopeError`` where it isn't one of the taxonomy."""
    label = row["category"]
    if label not in BY_LABEL:
        raise SynthscopeError(
            f"Expected a category of the taxonomy in region {row['region']} of {row.get('path')}, got {label!r}. "
            f"{suggest(str(label), BY_LABEL)}"
        )
    return BY_LABEL[label].number


def _fill_polygon(mask: NDArray[np.uint8], points: Any, where: str) -> None:
    import cv2

    try:
        xy = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError):
        xy = np.empty(0)
    if xy.ndim != 2 or xy.shape[1] != 2 or len(xy) < 3 or not np.isfinite(xy).all():
        raise SynthscopeError(
            f"Expected a polygon of 3 or more finite points [x, y] as {where}, got {_short(points)}. "
            "Correct or remove it."
        )
    height, width = mask.shape
    # clipping before truncating gives the same points, and leaves nothing that int32 cannot hold
    cv2.fillPoly(mask, [np.clip(xy, 0, (width - 1, height - 1)).astype(np.int32)], [1])


def _draw(row: Mapping[str, Any], mask: NDArray[np.uint8]) -> None:
    if row.get("region") is None:
        return
    where = f"region {row['region']} of {row.get('path')}"
    height, width = mask.shape
    annotated = row.get("width") or width, row.get("height") or height
    if annotated != (width, height):
        raise SynthscopeError(
            f"Expected an image of {annotated[0]} x {annotated[1]} pixels for {where}, got {width} x {height}. "
            "Use the image that was annotated, or draw the mask at its size and resize it."
        )
    kind = row.get("gt_kind")
    if kind == "polygon" and row.get("polygons"):
        for number, points in enumerate(row["polygons"], start=1):
            _fill_polygon(mask, points, f"polygon {number} of {where}")
    elif kind == "box" and row.get("box"):
        x0, y0, x1, y1 = _box(row["box"], where)
        mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 1
    elif kind == "mask" and (row.get("rle") is not None or row.get("mask_path")):
        mask |= _stored_mask(row, height, width, where)
    elif kind == "heatmap" and row.get("heatmap_path"):
        mask |= region_heatmap(row, height, width) > 0.5
    else:
        raise SynthscopeError(f"Expected a polygon, box, mask or heatmap as {where}, got {kind!r} without one. Add it.")


def _box(box: Any, where: str) -> list[int]:
    try:
        x0, y0, x1, y1 = (int(value) for value in box)
    except (TypeError, ValueError, OverflowError):
        raise SynthscopeError(f"Expected a box [x0, y0, x1, y1] as {where}, got {_short(box)}. Correct it.") from None
    return [x0, y0, x1, y1]


def _stored_mask(row: Mapping[str, Any], height: int, width: int, where: str) -> NDArray[np.uint8]:
    if row.get("rle") is not None:
        try:
            return decode_rle(row["rle"], height, width).view(np.uint8)
        except SynthscopeError as error:
            raise SynthscopeError(f"{error} It is {where}.") from None
    stored = read_mask(row["mask_path"], rule="nonzero")
    if stored.shape != (height, width):
        raise SynthscopeError(
            f"Expected a mask of {width} x {height} pixels in {row['mask_path']}, got {stored.shape[1]} x "
            f"{stored.shape[0]}. Resize the mask."
        )
    return stored.view(np.uint8)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
