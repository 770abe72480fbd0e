"""Which detectors draw artifact masks, and the annotated images as they get them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from synthscope.annotations.targets import Mask, targets
from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.images import read_file, read_rgb
from synthscope.data.in_work import image_task
from synthscope.detectors.artifact_vit import ArtifactVit
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import detector_id, load_detector
from synthscope.errors import UsageError
from synthscope.explainers.artifact_map import artifact_head
from synthscope.inference.masks.store import KEY
from synthscope.runtime import best_device

_REGION = ["region", "category", "gt_kind", "polygons", "box", "rle", "mask_path", "heatmap_path"]


@dataclass(frozen=True)
class Head:
    """A detector that draws artifacts, and its part of the key."""

    detector: ArtifactVit
    row: dict[str, Any]  # detector, preprocessing, seed

    @classmethod
    def of(cls, detector: ArtifactVit, seed: int) -> Head:
        """With its id, which takes a while."""
        row = {"detector": detector_id(detector), "preprocessing": detector.config.digest(), "seed": seed}
        return cls(detector, row)


@dataclass
class Annotated:
    """One annotated image, as far as its counts are missing."""

    path: str
    view: str
    sha256: str | None = None
    annotation: str = ""
    kind: str | None = None  # gt_kind of its regions
    truth: dict[str | None, Mask] = field(default_factory=dict)  # category, None = any -> annotated pixels
    shape: tuple[int, ...] = ()
    inputs: dict[int, Tensor] = field(default_factory=dict)  # number of the head -> input
    error: str | None = None

    def key(self, head: Head) -> tuple[Any, ...]:
        """Values of ``KEY``."""
        own = {"sha256": self.sha256, "view": self.view, "annotation": self.annotation}
        return tuple((own | head.row)[name] for name in KEY)


def heads_of(detectors: Sequence[str | Path | Detector], seed: int) -> list[Head]:
    """The detectors that draw artifacts, each once, on the best device and in evaluation mode.

    Raises:
        UsageError: None of them does.
    """
    loaded = (spec if isinstance(spec, Detector) else load_detector(spec) for spec in detectors)
    found = [head for detector in loaded if (head := artifact_head(detector)) is not None]
    if not found:
        raise UsageError(
            f"Expected a detector that draws artifacts, got none among {len(detectors)}. Train artifact_vit with task "
            f"both or artifacts."
        )
    heads = [Head.of(head.eval().to(best_device()), seed) for head in found]
    return list({head.row["detector"]: head for head in heads}.values())


@image_task()
def show(
    path: str,
    view: str,
    sha256: str | None,
    heads: Sequence[Head],
    marked: Mapping[str | None, pl.DataFrame],
    done: set[tuple[Any, ...]],
) -> Annotated | None:
    """The image as its view shows it to the heads whose counts are missing; None where it has no annotation."""
    recipe = parse_recipe(view)
    try:
        data, now = read_file(path) if sha256 is None else (None, sha256)
    except OSError as error:
        return Annotated(path, str(recipe), error=str(error)) if path in marked else None
    regions = marked.get(path, marked.get(now))
    if regions is None:
        return None
    kind = "+".join(sorted(regions["gt_kind"].drop_nulls().unique())) or None
    digest = hashlib.blake2b(regions.select(_REGION).write_json().encode(), digest_size=8).hexdigest()
    image = Annotated(path, str(recipe), now, digest, kind)
    missing = [number for number, head in enumerate(heads) if image.key(head) not in done]
    if not missing:
        return image
    try:
        data, now = read_file(path, sha256) if data is None else (data, now)
        whole = read_rgb(data, name=path)
        rgb = recipe.apply(whole, key=now, seed=heads[0].row["seed"])
        inputs = {number: heads[number].detector.preprocess(rgb) for number in missing}
    except OSError as error:
        image.error = str(error)
        return image
    found = targets(regions, (whole.shape[0], whole.shape[1]), view)
    image.truth = {target.category: target.mask for target in found if target.category or not target.level}
    image.shape, image.inputs = rgb.shape, inputs
    return image
