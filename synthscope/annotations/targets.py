"""What a heatmap or a mask should find: the annotated regions of an image as pixels, as its view shows them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.annotations.masks import image_masks
from synthscope.annotations.taxonomy import CATEGORIES, LEVELS
from synthscope.data.degrade.recipe import Recipe, parse_recipe
from synthscope.data.images import read_file, read_rgb

Mask = NDArray[np.bool_]


class Target(NamedTuple):
    """What a heatmap should find: all regions of an image, or those of one level or category."""

    category: str | None
    level: str | None
    mask: Mask
    regions: int
    unseen: float = 0.0  # share of the annotated pixels that a detector does not see


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
    groups: list[tuple[str | None, str]] = [(c.label, c.level) for c in CATEGORIES]
    groups += [(None, level) for level in LEVELS]
    geometry = _geometry(view)
    found = [Target(None, None, _mask(regions, size, geometry), regions.height)]
    for category, level in groups:
        rows = regions.filter(pl.col("category").is_in(_labels(category, level)))
        if rows.height:
            found.append(Target(category, level, _mask(rows, size, geometry), rows.height))
    return found


def seen_targets(
    found: list[Target], annotations: pl.DataFrame, size: tuple[int, int], view: str, window: tuple[slice, slice]
) -> list[Target]:
    """What of :func:`targets` lies in the rows and columns that a detector sees.

    Args:
        found: Of the image.
        annotations: Rows that they were made of, with the same ``size`` and ``view``.
        size: Height and width of the image before its view.
        view: Recipe.
        window: Rows and columns of the image as its view shows it.

    Returns:
        The same targets: masks cut to the window; ``regions`` with a pixel in it; ``unseen``, 1 where there is none.
    """
    inside = annotations.filter(pl.col("region").is_not_null())
    if found[0].mask[window].shape != found[0].mask.shape:
        geometry = _geometry(view)
        reach = [bool(_mask([row], size, geometry)[window].any()) for row in inside.iter_rows(named=True)]
        inside = inside.filter(pl.Series(reach, dtype=pl.Boolean))
    cut = []
    for target in found:
        mask, area = np.ascontiguousarray(target.mask[window]), int(np.count_nonzero(target.mask))
        of = inside.filter(pl.col("category").is_in(_labels(target.category, target.level)))
        count = (inside if target.category is None and target.level is None else of).height
        pixels = int(np.count_nonzero(mask))
        unseen = 1 - pixels / area if area else float(target.regions > 0)
        cut.append(Target(target.category, target.level, mask, count if pixels else 0, unseen))
    return cut


def _geometry(view: str) -> Recipe:
    return Recipe(tuple(step for step in parse_recipe(view).steps if step.moves))


def _labels(category: str | None, level: str | None) -> list[str]:
    return [c.label for c in CATEGORIES if c.label == category or (category is None and c.level == level)]


def _mask(rows: pl.DataFrame | list[dict[str, Any]], size: tuple[int, int], geometry: Recipe) -> Mask:
    mask = image_masks(rows, *size)
    return geometry.apply(np.repeat(mask[..., None] * np.uint8(255), 3, 2), key="mask")[..., 0] > 127
