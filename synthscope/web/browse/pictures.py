"""The pixels that a browser shows: thumbnails, an image under a condition, its heatmaps and annotated regions."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from synthscope.annotations.targets import read_with_size, targets
from synthscope.data.degrade.recipe import parse_recipe, read_viewed
from synthscope.errors import UnreadableImageError
from synthscope.inspection.page.pictures import jpeg
from synthscope.report.heatmaps.overlays import category_name, colour_of, transparent_png
from synthscope.report.heatmaps.run import Row
from synthscope.web.browse.collection import Collection


def picture(path: str, condition: str, side: int) -> bytes:
    """An image under a condition, as a JPEG file with a longest side of at most ``side`` pixels.

    Raises:
        UnreadableImageError: No readable image.
    """
    return jpeg(read_viewed(path, parse_recipe(condition)), side)


def regions(collection: Collection, path: str, sha256: str | None) -> dict[str, Any]:
    """What people marked: width and height in pixels, and polygons by category."""
    if collection.regions is None:
        return {"width": 0, "height": 0, "marked": []}
    marked = collection.regions.filter(path=path)
    if marked.is_empty() and sha256 is not None:
        marked = collection.regions.filter(sha256=sha256)
    if marked.is_empty():
        return {"width": 0, "height": 0, "marked": []}
    rgb, size = read_with_size(path, "none", 0)
    return {
        "width": rgb.shape[1],
        "height": rgb.shape[0],
        "marked": [
            {
                "category": category_name(target.category),
                "colour": "#{:02x}{:02x}{:02x}".format(*colour_of(target.category)),
                "polygons": _polygons(target.mask),
            }
            for target in targets(marked, size, "none")
            if target.category is not None
        ],
    }


def heatmap_rows(collection: Collection, path: str) -> list[Row]:
    """Rows of the heatmaps of an image, clean ones first."""
    if collection.heatmaps is None:
        return []
    rows = collection.heatmaps.table.filter(path=path).iter_rows(named=True)
    return sorted(rows, key=lambda row: row["condition"] != "none")


def heatmap(collection: Collection, path: str, row: Row, side: int) -> bytes:
    """A PNG to lay over :func:`picture`, transparent where the detector saw nothing.

    Raises:
        UnreadableImageError: No readable image.
    """
    run = collection.heatmaps
    seen = run.look(path) if run else None
    if run is None or seen is None:
        raise UnreadableImageError(f"Expected an image in {path}, got none. Restore the file.")
    placed = run.placed(row, seen)
    return transparent_png(placed.heat, placed.seen, side, signed=row["explainer"] in run.signed)


def _polygons(mask: np.ndarray) -> list[list[list[int]]]:
    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [line[:, 0].tolist() for line in lines]
