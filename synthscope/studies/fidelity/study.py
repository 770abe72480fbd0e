"""Are more damaged AI images easier to detect? Logits and verdicts against PAR and NIQE (X-AIGD, Fig. 3).

The paper names neither coefficient nor test; here they are Spearman's rho and a permutation test. Its third measure,
MDFS, is left out, because it needs a pretrained network. NIQE is fitted on the photographs of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from synthscope.errors import SynthscopeError
from synthscope.metrics.intervals import effective, wilson
from synthscope.metrics.rank_correlation import PERMUTATIONS, RESAMPLES, rank_correlation
from synthscope.runtime import track
from synthscope.schema import MANIFEST, PREDICTIONS, conform, read_table, write_table
from synthscope.scoring.columns import read_predictions
from synthscope.studies.fidelity.images import measure_images

AGAINST, OF = ("par", "niqe"), ("logit", "correct")
LEVELS = "image", "image_within_generator", "generator"
GROUPS = "recall_clean", "recall_artifacts", "recall_difference"  # PAR = 0, PAR > 0, the second less the first
FIDELITY = pl.Schema(
    {
        "detector": pl.String,
        "view": pl.String,
        "level": pl.String,  # one of LEVELS
        "against": pl.String,  # par | niqe
        "of": pl.String,  # logit | correct (the image was called AI; of a generator, its recall)
        "metric": pl.String,  # spearman, or one of GROUPS
        "value": pl.Float64,  # null = not defined, as where every image is called AI
        "ci_low": pl.Float64,  # 95 %: bootstrap over groups or generators; Wilson's of recalls, Newcombe's of their gap
        "ci_high": pl.Float64,
        "p_value": pl.Float64,  # two-sided, by permutation
        "critical": pl.Float64,  # smallest |rho| whose p is at most 0.05; null = none
        "n": pl.Int64,  # images, or generators
    }
)
Row = dict[str, Any]


def write_fidelity(
    run: str | Path,
    annotations: pl.DataFrame,
    *,
    out: str | Path | None = None,
    real: pl.DataFrame | None = None,
    workers: int = 2,
    seed: int = 0,
) -> pl.DataFrame:
    """Measure the annotated AI images of a run and write ``fidelity_images.parquet`` and ``fidelity.parquet``.

    Args:
        run: Folder with ``predictions.parquet``.
        annotations: Table of :mod:`synthscope.annotations`; images are found by ``path``, or by ``sha256``.
        out: Folder to write to; default ``run``. A run that was stopped goes on there.
        real: Manifest of photographs to fit NIQE on, seen through their own ``view``; default the run's real images,
            a model for each view.
        workers: Threads.
        seed: Of the tests, the intervals and the choice of photographs.

    Returns:
        Columns of ``FIDELITY``; see :func:`fidelity`.

    Raises:
        SynthscopeError: No predictions of clean images, or no annotated AI image among them.
    """
    out = Path(run if out is None else out)
    clean = clean_predictions(_read(Path(run)))
    photographs = clean.filter(pl.col("label") == 0)
    if real is not None:
        given = conform(real, MANIFEST, "the photographs").filter(pl.col("error").is_null())
        given = given.select("path", "sha256", recipe=pl.col("view").fill_null("none"))
        photographs = given.join(clean.select("view").unique(), how="cross")
    images = measure_images(
        clean.filter(pl.col("label") == 1), photographs, annotations, out=out, workers=workers, seed=seed
    )
    table = fidelity(clean, images, seed=seed)
    write_table(table, out / "fidelity.parquet")
    return table


def fidelity(
    predictions: pl.DataFrame,
    images: pl.DataFrame,
    *,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Spearman's rho of logit and correctness with PAR and NIQE, and recall of images with and without artifacts.

    Over images; over images within generators, because generators differ in damage and in difficulty; and over the
    means of generators. Higher PAR and higher NIQE are worse, so a positive rho says: more damage, easier to detect.
    Images of one ``group`` are drawn, permuted and counted together, but for the means of generators.

    Args:
        predictions: ``schema.PREDICTIONS``, or :func:`clean_predictions`; only clean AI images count.
        images: Columns of ``fidelity_images.IMAGES``.
        permutations: Of each test.
        resamples: Of each interval.
        seed: Of both.

    Returns:
        Columns of ``FIDELITY``: 12 correlations and 3 recalls for each detector and view.

    Raises:
        SynthscopeError: No image in both tables, or two predictions of one image.
    """
    joined = with_fidelity(predictions, images)
    groups = joined.partition_by("detector", "view", maintain_order=True, as_dict=True)
    rows: list[Row] = []
    for (detector, view), group in track(groups.items(), "correlations", len(groups), unit="detectors"):
        key = {"detector": detector, "view": view}
        rows += [key | row for row in _correlations(group, permutations, resamples, seed)]
        rows += [key | row for row in _recalls(group)]
    return pl.DataFrame(rows, schema=FIDELITY).with_columns(pl.selectors.float().fill_nan(None))


def clean_predictions(predictions: pl.DataFrame) -> pl.DataFrame:
    """Checked predictions of clean images that have one. ``recipe`` is the view of the file, ``view`` its name.

    They differ in the views whose recipes differ by image, such as ``aligned``.
    """
    if "recipe" in predictions.columns:
        return predictions
    recipe = conform(predictions, PREDICTIONS, "the predictions")["view"].fill_null("none").alias("recipe")
    table = read_predictions(predictions).with_columns(recipe)
    return table.filter(pl.col("condition") == "none", pl.col("error").is_null())


def with_fidelity(predictions: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """Clean AI images in both tables: the predictions with ``par``, ``niqe`` and ``correct``.

    Raises:
        SynthscopeError: None, or two predictions of one image by one detector in one view.
    """
    measured = images.select("path", "par", "niqe", recipe="view").drop_nulls("par")
    table = clean_predictions(predictions).filter(pl.col("label") == 1).join(measured, on=["path", "recipe"])
    if table.is_empty():
        raise SynthscopeError("Expected predictions of measured AI images, got none. Measure the images of this run.")
    twice = table.filter(pl.struct("image", "detector", "view").is_duplicated())
    if not twice.is_empty():
        raise SynthscopeError(
            f"Expected one prediction for each image, detector and view, got several of {twice['image'][0]} by "
            f"{twice['detector'][0]}. Give each precision and backend a run folder of its own."
        )
    right = (pl.col("logit") > pl.col("threshold")).cast(pl.Float64)
    return table.with_columns(pl.col("generator").fill_null(""), correct=right).sort("detector", "view", "image")


def generator_means(joined: pl.DataFrame) -> pl.DataFrame:
    """Means of ``par``, ``niqe``, ``logit`` and ``correct`` by detector, view and generator, and its ``n`` images."""
    keys = ["detector", "view", "generator"]
    return joined.group_by(keys).agg(pl.col(*AGAINST, *OF).mean(), n=pl.len()).sort(keys)


def _correlations(group: pl.DataFrame, permutations: int, resamples: int, seed: int) -> Iterator[Row]:
    for against in AGAINST:
        known = group.drop_nulls(against)
        means = generator_means(known)
        for level in LEVELS:
            table = means if level == "generator" else known
            strata = table["generator"].to_numpy() if level == "image_within_generator" else None
            for of in OF:
                found = rank_correlation(
                    table[against].to_numpy(), table[of].to_numpy(), strata=strata,
                    groups=None if level == "generator" else table["group"].to_list(), permutations=permutations,
                    resamples=resamples, seed=seed,
                )  # fmt: skip
                yield {
                    "level": level, "against": against, "of": of, "metric": "spearman", "value": found.rho,
                    "ci_low": found.ci_low, "ci_high": found.ci_high, "p_value": found.p_value,
                    "critical": found.critical, "n": found.n,
                }  # fmt: skip


def _recalls(group: pl.DataFrame) -> list[Row]:
    """Recall of the images without and with artifacts, and their difference (Newcombe 1998, method 10).

    Trials are worth their effective number; recalls whose images share groups correlate (Zou and Donner 2008).
    """
    key = {"level": "image", "against": "par", "of": "correct"}
    rows: list[Row] = []
    table = group.with_columns(number=pl.col("group").rank("dense").cast(pl.Int64))
    parts = [table.filter(condition) for condition in (pl.col("par") == 0, pl.col("par") > 0)]
    worth = effective([p["correct"].to_numpy() == 1 for p in parts], [p["number"].to_numpy() for p in parts])
    for metric, part, n in zip(GROUPS, parts, worth.n, strict=False):
        rate = float(part["correct"].to_numpy().mean()) if part.height else np.nan
        low, high = wilson(rate * n, n) if n else (np.nan, np.nan)
        rows.append(key | {"metric": metric, "value": rate, "ci_low": low, "ci_high": high, "n": part.height})
    clean, marked = rows
    value = marked["value"] - clean["value"]
    below = _apart(marked["value"] - marked["ci_low"], clean["ci_high"] - clean["value"], worth.correlation)
    above = _apart(marked["ci_high"] - marked["value"], clean["value"] - clean["ci_low"], worth.correlation)
    ends = {"ci_low": value - below, "ci_high": value + above}
    return [*rows, key | ends | {"metric": GROUPS[2], "value": value, "n": group.height}]


def _apart(one: float, other: float, correlation: float) -> float:
    """The half width of a difference, of those of its two terms."""
    return sqrt(max(0.0, one**2 + other**2 - 2 * correlation * one * other))


def _read(run: Path) -> pl.DataFrame:
    file = run / "predictions.parquet"
    if not file.is_file():
        raise SynthscopeError(f"Expected predictions, got no file {file}. Run `synthscope predict` first.")
    return read_table(file, schema=PREDICTIONS, advice="Run `synthscope predict` again.")
