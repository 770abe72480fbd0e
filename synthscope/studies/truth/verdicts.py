"""What the truth test says of every explainer and measure: does it tell detectors that see artifacts from others?"""

from __future__ import annotations

import polars as pl

from synthscope.studies.truth.values import ARTIFACTS, FINGERPRINTS, UNTRAINED

KEY = ["recipe", "explainer", "images", "measure"]


def verdicts(scores: pl.DataFrame) -> pl.DataFrame:
    """One row a recipe, explainer, measure and set of images: the quantities side by side, and what they say.

    Args:
        scores: Of :func:`synthscope.studies.truth.table.truth_scores`.

    ``tells_apart`` is yes if the interval of the difference lies above 0 for every seed, reversed if below for every
    one, else no. ``fingerprints_score`` and ``untrained_score`` are at chance if the interval of the lift holds 0 for
    every seed, above or below if it never does, else mixed; unclear where there is no interval. Many intervals of 95 %
    stand side by side: one in twenty misses by luck.
    """
    means = scores.filter(pl.col("seed").is_null())
    wide = means.pivot("quantity", index=KEY, values="value", maintain_order=True)
    for name in ("difference", "p_above"):
        part = means.filter(quantity=name).select(
            *KEY, pl.col("ci_low").alias(f"{name}_low"), pl.col("ci_high").alias(f"{name}_high")
        )
        wide = wide.join(part, on=KEY, how="left", maintain_order="left")
    counts = means.filter(quantity="difference").select(*KEY, "n_images", "n_blank", "n_seeds")
    wide = wide.join(counts, on=KEY, how="left", maintain_order="left")
    single = scores.filter(pl.col("seed").is_not_null())
    sides = single.group_by(*KEY, "quantity", maintain_order=True).agg(side=_side())
    told = sides.with_columns(side=_agreed()).pivot("quantity", index=KEY, values="side")
    apart = pl.col("difference").replace_strict({"above": "yes", "below": "reversed"}, default="no")
    scored = {f"{name}_score": pl.col(f"lift_{name}") for name in (FINGERPRINTS, UNTRAINED)}
    return wide.join(told.select(*KEY, tells_apart=apart, **scored), on=KEY, how="left", maintain_order="left")


def _side() -> pl.Expr:
    """Where the interval lies; without one, 0 itself is at chance."""
    return (
        pl.when(pl.col("ci_low") > 0).then(pl.lit("above"))
        .when(pl.col("ci_high") < 0).then(pl.lit("below"))
        .when(pl.col("ci_low").is_not_null() | (pl.col("value") == 0)).then(pl.lit("at chance"))
        .otherwise(pl.lit("unclear"))
    )  # fmt: skip


def _agreed() -> pl.Expr:
    """What all seeds say."""
    sides = pl.col("side").list
    alone = pl.when(sides.n_unique() == 1).then(sides.first()).otherwise(pl.lit("mixed"))
    return pl.when(sides.contains("unclear")).then(pl.lit("unclear")).otherwise(alone)


def shown(told: pl.DataFrame) -> pl.DataFrame:
    """:func:`verdicts` as text for a terminal, one row a recipe, explainer and measure."""
    rounded = told.filter(images="all").with_columns(pl.selectors.float().round(3) + 0.0)  # never -0.0
    interval = pl.format(" [{}, {}]", "difference_low", "difference_high").fill_null("")
    return rounded.with_columns(difference=pl.format("{}{}", "difference", interval)).select(
        "recipe", "explainer", "measure", ARTIFACTS, FINGERPRINTS, UNTRAINED, "chance", "learned", "p_above",
        "difference", "tells_apart", "fingerprints_score", "untrained_score", "n_images", "n_blank",
    )  # fmt: skip


def shown_accuracy(accuracy: pl.DataFrame) -> pl.DataFrame:
    """Accuracy of every detector in its world in percent, one row a detector; a detector at chance explains nothing."""
    low, high = ((100 * pl.col(name)).round(1) for name in ("ci_low", "ci_high"))
    cell = pl.format("{} [{}, {}]", (100 * pl.col("value")).round(1), low, high)
    key = ["recipe", "seed", "world", "n_real", "n_ai"]
    return accuracy.with_columns(cell=cell).pivot("metric", index=key, values="cell", maintain_order=True)
