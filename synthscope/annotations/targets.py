"""What a heatmap or a mask should find: the annotated regions of an image as pixels, as its view shows them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.annotations.masks import image_masks
from synthscope.annotations.taxonomy import CATEGORIES, LEVELS
from synthscope.data.degrade.recipe import Recipe, parse_recipe
from synthscope.data.degrade.steps import Crop, LowResolution, Resize
from synthscope.data.images import read_file, read_rgb

Mask = NDArray[np.bool_]
GEOMETRIC = Crop, LowResolution, Resize


class Target(NamedTuple):
    """What a heatmap should find: all regions of an image, or those of one level or category."""

    category: str | None
    level: str | None
    mask: Mask
    regions: int


def read_with_size(path: str, view: str, seed: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Pixels of an image as its view shows it, and height and width before."""
    data, sha256 = read_file(path)
    rgb = read_rgb(data, name=path)
    return parse_recipe(view).apply(rgb, key=sha256, seed=seed), (rgb.shape[0], rgb.shape[1])


def targets(annotations: pl.DataFrame, size: tuple[int, int], view: str) -> list[Target]:
    """Masks of all regions, of each level and of each category, as far as there are any; of nothing, one empty mask.

    Args:
        annotations: Rows of one image.
        size: Height and width of the image before its view.
        view: Recipe whose crops and resizes the masks follow.
    """
    regions = annotations.filter(pl.col("region").is_not_null())
    groups: list[tuple[str | None, str | None, list[str]]] = [(c.label, c.level, [c.label]) for c in CATEGORIES]
    groups += [(None, level, [c.label for c in CATEGORIES if c.level == level]) for level in LEVELS]
    geometry = Recipe(tuple(step for step in parse_recipe(view).steps if isinstance(step, GEOMETRIC)))
    found = [Target(None, None, _mask(regions, size, geometry), regions.height)]
    for category, level, labels in groups:
        rows = regions.filter(pl.col("category").is_in(labels))
        if rows.height:
            found.append(Target(category, level, _mask(rows, size, geometry), rows.height))
    return found


def _mask(rows: pl.DataFrame, size: tuple[int, int], geometry: Recipe) -> Mask:
    mask = image_masks(rows, *size)
    return geometry.apply(np.repeat(mask[..., None] * np.uint8(255), 3, 2), key="mask")[..., 0] > 127
