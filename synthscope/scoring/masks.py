"""Artifact masks that detectors draw themselves, scored against annotations: ``mask_scores.parquet`` of a run folder.

The pixel measures are those of X-AIGD's evaluators (Xiao et al., ICLR 2026, 4.2): counts over all images together.
Pixels that a detector does not see count nowhere, so that chance is that of a mask drawn where it looks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.errors import SynthscopeError
from synthscope.inference.masks.store import BINS, HISTOGRAMS, KEY, KINDS, read_counts
from synthscope.metrics.intervals import percentile_interval
from synthscope.metrics.resampling import draw_weights
from synthscope.schema import conform, read_table, with_group, write_table
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
        "ci_low": pl.Float64,  # 95 %, bootstrap over groups of images
        "ci_high": pl.Float64,
        "chance": pl.Float64,  # of masks of the same size, anywhere in what the detector sees of the same images
        "lift": pl.Float64,  # value less chance
        "n_images": pl.Int64,
        "n_annotated": pl.Int64,  # of them with such an artifact where the detector sees it
        "n_zero_predictions": pl.Int64,  # of them without such a prediction
        "n_error": pl.Int64,  # annotated images left out because they could not be read
        "unseen": pl.Float64,  # share of the pixels that the detector does not see
        "unseen_annotated": pl.Float64,  # the same of the annotated pixels
    }
)


def write_mask_scores(run: Path, *, seed: int = 0) -> pl.DataFrame:
    """Score the masks that ``inference.masks.count_masks`` has counted. No detector runs again.

    Args:
        run: Folder with ``mask_counts.parquet`` and ``mask_counts/``. Gets ``mask_scores.parquet``.
        seed: Of the bootstrap.

    Returns:
        Columns of ``MASK_SCORES``. ``iou``, ``pix_precision``, ``pix_recall`` and ``pix_f1`` are the official ones.
        ``mean_iou`` is over the images with such an artifact. ``average_precision`` ranks the pixels of all images by
        the probability of the artifact, which in steps of 1/8 of its log-odds counts as equal.

    Raises:
        SynthscopeError: No counts.
    """
    if not (run / "mask_counts.parquet").is_file():
        raise SynthscopeError(f"Expected mask_counts.parquet in {run}, got none. Count the masks first.")
    counted = with_group(read_table(run / "mask_counts.parquet"))
    rows: list[dict[str, Any]] = []
    for (detector,), units in counted.group_by(["detector"], maintain_order=True):
        pixels = read_counts(run / "mask_counts", [*KEY, "category", *HISTOGRAMS], detector=str(detector))
        units = units.join(pixels, on=[*KEY, "category"], how="left", nulls_equal=True, maintain_order="left")
        rows += _summarise(units, seed)
    scores = pl.DataFrame(rows, infer_schema_length=None).with_columns(lift=pl.col("value") - pl.col("chance"))
    scores = conform(scores, MASK_SCORES, "the mask scores")
    write_table(scores, run / "mask_scores.parquet")
    return scores


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
    names = ("tp", "fp", "fn", "pixels", "unseen", "unseen_annotated")
    tp, fp, fn, pixels, unseen, lost = rows.select(names).to_numpy().astype(np.float64).T
    annotated = tp + fn + lost
    of = Pixels(tp, fp, fn, *(_histograms(rows[name]) for name in HISTOGRAMS))
    n = len(tp)
    once = np.ones((1, n))
    low, high = percentile_interval(_measures(of, draw_weights(rows["group"].to_list(), RESAMPLES, seed)))
    figures = zip(
        METRICS,
        _measures(of, once)[:, 0],
        low,
        high,
        _measures(_at_random(of, pixels - unseen), once)[:, 0],
        strict=True,
    )
    common |= {
        "n_images": n,
        "n_annotated": int(np.count_nonzero(tp + fn)),
        "n_zero_predictions": int(np.count_nonzero(tp + fp == 0)),
        "unseen": float(unseen.sum() / pixels.sum()),
        "unseen_annotated": float(lost.sum() / annotated.sum()) if annotated.any() else None,
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
