"""Scores of single pictures in the truth test, as ratios that can be averaged, and the accuracy of a detector."""

from __future__ import annotations

import polars as pl

from synthscope.metrics.intervals import effective, grouped_rates_interval
from synthscope.schema import with_group
from synthscope.scoring.heatmaps.summary import MICRO

ARTIFACTS, FINGERPRINTS, UNTRAINED = "artifacts", "fingerprints", "untrained"
EDGES = "edges"  # stands for an explainer: Sobel's magnitude, which knows no detector
RATIO = ["value", "weight", "chance", "chance_weight"]
TRUTH = pl.Schema(
    {"recipe": pl.String, "seed": pl.Int64, "world": pl.String, "detector": pl.String, "explainer": pl.String}
    | {"layer": pl.String, "twin": pl.String, "generator": pl.String, "group": pl.String}  # group: drawn together
    | {"right": pl.Boolean}  # the detector of the world of artifacts calls its twin AI
    | {"measure": pl.String}
    | dict.fromkeys(RATIO, pl.Float64)  # null and 0: nothing positive in the heatmap
)
ACCURACY = pl.Schema(
    {"recipe": pl.String, "seed": pl.Int64, "world": pl.String, "detector": pl.String, "metric": pl.String}
    | dict.fromkeys(["value", "ci_low", "ci_high"], pl.Float64)
    | dict.fromkeys(["n_real", "n_ai"], pl.Int64)
)


def image_values(values: pl.DataFrame) -> pl.DataFrame:
    """Rows of ``explanation_scores.heatmap_values`` as ratios, over all regions of an image, and rows of ``edges``.

    A mean over images is ``sum(value * weight) / sum(weight)``, that of chance likewise. The chance of ``micro_…`` is
    the expected overlap of as many pixels anywhere in what the detector sees.

    Args:
        values: With a column ``twin``, and in ``group`` what is drawn together in all worlds.
    """
    values = values.filter(pl.col("category").is_null(), pl.col("level").is_null(), pl.col("n_instances") > 0)
    plain = values.filter(pl.col("metric") != "micro").rename({"metric": "measure"})
    sobel = {"value": pl.col("baseline_edges"), "explainer": pl.lit(EDGES), "layer": pl.lit("input")}
    edges = plain.filter(explainer=plain["explainer"].first()).with_columns(**sobel)
    scored = pl.concat([plain, edges]).with_columns(
        pl.col("value").fill_nan(None), chance="baseline_random", chance_weight=pl.lit(1.0)
    )
    scored = scored.with_columns(weight=pl.col("value").is_not_null().cast(pl.Float64))
    micro = [_micro(values.filter(metric="micro"), measure) for measure in MICRO]
    columns = ["twin", "generator", "group", "detector", "explainer", "layer", "measure", *RATIO]
    return pl.concat([table.select(columns) for table in (scored, *micro)])


def _micro(counts: pl.DataFrame, measure: str) -> pl.DataFrame:
    """A pixel measure of X-AIGD (0/0 has no value), and the same of the overlap that is expected by chance."""
    taken, marked = pl.col("tp") + pl.col("fp"), pl.col("tp") + pl.col("fn")
    expected = taken * marked / pl.col("pixels")
    columns = {"measure": pl.lit(measure)}
    for value, weight, both in (("value", "weight", pl.col("tp")), ("chance", "chance_weight", expected)):
        above, below = {
            "micro_iou": (both, taken + marked - both),
            "micro_precision": (both, taken),
            "micro_recall": (both, marked),
            "micro_f1": (2 * both, taken + marked),
        }[measure]
        columns |= {value: (above / below).fill_nan(None), weight: below.cast(pl.Float64)}
    return counts.with_columns(**columns)


def accuracy_rows(predictions: pl.DataFrame) -> pl.DataFrame:
    """Accuracy of one detector on real, on AI and balanced, with 95 % intervals: a row each."""
    known = with_group(predictions.filter(pl.col("logit").is_not_null())).with_columns(
        right=(pl.col("logit") > pl.col("threshold")) == (pl.col("label") == 1),
        number=pl.col("group").rank("dense").cast(pl.Int64),
    )
    classes = [known.filter(label=label) for label in (0, 1)]
    right = [rows["right"].to_numpy() for rows in classes]
    worth = effective(right, [rows["number"].to_numpy() for rows in classes])
    told = {"detector": known["detector"][0], "n_real": classes[0].height, "n_ai": classes[1].height}
    rows = []
    for name, weights in {"real_accuracy": (1, 0), "ai_accuracy": (0, 1), "balanced_accuracy": (0.5, 0.5)}.items():
        low, high = grouped_rates_interval(right, worth, weights)
        value = sum(weight * float(verdicts.mean()) for weight, verdicts in zip(weights, right, strict=True) if weight)
        rows.append(told | {"metric": name, "value": value, "ci_low": low, "ci_high": high})
    return pl.DataFrame(rows)
