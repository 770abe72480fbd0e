"""Artifact masks of detectors counted against annotations, pixel by pixel of the image, in a store that resumes.

Masks follow the geometry of the image's view, predictions are brought back from the detector's input to the image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthscope.annotations import CATEGORIES, rows_by_image
from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.images import read_file, read_rgb
from synthscope.detectors.artifact_vit import ArtifactVit, category_masks
from synthscope.detectors.hub import detector_id
from synthscope.explainers.artifact_map import artifact_probabilities
from synthscope.explainers.base import place
from synthscope.inference.parts import read_parts, write_part
from synthscope.runtime import Progress
from synthscope.scoring.heatmaps.values import Mask, targets

CHUNK = 16  # images that are read, predicted and written together
BINS = 256  # of the log-odds of a pixel, 1/8 wide; the first one is also for pixels that the detector does not see
KINDS = (None, *(category.label for category in CATEGORIES))  # rows of an image: any artifact, then each category
KEY = ["sha256", "view", "detector", "preprocessing", "annotation", "seed"]
COUNTS = pl.Schema(
    dict.fromkeys(KEY[:-1], pl.String)  # annotation: hash of the image's regions
    | {"seed": pl.Int64}  # of random views
    | {"category": pl.String}  # null = any artifact
    | dict.fromkeys(["pixels", "unseen", "tp", "fp", "fn"], pl.Int64)
    | dict.fromkeys(["annotated", "background"], pl.List(pl.UInt32))  # pixels of either kind by bin, rising: (BINS,)
)
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


def count_masks(
    images: pl.DataFrame,
    heads: Sequence[Head],
    annotations: pl.DataFrame,
    *,
    folder: Path,
    batch_size: int,
    workers: int,
) -> list[Annotated]:
    """Count what is missing in the store, a part for every few images.

    Args:
        images: ``path``, ``sha256`` and ``view``.
        heads: On their devices, in evaluation mode.
        annotations: Table of :mod:`synthscope.annotations`; images are found by ``path``, or by ``sha256``.
        folder: Of the store.
        batch_size: Inputs that a detector gets at once.
        workers: Threads.

    Returns:
        The images with annotations, without their pixels.
    """
    marked = rows_by_image(annotations)
    done = set(read_counts(folder, KEY).iter_rows())
    rows = images.select("path", "view", "sha256").iter_rows()
    seen = []

    def show(row: tuple[str, str, str | None]) -> Annotated | None:
        return _show(*row, heads, marked, done)

    with Progress("artifact masks", images.height) as progress, ThreadPoolExecutor(workers) as pool:
        while chunk := list(islice(rows, CHUNK)):
            shown = [image for image in pool.map(show, chunk) if image]
            found: list[dict[str, Any]] = []
            for number, head in enumerate(heads):
                waiting = [image for image in shown if number in image.inputs]
                for first in range(0, len(waiting), batch_size):
                    batch = waiting[first : first + batch_size]
                    maps = _predict(head.detector, torch.stack([image.inputs[number] for image in batch]))
                    for counted in pool.map(_count, batch, [head] * len(batch), maps):
                        found += counted
                done.update(image.key(head) for image in waiting)
            write_part(folder, pl.DataFrame(found, schema=COUNTS))
            for image in shown:
                image.inputs, image.truth = {}, {}
            seen += shown
            progress.advance(len(chunk))
    return seen


def _show(
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
        data, now = read_file(path) if data is None else (data, now)
        if now != image.sha256:
            raise OSError(f"Expected a file of sha256 {sha256}, got {now}. Verify the manifest again.")
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


def _predict(detector: ArtifactVit, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return detector.artifact_logits(images.to(detector.mean.device)).float().cpu()


def _count(image: Annotated, head: Head, maps: Tensor) -> list[dict[str, Any]]:
    """Columns of ``COUNTS``, one row a kind, from artifact logits ``(8, h, w)`` of the input."""
    predicted, bins, seen = _over_image(maps, head.detector, image.shape)
    common = dict(zip(KEY, image.key(head), strict=True))
    common |= {"pixels": seen.size, "unseen": seen.size - int(np.count_nonzero(seen))}
    rows = []
    for category, mine, bin_of in zip(KINDS, predicted, bins, strict=True):
        mask = image.truth.get(category, np.zeros_like(seen))
        tp = int(np.count_nonzero(mine & mask))
        histogram = np.bincount((bin_of + np.uint16(BINS) * mask).ravel(), minlength=2 * BINS).astype(np.uint32)
        rows.append(
            common
            | {"category": category, "tp": tp, "fp": int(np.count_nonzero(mine)) - tp}
            | {"fn": int(np.count_nonzero(mask)) - tp, "annotated": histogram[BINS:], "background": histogram[:BINS]}
        )
    return rows


def _over_image(maps: Tensor, detector: ArtifactVit, shape: tuple[int, ...]) -> tuple[Mask, NDArray[np.uint16], Mask]:
    """Masks and bins of log-odds ``(8, H, W)``, any artifact first, and where the detector looked ``(H, W)``.

    Logits are placed, and classes decided at the image's pixels, so that no seam opens between two categories.
    """
    channels = [place(channel, detector.config.input, shape) for channel in maps]
    seen = channels[0][1]
    logits, form = torch.from_numpy(np.stack([heat for heat, _ in channels]))[None], detector.options.masks
    masks = category_masks(logits, form)[0].numpy() & seen
    odds = torch.logit(artifact_probabilities(logits, form)[0]).numpy()
    bins = np.clip(odds * 8 + BINS / 2, 0, BINS - 1).astype(np.uint16)
    bins[:, ~seen] = 0
    return np.concatenate([masks.any(0, keepdims=True), masks]), bins, seen


def read_counts(folder: Path, columns: Sequence[str] | None = None, *, detector: str | None = None) -> pl.DataFrame:
    """Rows of the store, the oldest of a key and category, of one detector or of all.

    Parts that cannot be read are named on stderr and set aside.
    """
    wanted = list(columns or COUNTS)

    def narrow(rows: pl.LazyFrame) -> pl.LazyFrame:
        return (rows if detector is None else rows.filter(pl.col("detector") == detector)).select(wanted)

    unique = [name for name in (*KEY, "category") if name in wanted]
    counts = read_parts(folder, COUNTS, of="mask counts", narrow=narrow)
    return counts.unique(unique, keep="first", maintain_order=True)
