"""Scores of single heatmaps to means over images, with intervals, what maps without knowledge score, and the lift."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.metrics.intervals import percentile_interval
from synthscope.metrics.resampling import draw_weights
from synthscope.scoring.heatmaps.stability import STABILITY

RESAMPLES = 1000
UNIT = ["detector", "explainer", "layer", "view", "condition"]
GROUP = [*UNIT, "generator", "category", "level", "gt_kind", "metric"]
BASELINE_COLUMNS = ["baseline_random", "baseline_centre", "baseline_edges"]
MICRO = ("micro_iou", "micro_precision", "micro_recall", "micro_f1")
HEATMAP_SCORES = pl.Schema(
    dict.fromkeys(GROUP, pl.String)  # generator "all" = all images; category and level null = any
    | {"value": pl.Float64, "ci_low": pl.Float64, "ci_high": pl.Float64}  # 95 %, bootstrap over groups of images
    | {
        "n_images": pl.Int64,  # scored, blank ones among them
        "n_instances": pl.Int64,  # annotated regions in them, as far as the detector sees some of them
        "n_blank": pl.Int64,  # images without a value: nothing positive in the heatmap
        "n_unseen": pl.Int64,  # images whose such regions lie wholly outside of what the detector sees: not scored
        "n_excluded": pl.Int64,  # annotated images without such a region
    }
    | dict.fromkeys([*BASELINE_COLUMNS, "lift"], pl.Float64)  # lift = value less baseline_random
    | {"unseen": pl.Float64}  # share of the annotated pixels that the detector doesn't see, mean over images with some
)
VALUES = pl.Schema(
    dict.fromkeys(["path", "group", *GROUP], pl.String)  # group: images that are drawn together; null = the path's own
    | dict.fromkeys(["value", *BASELINE_COLUMNS, "unseen"], pl.Float64)  # unseen: null where nothing is annotated
    | dict.fromkeys(["tp", "fp", "fn", "pixels", "n_instances"], pl.Int64)  # pixels: those that the detector sees
)


def summarise_values(values: pl.DataFrame, *, seed: int = 0) -> pl.DataFrame:
    """Means, intervals and counts of every group, for each generator and for ``all``.

    Args:
        values: Columns of ``VALUES``, one row an image and metric.
        seed: Of the bootstrap, which draws images of one ``group`` together.

    Returns:
        Columns of ``HEATMAP_SCORES``.
    """
    values = values.with_columns(group=pl.coalesce("group", "path"))
    everything = values.with_columns(generator=pl.lit("all"))
    table = pl.concat([values, everything]).with_columns(pl.col("generator").fill_null("unknown"))
    unit = [*UNIT, "generator"]
    annotated = table.filter(metric="micro").group_by(unit).len("annotated")
    table = table.with_columns(gt_kind=pl.col("gt_kind").max().over([name for name in GROUP if name != "gt_kind"]))
    rows: list[dict[str, Any]] = []
    for key, group in table.partition_by(GROUP, maintain_order=True, as_dict=True).items():
        named = dict(zip(GROUP, key, strict=True))
        counts = {"n_instances": group["n_instances"].sum(), "n_unseen": group.filter(unseen=1).height}
        named |= counts | {"unseen": group["unseen"].mean()}
        rows += _micro(named, group, seed) if named["metric"] == "micro" else [_mean(named, group, seed)]
    scores = pl.DataFrame(rows, schema={name: HEATMAP_SCORES[name] for name in HEATMAP_SCORES if name != "n_excluded"})
    excluded = pl.when(pl.col("metric").str.starts_with("micro") | pl.col("metric").is_in(STABILITY)).then(0)
    scores = scores.join(annotated, on=unit, how="left", nulls_equal=True, maintain_order="left")
    return scores.with_columns(
        n_excluded=excluded.otherwise(pl.col("annotated") - pl.col("n_images") - pl.col("n_unseen"))
    ).select(pl.col(name).cast(dtype) for name, dtype in HEATMAP_SCORES.items())


def _mean(named: dict[str, Any], group: pl.DataFrame, seed: int) -> dict[str, Any]:
    scored = group.filter(pl.col("value").is_not_nan())
    seen = group.height - named["n_unseen"]
    named |= {"n_images": seen, "n_blank": seen - scored.height}
    if scored.is_empty():
        return named
    weights = draw_weights(scored["group"].to_list(), RESAMPLES, seed)
    low, high = percentile_interval(weights @ scored["value"].to_numpy() / weights.sum(1))
    means = scored.select(pl.col("value", *BASELINE_COLUMNS).fill_nan(None).mean()).row(0, named=True)
    lift = None if means["baseline_random"] is None else means["value"] - means["baseline_random"]
    return named | means | {"ci_low": _number(low), "ci_high": _number(high), "lift": lift}


def _micro(named: dict[str, Any], group: pl.DataFrame, seed: int) -> list[dict[str, Any]]:
    named |= {"n_images": group.height, "n_blank": 0}
    counts = group.select("tp", "fp", "fn").to_numpy().astype(np.float64)
    values = _ratios(counts.sum(0, keepdims=True))[:, 0]
    low, high = percentile_interval(_ratios(draw_weights(group["group"].to_list(), RESAMPLES, seed) @ counts))
    return [
        named | {"metric": metric, "value": value, "ci_low": _number(a), "ci_high": _number(b)}
        for metric, value, a, b in zip(MICRO, values, low, high, strict=True)
    ]


def _ratios(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU, precision, recall and F1 of pixels, ``(4, R)``, of counts ``(R, 3)``; 0/0 = 0 as in X-AIGD."""
    tp, fp, fn = counts.T
    below = np.stack([tp + fp + fn, tp + fp, tp + fn, 2 * tp + fp + fn])
    return np.stack([tp, tp, tp, 2 * tp]) / np.maximum(below, 1)


def headline(scores: pl.DataFrame) -> pl.DataFrame:
    """One row a detector, explainer and condition over all images: the main measures, with chance where it is known.

    ``unseen_images``, which are not scored, have no artifact inside what the detector sees; ``unseen_area`` is the mean
    share of the annotated pixels outside of it.
    """
    rows = scores.filter(pl.col("generator") == "all", pl.col("category").is_null(), pl.col("level").is_null())
    shown = ("relevance_mass", "iou_at_area", "pixel_average_precision", "micro_f1", "stability_spearman")
    value = pl.format("{}", pl.col("value").round(3))
    chance = pl.format(" (chance {})", pl.col("baseline_random").round(3)).fill_null("")
    rows = rows.filter(pl.col("metric").is_in(shown)).with_columns(cell=value + chance)
    counted = "relevance_mass" if "relevance_mass" in rows["metric"] else "stability_spearman"
    images = rows.filter(metric=counted).select(
        *UNIT, images="n_images", blank="n_blank", unseen_images="n_unseen", unseen_area=pl.col("unseen").round(3)
    )
    table = rows.sort("metric").pivot("metric", index=UNIT, values="cell", maintain_order=True)
    return table.join(images, on=UNIT, how="left").sort(UNIT).drop("layer", "view")


def _number(bound: NDArray[np.float64]) -> float | None:
    value = float(bound)
    return None if np.isnan(value) else value
