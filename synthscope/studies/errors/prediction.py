"""Do the errors that people see predict a detector's logit? (X-AIGD's question, on errors of whole pictures.)"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from synthscope.annotations.judgements import JUDGEMENTS
from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.multiplicity import holm
from synthscope.metrics.rank_correlation import PERMUTATIONS, RESAMPLES, rank_correlation
from synthscope.runtime import seed_for, track
from synthscope.schema import conform
from synthscope.scoring.columns import read_predictions

AMOUNTS = ("wrong", "score")  # wrong parts, and the sum of shares x severity; means over annotators
LEVELS = ("within generator", "within scene")
ALL = "all"
FLOOR = "file: bytes per pixel"
PREDICTION = pl.Schema(
    {
        "detector": pl.String,
        "view": pl.String,
        "generator": pl.String,  # ALL = all of them, within each
        "level": pl.String,  # one of LEVELS
        "amount": pl.String,  # one of AMOUNTS
        "rho": pl.Float64,  # Spearman's, of ranks within strata; positive = more errors, more AI
        "ci_low": pl.Float64,  # 95 %, percentile bootstrap
        "ci_high": pl.Float64,
        "p_value": pl.Float64,  # two-sided, by permutation within strata
        "p_holm": pl.Float64,  # over detectors, views and amounts of one generator and level
        "critical": pl.Float64,  # smallest |rho| whose p is at most 0.05
        "n": pl.Int64,  # pictures
    }
)


def amounts(judgements: pl.DataFrame) -> pl.DataFrame:
    """Wrong parts and score of every picture, means over its annotators: path, generator, scene, wrong, score."""
    table = conform(judgements, JUDGEMENTS, "the judgements")
    keys = ["path", "generator", "scene"]
    by_person = table.group_by(*keys, "annotator").agg(pl.col(*AMOUNTS).sum())
    return by_person.group_by(keys).agg(pl.col(*AMOUNTS).mean()).sort("path")


def error_prediction(
    predictions: pl.DataFrame,
    judgements: pl.DataFrame,
    *,
    manifest: pl.DataFrame | None = None,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Spearman's rho of amounts of error with logits of clean images, of each generator and of all.

    ``within generator``: generators differ in errors and in difficulty, so ranks are taken within each. Pictures of one
    scene are drawn and exchanged together. ``within scene``: ranks within generator and scene, because a picture of
    five people has more parts that can be wrong than one of a jogger, and is another picture to a detector, too.

    Args:
        predictions: ``schema.PREDICTIONS`` of the judged pictures.
        judgements: Columns of ``JUDGEMENTS``.
        manifest: ``schema.MANIFEST`` of them: adds the file's bytes per pixel as a detector that sees no pixel.
        permutations: Of each test.
        resamples: Of each interval.
        seed: Of both.

    Raises:
        SynthscopeError: No judged picture among the predictions.
    """
    joined = judged_logits(predictions, judgements, manifest)
    generators = [*joined["generator"].unique().sort(), ALL]
    groups = [
        (*key, g, own) for key, own in joined.group_by("detector", "view", maintain_order=True) for g in generators
    ]
    rows: list[dict[str, Any]] = []
    for detector, view, generator, group in track(groups, "correlations"):
        own = group if generator == ALL else group.filter(generator=generator)
        for level in LEVELS:
            for amount in AMOUNTS:
                found = rank_correlation(
                    own[amount].to_numpy(), own["logit"].to_numpy(), **_design(own, level),
                    permutations=permutations, resamples=resamples, seed=seed,
                )  # fmt: skip
                rows.append(
                    {"detector": detector, "view": view, "generator": generator, "level": level, "amount": amount,
                     "rho": found.rho, "ci_low": found.ci_low, "ci_high": found.ci_high, "p_value": found.p_value,
                     "critical": found.critical, "n": found.n}
                )  # fmt: skip
    table = pl.DataFrame(rows, {name: dtype for name, dtype in PREDICTION.items() if name != "p_holm"})
    families = [
        own.with_columns(p_holm=pl.Series(holm(own["p_value"].to_numpy())))
        for _, own in table.group_by("generator", "level", maintain_order=True)
    ]
    return pl.concat(families).select(PREDICTION.names()).with_columns(pl.selectors.float().fill_nan(None))


def judged_logits(
    predictions: pl.DataFrame, judgements: pl.DataFrame, manifest: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Columns detector, view, path, generator, scene, wrong, score, logit: one row a detector, view and picture."""
    clean = read_predictions(predictions).filter(pl.col("condition") == "none", pl.col("error").is_null())
    joined = clean.select("detector", "view", "path", "logit").join(amounts(judgements), on="path")
    if joined.is_empty():
        raise SynthscopeError("Expected predictions of judged pictures, got none. Predict the pictures of the table.")
    if joined.select("detector", "view", "path").is_duplicated().any():
        raise SynthscopeError(
            "Expected one prediction for each picture, detector and view, got several. Give each backend its own run."
        )
    joined = joined.with_columns(pl.col("view").fill_null("none")).sort("detector", "view", "path")
    if manifest is not None:
        density = pl.col("bytes") / (pl.col("width").cast(pl.Int64) * pl.col("height"))
        files = manifest.filter(pl.col("view").fill_null("none") == "none").unique("path").select("path", logit=density)
        floor = files.drop_nulls().join(amounts(judgements), on="path")
        named = floor.with_columns(detector=pl.lit(FLOOR), view=pl.lit("none")).sort("path")
        joined = pl.concat([joined, named.select(joined.columns).cast(joined.schema)])
    return joined


def null_control(
    judgements: pl.DataFrame, *, simulations: int = 200, resamples: int = 400, seed: int = 0, slope: float = 0.0
) -> pl.DataFrame:
    """How often the interval of :func:`error_prediction` holds 0, and p is at most 0.05, where logits know no errors.

    Logits are normal, with an effect of the generator and of the scene. ``slope`` adds the picture's rank of score, so
    that the control can be seen to fail.

    Args:
        judgements: Columns of ``JUDGEMENTS``.
        simulations: Their number, of every level.
        resamples: Of each interval.
        seed: Of everything.
        slope: Of the logit in standard deviations over the range of ranks.

    Returns:
        Columns level, coverage, false_positives, simulations.

    Raises:
        UsageError: Fewer than one simulation.
    """
    if simulations < 1:
        raise UsageError(f"Expected at least 1 simulation, got {simulations}. Correct the number.")
    pictures = amounts(judgements)
    rng = np.random.default_rng(seed_for(seed, "null control"))
    cells = pictures.select(pl.col("scene").rank("dense").cast(pl.Int64) - 1, pl.col("generator").rank("dense") - 1)
    scenes, generators = cells["scene"].to_numpy(), cells["generator"].to_numpy().astype(np.intp)
    ranks = pictures["score"].rank().to_numpy() / pictures.height
    rows = []
    for level in LEVELS:
        covered = positive = 0
        for number in track(range(simulations), f"null control {level}", simulations):
            effects = rng.normal(size=scenes.max() + 1)[scenes] + rng.normal(size=generators.max() + 1)[generators]
            logits = rng.normal(size=pictures.height) + effects + slope * ranks
            found = rank_correlation(
                pictures["score"].to_numpy(), logits, **_design(pictures, level), permutations=199, resamples=resamples,
                seed=seed + number,
            )  # fmt: skip
            covered += found.ci_low <= 0 <= found.ci_high
            positive += found.p_value <= 0.05
        rows.append((level, covered / simulations, positive / simulations, simulations))
    names = {"level": pl.String, "coverage": pl.Float64, "false_positives": pl.Float64, "simulations": pl.Int64}
    return pl.DataFrame(rows, names, orient="row")


def _design(pictures: pl.DataFrame, level: str) -> dict[str, Any]:
    """Strata and groups of :func:`rank_correlation`."""
    if level == "within scene":
        return {"strata": pictures.select(pl.concat_str("generator", "scene", separator="\n")).to_series().to_numpy()}
    return {"strata": pictures["generator"].to_numpy(), "groups": pictures["scene"].to_list()}
