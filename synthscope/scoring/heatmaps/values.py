"""One image's heatmaps against its annotations, and against each other across conditions, over the image's pixels.

Everything is compared in the frame of the image as its view shows it: masks go through the geometry of the view,
heatmaps of resized copies are resized back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.annotations import CATEGORIES, LEVELS, image_masks
from synthscope.data.degrade.recipe import Recipe, parse_recipe
from synthscope.data.degrade.steps import Crop, LowResolution, Resize
from synthscope.data.images import read_file, read_rgb
from synthscope.detectors.base import InputConfig
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers.base import place
from synthscope.metrics.localization.baselines import BASELINES, chance
from synthscope.metrics.localization.maps import LOCALIZATION, binarise

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
MEASURES = (
    "relevance_mass", "relevance_rank", "pointing_game", "iou_at_area", "iou_at_10pct", "iou_at_threshold",
    "pixel_average_precision",
)  # fmt: skip
STABILITY = ("stability_spearman", "stability_cosine", "stability_iou_10pct")
TOP = 0.9  # quantile above which a pixel belongs to the 10 % that are compared across conditions
GEOMETRIC = Crop, LowResolution, Resize


class Target(NamedTuple):
    """What a heatmap should find: all regions of an image, or those of one level or category."""

    category: str | None
    level: str | None
    mask: Mask
    regions: int


class Placed(NamedTuple):
    """A heatmap ``(H, W)`` over the image, and where its detector looked."""

    heat: Floats
    seen: Mask


def check_conditions(conditions: Sequence[str]) -> None:
    """Raises ``UsageError`` for a condition that crops: what it cut off cannot be compared with the whole image."""
    for text in conditions:
        if any(isinstance(step, Crop) for step in parse_recipe(text).steps):
            raise UsageError(f"Expected conditions that keep the whole image, got {text!r}. Crop in the view instead.")


def read_viewed(path: str, view: str, seed: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
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


def over_image(heatmap: Floats, row: Mapping[str, Any], shape: tuple[int, ...]) -> Placed:
    """A stored heatmap over an image of ``shape`` ``(H, W, …)``.

    Args:
        heatmap: ``(h, w)`` in input coordinates.
        row: ``input``, and ``height`` and ``width`` of the image that was explained, which may be a resized copy.
        shape: Of the image as its view shows it.
    """
    import cv2

    placed = place(heatmap, InputConfig.model_validate_json(row["input"]), (row["height"], row["width"]))
    height, width = shape[:2]
    if (height, width) == (row["height"], row["width"]):
        return Placed(*placed)
    heat = cv2.resize(placed[0], (width, height), interpolation=cv2.INTER_LINEAR)
    seen = cv2.resize(placed[1].astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return Placed(np.asarray(heat, np.float32), seen > 0)


def localization(heatmap: Floats, mask: Mask, measures: Sequence[str]) -> list[float]:
    """One value a measure; NaN where the mask is empty or the heatmap has nothing positive."""
    return [LOCALIZATION[name].function(heatmap, mask) for name in measures]


def baseline_values(
    rgb: NDArray[np.uint8], found: Sequence[Target], measures: Sequence[str]
) -> list[dict[str, Floats]]:
    """What maps score that know nothing of the detector: for each target, one value a measure.

    ``random`` is the expectation over maps of independent random pixels; ``centre`` and ``edges`` are maps.
    """
    maps = {name: make(rgb, np.random.default_rng(0)) for name, make in BASELINES.items() if name != "random"}
    return [
        {"random": np.array([chance(name, target.mask) for name in measures], np.float32)}
        | {name: np.array(localization(heat, target.mask, measures), np.float32) for name, heat in maps.items()}
        for target in found
    ]


def overlap(heatmap: Floats, mask: Mask) -> tuple[int, int, int]:
    """Pixels that are true positive, false positive and false negative above half of the heatmap's range (X-AIGD)."""
    taken = binarise(heatmap, rule="half")
    both = int(np.count_nonzero(taken & mask))
    return both, int(np.count_nonzero(taken)) - both, int(np.count_nonzero(mask)) - both


def stability(clean: Placed, degraded: Placed) -> list[float]:
    """Spearman's correlation, cosine, and IoU of the pixels above the 90 % quantile, where both looked.

    NaN where one of the two is constant.

    >>> ramp = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    >>> placed = Placed(ramp, np.ones_like(ramp, dtype=bool))
    >>> [round(value, 6) for value in stability(placed, Placed(2 * ramp, placed.seen))]
    [1.0, 1.0, 1.0]
    """
    seen = clean.seen & degraded.seen
    a, b = clean.heat[seen], degraded.heat[seen]
    if not a.size or np.ptp(a) == 0 or np.ptp(b) == 0:
        return [np.nan] * len(STABILITY)
    (rank_a, top_a), (rank_b, top_b) = _ranked(a), _ranked(b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    union = np.count_nonzero(top_a | top_b)
    iou = float(np.count_nonzero(top_a & top_b) / union) if union else np.nan
    return [_cosine(rank_a, rank_b), _cosine(x, y), iou]


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / (np.sqrt(a @ a) * np.sqrt(b @ b)))


def _ranked(values: Floats) -> tuple[NDArray[np.float64], Mask]:
    """Ranks less their mean, ties at the mean of theirs, and which values lie above the quantile ``TOP``: two ``(n,)``.

    Sorting one integer a pixel, made of value and position, is several times faster than an order of floats.
    """
    bits = (values + np.float32(0)).view(np.uint32)  # -0.0 becomes 0
    rising = np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(1 << 31))
    packed = np.sort(rising.astype(np.uint64) << np.uint64(32) | np.arange(values.size, dtype=np.uint64))
    order, key = (packed & np.uint64(0xFFFFFFFF)).astype(np.intp), packed >> np.uint64(32)
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1]))  # of each run of equal values
    length = np.diff(first, append=values.size)
    ranks = np.empty(values.size)
    ranks[order] = np.repeat(first + (length - values.size) / 2, length)
    return ranks, values > values[order[int(TOP * (values.size - 1))]]


def check_measures(measures: Sequence[str]) -> None:
    """Raises ``SynthscopeError`` for a name that is not in ``LOCALIZATION``."""
    for name in measures:
        if name not in LOCALIZATION:
            raise SynthscopeError(f"Expected a measure, got {name!r}. Choose one of: {', '.join(LOCALIZATION)}.")
