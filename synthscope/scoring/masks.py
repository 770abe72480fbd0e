"""Artifact masks that detectors draw themselves, scored against annotations: ``mask_scores.parquet`` of a run folder.

The pixel measures are those of X-AIGD's evaluators (Xiao et al., ICLR 2026, 4.2): counts over all images together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import load_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers.artifact_map import artifact_head
from synthscope.inference.masks import BINS, COUNTS, KEY, KINDS, Head, count_masks, read_counts
from synthscope.inference.parts import require_writable
from synthscope.metrics.intervals import percentile_interval
from synthscope.runtime import best_device, seed_for, whole_file
from synthscope.schema import MANIFEST, conform
from synthscope.scoring.heatmaps.summary import RESAMPLES

Floats = NDArray[np.float64]
METRICS = ("iou", "pix_precision", "pix_recall", "pix_f1", "mean_iou", "average_precision")
MASK_SCORES = pl.Schema(
    {
        "detector": pl.String,
        "view": pl.String,
        "generator": pl.String,  # "all" = all images
        "category": pl.String,  # null = any artifact
        "gt_kind": pl.String,  # how regions were annotated: polygon, box, mask, heatmap, or several joined by "+"
        "metric": pl.String,
        "value": pl.Float64,
        "ci_low": pl.Float64,  # 95 %, bootstrap over images
        "ci_high": pl.Float64,
        "chance": pl.Float64,  # of masks of the same size, anywhere in the same images
        "lift": pl.Float64,  # value less chance
        "n_images": pl.Int64,
        "n_annotated": pl.Int64,  # of them with such an artifact
        "n_zero_predictions": pl.Int64,  # of them without such a prediction
        "n_error": pl.Int64,  # annotated images left out because they could not be read
        "unseen": pl.Float64,  # share of the pixels that the detector does not see; they count as not predicted
    }
)
_COUNTED = [name for name in COUNTS if name not in ("annotated", "background")]


def write_mask_scores(
    run: Path,
    images: pl.DataFrame,
    detectors: Sequence[str | Path | Detector],
    annotations: pl.DataFrame,
    *,
    batch_size: int = 16,
    workers: int = 2,
    seed: int = 0,
) -> pl.DataFrame:
    """Score the artifact masks of every detector that draws some; the others are left out.

    Annotated AI images are scored, also those in which people found nothing: whatever is drawn there is false. Real
    images are not, as in X-AIGD. Predictions are brought to the image's own pixels. A run that was stopped goes on.

    Args:
        run: Folder. Gets ``mask_counts/``, ``mask_counts.parquet`` (pixels of each image) and ``mask_scores.parquet``.
        images: Columns of ``schema.MANIFEST``; only ``path`` and ``label`` must be filled.
        detectors: Specs for ``load_detector``, or detectors, which are moved to the best device.
        annotations: Table of :mod:`synthscope.annotations`; images are found by ``path``, or by ``sha256``.
        batch_size: Images that a detector gets at once.
        workers: Threads.
        seed: Of random views and of the bootstrap.

    Returns:
        Columns of ``MASK_SCORES``. ``iou``, ``pix_precision``, ``pix_recall`` and ``pix_f1`` are the official ones.
        ``mean_iou`` is over the images with such an artifact. ``average_precision`` ranks the pixels of all images by
        the probability of the artifact, which in steps of 1/8 of its log-odds counts as equal.

    Raises:
        UsageError: No detector with an artifact head.
        SynthscopeError: No annotated AI image that could be read, or an annotation that cannot be drawn.
    """
    heads = _heads(detectors, seed)
    folder = run / "mask_counts"
    require_writable(folder)
    table = _ai_images(images)
    seen = count_masks(table, heads, annotations, folder=folder, batch_size=batch_size, workers=workers)
    if all(image.error for image in seen):
        raise SynthscopeError(
            f"Expected annotated AI images, got {len(seen)} of {table.height}, and none that could be read. Check that "
            f"the annotations name them by path or sha256."
        )
    facts = [(i.path, i.view, i.sha256, i.annotation, i.kind, i.error) for i in seen]
    schema = pl.Schema(dict.fromkeys(["path", "view", "sha256", "annotation", "gt_kind", "error"], pl.String))
    known = pl.DataFrame(facts, schema, orient="row").join(
        table.select("path", "view", "generator"), on=["path", "view"], how="left", maintain_order="left"
    )
    rows, counted = [], []
    for head in heads:
        units = known.with_columns(pl.lit(value).alias(name) for name, value in head.row.items())
        counts = read_counts(folder, detector=head.row["detector"])
        units = units.join(counts, on=KEY, how="left", maintain_order="left")
        counted.append(units.select("path", "generator", "gt_kind", *_COUNTED, "error"))
        rows += _summarise(units, seed)
    scores = pl.DataFrame(rows, infer_schema_length=None).with_columns(lift=pl.col("value") - pl.col("chance"))
    scores = conform(scores, MASK_SCORES, "the mask scores")
    for name, result in {"mask_counts": pl.concat(counted), "mask_scores": scores}.items():
        with whole_file(run / f"{name}.parquet") as temporary:
            result.write_parquet(temporary)
    return scores


def _ai_images(images: pl.DataFrame) -> pl.DataFrame:
    """Each AI image once, its view as recipes write themselves."""
    table = conform(images, MANIFEST, "the images").filter(pl.col("label") == 1, pl.col("error").is_null())
    table = table.with_columns(pl.col("view").fill_null("none"))
    views = {view: str(parse_recipe(view)) for view in table["view"].unique()}
    table = table.with_columns(pl.col("view").replace_strict(views, return_dtype=pl.String))
    return table.unique(["path", "view"], keep="first", maintain_order=True)


def _heads(detectors: Sequence[str | Path | Detector], seed: int) -> list[Head]:
    loaded = (spec if isinstance(spec, Detector) else load_detector(spec) for spec in detectors)
    found = [head for detector in loaded if (head := artifact_head(detector)) is not None]
    if not found:
        raise UsageError(
            f"Expected a detector that draws artifacts, got none among {len(detectors)}. Train artifact_vit with task "
            f"both or artifacts."
        )
    heads = [Head.of(head.eval().to(best_device()), seed) for head in found]
    return list({head.row["detector"]: head for head in heads}.values())


def _summarise(units: pl.DataFrame, seed: int) -> list[dict[str, Any]]:
    """Rows of one detector, for each view, generator and category."""
    named = units.with_columns(pl.col("generator").fill_null("unknown"))
    together = pl.concat([named.with_columns(generator=pl.lit("all")), named])
    keys = ["detector", "view", "generator"]
    rows = []
    for key, group in together.group_by(keys, maintain_order=True):
        usable = group.filter(pl.col("tp").is_not_null())
        kinds = usable["gt_kind"].drop_nulls().str.split("+").explode().unique().sort()
        common = dict(zip(keys, key, strict=True)) | {"gt_kind": "+".join(kinds) or None}
        common |= {"n_error": group.height - usable.height}
        for category in KINDS if usable.height else ():
            chosen = usable.filter(pl.col("category").eq_missing(category))
            rows += _category(common | {"category": category}, chosen, seed)
    return rows


class Pixels(NamedTuple):
    """Counts of images: three ``(n,)``, and annotated and background pixels by rising score ``(n, bins)``."""

    tp: Floats
    fp: Floats
    fn: Floats
    annotated: Floats
    background: Floats


def _category(common: dict[str, Any], rows: pl.DataFrame, seed: int) -> list[dict[str, Any]]:
    tp, fp, fn, pixels, unseen = rows.select("tp", "fp", "fn", "pixels", "unseen").to_numpy().astype(np.float64).T
    of = Pixels(tp, fp, fn, *(_histograms(rows[name]) for name in ("annotated", "background")))
    n = len(tp)
    draws = np.random.default_rng(seed_for(seed, n)).multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float64)
    once = np.ones((1, n))
    low, high = percentile_interval(_measures(of, draws))
    figures = zip(
        METRICS, _measures(of, once)[:, 0], low, high, _measures(_at_random(of, pixels), once)[:, 0], strict=True
    )
    common |= {
        "n_images": n,
        "n_annotated": int(np.count_nonzero(tp + fn)),
        "n_zero_predictions": int(np.count_nonzero(tp + fp == 0)),
        "unseen": float(unseen.sum() / pixels.sum()),
    }
    return [
        common
        | {"metric": metric}
        | dict(zip(("value", "ci_low", "ci_high", "chance"), map(_number, rest), strict=True))
        for metric, *rest in figures
    ]


def _measures(of: Pixels, draws: Floats) -> Floats:
    """``METRICS`` of images drawn so many times, ``(6, R)`` of draws ``(R, n)``; NaN where nothing is annotated."""
    tp, fp, fn = (draws @ column for column in of[:3])
    below = np.stack([tp + fp + fn, tp + fp, tp + fn, 2 * tp + fp + fn])
    pooled = np.stack([tp, tp, tp, 2 * tp]) / np.maximum(below, 1)  # 0/0 = 0, as in X-AIGD
    has = of.tp + of.fn > 0
    each = of.tp[has] / (of.tp + of.fp + of.fn)[has]
    with np.errstate(invalid="ignore"):
        mean = draws[:, has] @ each / draws[:, has].sum(1)
        hits, misses = draws @ of.annotated[:, ::-1], draws @ of.background[:, ::-1]
        true = np.cumsum(hits, axis=1)
        precision = true / np.maximum(true + np.cumsum(misses, axis=1), 1)
        average = (hits * precision).sum(1) / true[:, -1]
    return np.concatenate([pooled, mean[None], average[None]])


def _at_random(of: Pixels, pixels: Floats) -> Pixels:
    """What is expected of masks of the predicted sizes at random places, and of pixels that all score alike."""
    predicted, annotated = of.tp + of.fp, of.tp + of.fn
    tp = predicted * annotated / pixels
    return Pixels(tp, predicted - tp, annotated - tp, annotated[:, None], (pixels - annotated)[:, None])


def _histograms(column: pl.Series) -> Floats:
    return column.explode().to_numpy().reshape(len(column), BINS).astype(np.float64)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
