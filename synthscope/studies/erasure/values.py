"""One image with its artifacts erased, with benign regions erased, and as its twin without artifacts: all logits.

Regions are erased in the pixels of the image as its view shows it, before a detector's own preprocessing. Both kinds
of region lie in what the detector sees of the image: a crop that leaves out benign regions alone would look like an
effect of artifacts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from torch import Tensor

from synthscope.annotations.benign import Benign, benign_regions
from synthscope.annotations.erase import Image, Mask, fill_region
from synthscope.annotations.targets import Target
from synthscope.detectors.base import Detector
from synthscope.detectors.input import InputConfig, place
from synthscope.explainers.base import keeps_geometry
from synthscope.inference.engines.local import forward_or_reason
from synthscope.inference.plan import Plan
from synthscope.inference.preparation import transform_key

REPAIR = "repair"  # stands beside the fills: the twin is the image without artifacts
MOST = 0.5  # share of the pixels seen above which artifacts leave no room for a benign region
_LOGITS: Any = pl.List(pl.Float32)
VALUES = pl.Schema(
    {
        "fill": pl.String,  # inpaint | blur | mean, or repair: the twin
        "category": pl.String,  # of the regions that were erased; null = all of them
        "logit": pl.Float32,  # of the image
        "logit_artifact": pl.Float32,  # artifacts erased
        "logits_benign": _LOGITS,  # each benign region erased; empty for repair
        "logit_twin": pl.Float32,
        "logit_twin_erased": pl.Float32,  # the place of the artifacts erased in the twin, where none are
        "area": pl.Float64,  # of the artifacts that were erased, share of the pixels seen
        "area_benign": pl.Float64,  # mean over the draws
        "overlap": pl.Float64,  # mean share of the benign regions inside artifacts
        "kept_shape": pl.Int64,  # benign regions that have the shape of the artifacts, moved; the others are blots
        "excluded": pl.String,  # why nothing was erased
    }
)
Row = dict[str, Any]


class Slot(NamedTuple):
    """Which version of an image a logit belongs to."""

    what: str  # image | twin | artifact | benign | twin_erased
    fill: str | None = None
    category: str | None = None
    draw: int = 0


class Shown(NamedTuple):
    """One image as its view shows it, its artifacts (all of them, then each category) and its twin, if any."""

    key: str
    rgb: Image
    found: list[Target]
    twin: Image | None


class Place(NamedTuple):
    """A region to erase and the benign ones to compare with, or why it is left out."""

    category: str | None
    mask: Mask
    benign: list[Benign]
    excluded: str | None


def image_values(
    shown: Shown, wanted: Mapping[int, Sequence[str]], plan: Plan, *, draws: int, seed: int
) -> dict[int, list[Row] | str]:
    """Columns of ``VALUES`` for every detector, or why it failed.

    Args:
        shown: The image.
        wanted: Number of the detector in ``plan`` -> fills.
        plan: Detectors.
        draws: Number of benign regions.
        seed: Of their places, together with the key of the image.
    """
    groups: defaultdict[tuple[bytes, tuple[str, ...]], list[int]] = defaultdict(list)
    for number, fills in wanted.items():
        groups[seen_by(plan.detectors[number], shown.rgb.shape).tobytes(), tuple(fills)].append(number)
    rows: dict[int, list[Row] | str] = {}
    for (_, fills), numbers in groups.items():
        seen = seen_by(plan.detectors[numbers[0]], shown.rgb.shape)
        places = find_places(shown.found, seen, draws=draws, key=f"{seed} {shown.key}")
        for number, logits in _logits(_versions(shown, places, fills), numbers, plan).items():
            failed = next((value for value in logits.values() if isinstance(value, str)), None)
            rows[number] = failed or list(_rows(shown, places, fills, seen, logits))
    return rows


def seen_by(detector: Detector, shape: tuple[int, ...]) -> Mask:
    """Pixels of an image ``(H, W, …)`` that a detector sees; all, where it chooses its input by itself."""
    return _seen(detector.config.input if keeps_geometry(detector) else None, shape[0], shape[1])


@lru_cache(maxsize=8)
def _seen(config: InputConfig | None, height: int, width: int) -> Mask:
    if config is None or config.crop is None:
        return np.ones((height, width), bool)
    return place(np.zeros((config.crop, config.crop), np.float32), config, (height, width))[1]


def find_places(found: Sequence[Target], seen: Mask, *, draws: int, key: str) -> list[Place]:
    """What is erased of all artifacts and of those of each category, where the detector looks.

    Args:
        found: All artifacts first, then each category.
        seen: bool ``(H, W)``.
        draws: Number of benign regions.
        key: Of the image.
    """
    artifacts = found[0].mask
    crowded = (artifacts & seen).sum() > MOST * seen.sum()
    places: list[Place] = []
    for target in found:
        mask = target.mask & seen
        excluded = "not seen" if not mask.any() else "more than half" if crowded else None
        same = target.category is not None and np.array_equal(mask, artifacts & seen)
        benign = places[0].benign if same else []
        if not excluded and not same:
            benign = benign_regions(mask, artifacts, seen=seen, draws=draws, key=f"{key} {target.category or ''}")
        places.append(Place(target.category, mask, benign, excluded))
    return places


def _versions(shown: Shown, places: Sequence[Place], fills: Sequence[str]) -> Iterator[tuple[Slot, Image]]:
    yield Slot("image"), shown.rgb
    if shown.twin is not None:
        yield Slot("twin"), shown.twin
    artifacts = shown.found[0].mask
    for number, (category, mask, benign, excluded) in enumerate(places):
        if excluded or _repeats(places, number):
            continue
        for fill in fills:
            if fill == REPAIR:
                continue
            yield Slot("artifact", fill, category), fill_region(shown.rgb, mask, fill=fill, avoid=artifacts)
            for draw, region in enumerate(benign):
                yield (
                    Slot("benign", fill, category, draw),
                    fill_region(shown.rgb, region.mask, fill=fill, avoid=artifacts),
                )
            if shown.twin is not None:
                yield Slot("twin_erased", fill, category), fill_region(shown.twin, mask, fill=fill)


def _repeats(places: Sequence[Place], number: int) -> bool:
    """Whether a category covers all that is erased of the image, which is then not done twice."""
    return number > 0 and places[number].benign is places[0].benign


def _logits(
    versions: Iterator[tuple[Slot, Image]], numbers: Sequence[int], plan: Plan
) -> dict[int, dict[Slot, float | str]]:
    """Logits of all versions by each detector, or why there is none; a batch of images is in memory at a time."""
    answers: dict[int, dict[Slot, float | str]] = {number: {} for number in numbers}
    while batch := list(islice(versions, plan.batch_size)):
        slots = [slot for slot, _ in batch]
        inputs: dict[Hashable, list[Tensor] | str] = {}
        for number in numbers:
            detector = plan.detectors[number]
            if (key := transform_key(detector)) not in inputs:
                inputs[key] = _inputs(detector, [rgb for _, rgb in batch])
            answers[number] |= zip(slots, _scored(number, inputs[key], len(batch), plan), strict=True)
    return answers


def _inputs(detector: Detector, images: list[Image]) -> list[Tensor] | str:
    try:
        return [detector.preprocess(rgb) for rgb in images]
    except (OSError, RuntimeError, ValueError) as error:  # such as a size that the transform cannot handle
        return str(error)


def _scored(number: int, inputs: list[Tensor] | str, count: int, plan: Plan) -> list[float | str]:
    if isinstance(inputs, str):
        return [inputs] * count
    outcome = forward_or_reason(number, inputs, plan)
    values = outcome.tolist() if isinstance(outcome, Tensor) else outcome
    return [value if isinstance(value, str) or math.isfinite(value) else "non-finite logit" for value in values]


def _rows(
    shown: Shown, places: Sequence[Place], fills: Sequence[str], seen: Mask, logits: Mapping[Slot, float | str]
) -> Iterator[Row]:
    pixels, artifacts = int(seen.sum()), shown.found[0].mask
    for number, (category, mask, benign, excluded) in enumerate(places):
        own = None if _repeats(places, number) else category
        for fill in fills:
            row: Row = {"fill": fill, "category": category, "logit": logits[Slot("image")], "excluded": excluded}
            row |= {"area": int(mask.sum()) / pixels, "logit_twin": logits.get(Slot("twin"))}
            if fill == REPAIR:
                yield row | {"logit_artifact": None if excluded else row["logit_twin"], "logits_benign": []}
            elif excluded:
                yield row
            else:
                yield row | {
                    "logit_artifact": logits[Slot("artifact", fill, own)],
                    "logits_benign": [logits[Slot("benign", fill, own, draw)] for draw in range(len(benign))],
                    "logit_twin_erased": logits.get(Slot("twin_erased", fill, own)),
                    "area_benign": float(np.mean([region.mask.sum() for region in benign])) / pixels,
                    "overlap": float(np.mean([(region.mask & artifacts).sum() for region in benign]) / mask.sum()),
                    "kept_shape": sum(region.how != "blots" for region in benign),
                }
