"""One image's heatmaps against its annotations, over the image's pixels that the detector sees.

Everything is compared in the frame of the image as its view shows it: masks go through the geometry of the view,
heatmaps of resized copies are resized back. Then all is cut to what the detector sees: where it cannot look, neither
relevance nor artifacts count, and chance is that of maps that look no further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synthscope.annotations.targets import Mask, Target
from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.degrade.screens import Perspective
from synthscope.data.degrade.sizes import Crop
from synthscope.detectors.input import InputConfig, Placed, place
from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.localization.baselines import BASELINES, chance
from synthscope.metrics.localization.maps import LOCALIZATION, binarise

Floats = NDArray[np.float32]
MEASURES = (
    "relevance_mass", "relevance_rank", "pointing_game", "iou_at_area", "iou_at_10pct", "iou_at_threshold",
    "pixel_average_precision",
)  # fmt: skip


def check_conditions(conditions: Sequence[str]) -> None:
    """Raises ``UsageError`` for a condition that crops: what it cut off cannot be compared with the whole image."""
    for text in conditions:
        if any(isinstance(step, Crop | Perspective) for step in parse_recipe(text).steps):
            raise UsageError(f"Expected conditions that keep the whole image, got {text!r}. Crop in the view instead.")


def over_image(heatmap: Floats, row: Mapping[str, Any], shape: tuple[int, ...]) -> Placed:
    """A stored heatmap over an image of ``shape`` ``(H, W, …)``.

    Args:
        heatmap: ``(h, w)`` in input coordinates.
        row: ``input``, and ``height`` and ``width`` of the image that was explained, which may be a resized copy.
        shape: Of the image as its view shows it.
    """
    placed = place(heatmap, InputConfig.model_validate_json(row["input"]), (row["height"], row["width"]))
    height, width = shape[:2]
    if (height, width) == (row["height"], row["width"]):
        return placed
    heat = cv2.resize(placed.heat, (width, height), interpolation=cv2.INTER_LINEAR)
    seen = cv2.resize(placed.seen.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return Placed(np.asarray(heat, np.float32), seen > 0)


def localization(heatmap: Floats, mask: Mask, measures: Sequence[str]) -> list[float]:
    """One value a measure; NaN where the mask is empty or the heatmap has nothing positive."""
    return [LOCALIZATION[name].function(heatmap, mask) for name in measures]


def baseline_values(
    rgb: NDArray[np.uint8], found: Sequence[Target], measures: Sequence[str]
) -> list[dict[str, Floats]]:
    """What maps score that know nothing of the detector: for each target, one value a measure.

    ``random`` is the expectation over maps of independent random pixels; ``centre`` and ``edges`` are maps. ``rgb`` and
    the masks of ``found`` show what the detector sees: the centre is that of its input.
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


def check_measures(measures: Sequence[str]) -> None:
    """Raises ``SynthscopeError`` for a name that is not in ``LOCALIZATION``."""
    for name in measures:
        if name not in LOCALIZATION:
            raise SynthscopeError(f"Expected a measure, got {name!r}. Choose one of: {', '.join(LOCALIZATION)}.")
