"""Artifact masks of detectors counted against annotations, pixel by pixel of the image, in a store that resumes.

Masks follow the geometry of the image's view, predictions are brought back from the detector's input to the image.
Both are counted where the detector sees the image: X-AIGD's evaluators cut masks to a detector's input, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthscope.annotations import rows_by_image
from synthscope.annotations.targets import Mask
from synthscope.data.degrade.recipe import parse_recipe
from synthscope.detectors.artifact_vit import ArtifactVit, category_masks
from synthscope.detectors.base import Detector
from synthscope.detectors.input import place
from synthscope.errors import SynthscopeError
from synthscope.explainers.artifact_map import artifact_probabilities
from synthscope.inference.masks.plan import Annotated, Head, heads_of, show
from synthscope.inference.masks.store import BINS, COUNTED, COUNTS, KEY, KINDS, read_counts
from synthscope.inference.parts import one_run, write_part
from synthscope.runtime import Progress
from synthscope.schema import MANIFEST, conform, write_table

CHUNK = 16  # images that are read, predicted and written together


def count_masks(
    run: Path,
    images: pl.DataFrame,
    detectors: Sequence[str | Path | Detector],
    annotations: pl.DataFrame,
    *,
    batch_size: int = 16,
    workers: int = 2,
    seed: int = 0,
) -> pl.DataFrame:
    """Count the pixels of the masks of every detector that draws some; the others are left out.

    Annotated AI images are counted, also those in which people found nothing: whatever is drawn there is false. Real
    images are not, as in X-AIGD. Predictions are brought to the image's own pixels. A run that was stopped goes on.

    Args:
        run: Folder. Gets ``mask_counts/`` and ``mask_counts.parquet`` (pixels of each image).
        images: Columns of ``schema.MANIFEST``; only ``path`` and ``label`` must be filled.
        detectors: Specs for ``load_detector``, or detectors, which are moved to the best device.
        annotations: Table of :mod:`synthscope.annotations`; images are found by ``path``, or by ``sha256``.
        batch_size: Images that a detector gets at once.
        workers: Threads.
        seed: Of random views.

    Returns:
        What ``mask_counts.parquet`` holds: ``path``, ``generator``, ``group``, ``gt_kind``, ``COUNTED`` and ``error``,
        one row a detector, image and kind of artifact.

    Raises:
        UsageError: No detector with an artifact head.
        SynthscopeError: No annotated AI image that could be read, or an annotation that cannot be drawn.
    """
    heads = heads_of(detectors, seed)
    folder = run / "mask_counts"
    with one_run(folder):
        table = _ai_images(images)
        seen = _count_missing(table, heads, annotations, folder, batch_size, workers)
        if all(image.error for image in seen):
            raise SynthscopeError(
                f"Expected annotated AI images, got {len(seen)} of {table.height}, and none that could be read. Check "
                f"that the annotations name them by path or sha256."
            )
        facts = [(i.path, i.view, i.sha256, i.annotation, i.kind, i.error) for i in seen]
        schema = pl.Schema(dict.fromkeys(["path", "view", "sha256", "annotation", "gt_kind", "error"], pl.String))
        known = pl.DataFrame(facts, schema, orient="row").join(
            table.select("path", "view", "generator", "group"), on=["path", "view"], how="left", maintain_order="left"
        )
        counted = []
        for head in heads:
            units = known.with_columns(pl.lit(value).alias(name) for name, value in head.row.items())
            counts = read_counts(folder, COUNTED, detector=head.row["detector"])
            units = units.join(counts, on=KEY, how="left", maintain_order="left")
            counted.append(units.select("path", "generator", "group", "gt_kind", *COUNTED, "error"))
        result = pl.concat(counted)
        write_table(result, run / "mask_counts.parquet")
    return result


def _ai_images(images: pl.DataFrame) -> pl.DataFrame:
    """Each AI image once, its view as recipes write themselves."""
    table = conform(images, MANIFEST, "the images").filter(pl.col("label") == 1, pl.col("error").is_null())
    table = table.with_columns(pl.col("view").fill_null("none"))
    views = {view: str(parse_recipe(view)) for view in table["view"].unique()}
    table = table.with_columns(pl.col("view").replace_strict(views, return_dtype=pl.String))
    return table.unique(["path", "view"], keep="first", maintain_order=True)


def _count_missing(
    images: pl.DataFrame, heads: Sequence[Head], annotations: pl.DataFrame, folder: Path, batch_size: int, workers: int
) -> list[Annotated]:
    """Count what is missing in the store, a part for every few images; the annotated images, without their pixels."""
    marked = rows_by_image(annotations)
    done = set(read_counts(folder, KEY).iter_rows())
    rows = images.select("path", "view", "sha256").iter_rows()
    seen = []

    def shown_as(row: tuple[str, str, str | None]) -> Annotated | None:
        return show(*row, heads, marked, done)

    with Progress("artifact masks", images.height) as progress, ThreadPoolExecutor(workers) as pool:
        while chunk := list(islice(rows, CHUNK)):
            shown = [image for image in pool.map(shown_as, chunk) if image]
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


def _predict(detector: ArtifactVit, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return detector.artifact_logits(images.to(detector.mean.device)).float().cpu()


def _count(image: Annotated, head: Head, maps: Tensor) -> list[dict[str, Any]]:
    """Columns of ``COUNTS``, one row a kind, from artifact logits ``(8, h, w)`` of the input."""
    predicted, bins, window = _over_image(maps, head.detector, image.shape)
    nothing, shown = np.zeros(image.shape[:2], bool), predicted[0].size
    common = dict(zip(KEY, image.key(head), strict=True)) | {"pixels": nothing.size, "unseen": nothing.size - shown}
    rows = []
    for category, mine, bin_of in zip(KINDS, predicted, bins, strict=True):
        whole = image.truth.get(category, nothing)
        mask = whole[window]
        tp, annotated = int(np.count_nonzero(mine & mask)), int(np.count_nonzero(mask))
        histogram = np.bincount((bin_of + np.uint16(BINS) * mask).ravel(), minlength=2 * BINS).astype(np.uint32)
        rows.append(
            common
            | {"category": category, "tp": tp, "fp": int(np.count_nonzero(mine)) - tp}
            | {"fn": annotated - tp, "unseen_annotated": int(np.count_nonzero(whole)) - annotated}
            | {"annotated": histogram[BINS:], "background": histogram[:BINS]}
        )
    return rows


def _over_image(
    maps: Tensor, detector: ArtifactVit, shape: tuple[int, ...]
) -> tuple[Mask, NDArray[np.uint16], tuple[slice, slice]]:
    """Masks and bins of log-odds ``(8, h, w)``, any artifact first, of the rows and columns that the detector sees.

    Logits are placed, and classes decided at the image's pixels, so that no seam opens between two categories.
    """
    channels = [place(channel, detector.config.input, shape) for channel in maps]
    window = channels[0].window
    logits, form = torch.from_numpy(np.stack([heat[window] for heat, _ in channels]))[None], detector.options.masks
    masks = category_masks(logits, form)[0].numpy()
    odds = torch.logit(artifact_probabilities(logits, form)[0]).numpy()
    bins = np.clip(odds * 8 + BINS / 2, 0, BINS - 1).astype(np.uint16)
    return np.concatenate([masks.any(0, keepdims=True), masks]), bins, window
