"""Predictions as matrices: read and check the table, split it into test sets, one column per detector and condition."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.metrics.calibration import probabilities
from synthscope.metrics.resampling import Units, units_of
from synthscope.schema import PREDICTIONS, conform, read_table, view_name

MEAN = "mean"
PEOPLE = "people"  # architecture of answers, and first word of their ids
ANSWERS = "answers.parquet"  # in a run folder: what people said of its images, read with the predictions
TEST_SETS = "subset", "generator", "split"  # columns that can name the test sets


class Key(NamedTuple):
    """What a column of logits belongs to."""

    detector: str | None
    architecture: str | None
    train_set: str | None
    train_view: str | None
    view: str | None
    condition: str | None


@dataclass(frozen=True)
class Columns:
    """One test set: ``n`` images in a fixed order, ``m`` columns."""

    keys: list[Key]
    labels: NDArray[np.bool_]  # (n,) True = AI
    units: Units  # of n images, as they are drawn in all the test sets of a table
    groups: NDArray[np.intp]  # (n,) numbers of their groups
    logits: NDArray[np.float64]  # (n, m); NaN = no prediction
    p: NDArray[np.float64]  # (n, m)
    thresholds: NDArray[np.float64]  # (m,)
    n_error: list[int]  # (m,)


def read_predictions(source: pl.DataFrame | str | Path, *, threshold: float | None = None) -> pl.DataFrame:
    """Predictions, checked, with a column ``image`` that identifies the image and no nulls where scores need a value.

    ``group`` says which images are not independent: those of one group of the manifest, or of the same bytes.

    Args:
        source: A table, a run folder with ``predictions.parquet`` (and ``answers.parquet``), or a Parquet file.
        threshold: Replaces the detectors' own.

    Raises:
        UsageError: A threshold that is not a finite number.
        SynthscopeError: No such file, no rows, a missing label or logit, several thresholds of one detector, or two
            labels of one image.
    """
    if threshold is not None and not math.isfinite(threshold):
        raise UsageError(
            f"Expected a finite threshold on the logit, got {threshold}. Leave it out for the detectors' own."
        )
    if not isinstance(source, pl.DataFrame):
        file = Path(source) / "predictions.parquet" if Path(source).is_dir() else Path(source)
        if not file.is_file():
            raise SynthscopeError(f"Expected predictions, got no file {file}. Run `synthscope predict` first.")
        source = with_answers(read_table(file, advice="Run `synthscope predict` again."), Path(source))
    table = conform(source, PREDICTIONS, "the predictions").with_columns(
        pl.coalesce("path", "sha256").alias("image"),
        view_name(),
        pl.col("condition").fill_null("none"),
        pl.col("architecture", "train_set", "train_view").fill_null(""),  # nulls are not joined
        pl.col("logit", "p_ai", "threshold").cast(pl.Float64),
    )
    own = pl.col("threshold").fill_null(0.0)
    if threshold is not None:  # people answer in words, which no threshold turns
        own = pl.when(pl.col("architecture") == PEOPLE).then(own).otherwise(float(threshold))
    table = table.with_columns(own.alias("threshold"))
    if table.is_empty():
        raise SynthscopeError(
            "Expected predictions, got an empty table. Run `synthscope predict` on some images first."
        )
    usable = table.filter(pl.col("error").is_null())
    anonymous = pl.col("image").is_null() | pl.col("detector").is_null()
    _no_row(table.filter(anonymous), "a path and a detector in each row", "Predict again.")
    labelled, finite = pl.col("label").is_in([0, 1]), pl.col("logit").is_finite()
    _labelled(usable)
    _no_row(usable.filter(~labelled.fill_null(False)), "label 0 or 1", "Label the images in the manifest.")
    _no_row(usable.filter(~finite.fill_null(False)), "a finite logit", "Predict again in fp32.")
    _no_row(usable.filter(~pl.col("p_ai").is_between(0, 1)), "p_ai in 0..1", "Predict again.")
    for group, column in ((list(Key._fields), "threshold"), (["image"], "label")):
        several = usable.filter(pl.col(column).n_unique().over(group) > 1)
        _no_row(several, f"one {column} for each {'image' if column == 'label' else 'detector'}", "Correct the column.")
    known = [pl.format(f"{name} {{}}", pl.col(name).drop_nulls().first().over("image")) for name in ("group", "sha256")]
    return table.with_columns(group=pl.coalesce(*known, pl.format("image {}", "image")))


def with_answers(predictions: pl.DataFrame, run: Path) -> pl.DataFrame:
    """``schema.PREDICTIONS`` of a run folder, and the answers of people on its images where it has some."""
    table, answers = conform(predictions, PREDICTIONS, "the predictions"), run / ANSWERS
    if not answers.is_file():
        return table
    return pl.concat([table, read_table(answers, schema=PREDICTIONS)])


def with_units(table: pl.DataFrame) -> tuple[pl.DataFrame, Units]:
    """Adds ``place``, the row of an image in a test set among the units that a bootstrap draws from all of them."""
    cell = ["label", "subset", "generator"]
    places = table.select("image", *cell, "group").unique(["image", *cell]).sort("image", *cell).with_row_index("place")
    names = places.select(pl.concat_str(pl.col(cell).cast(pl.String).fill_null("\x00"), separator="\x1f"))
    units = units_of(names.to_series().to_list(), places["group"].to_list())
    joined = table.join(places.drop("group"), on=["image", *cell], how="left", nulls_equal=True, maintain_order="left")
    return joined, units


def _labelled(usable: pl.DataFrame) -> None:
    images = usable.group_by("image").agg(pl.col("label").is_null().all())
    if images["label"].any():
        without = images.filter("label")["image"].sort()
        raise SynthscopeError(
            f"Expected the label 0 (real) or 1 (AI) of every image that is scored, got none for {len(without):,} of "
            f"{images.height:,} (first: {without[0]}). Predict images of a layout with labels into a new run, such as "
            "imagefolder: or csv:; answers alone are in predictions.parquet and predict --csv."
        )


def _no_row(wrong: pl.DataFrame, expected: str, advice: str) -> None:
    if not wrong.is_empty():
        row = wrong.sort("image", "detector").row(0, named=True)
        raise SynthscopeError(
            f"Expected {expected}, got otherwise for image {row['image']} and detector {row['detector']}. {advice}"
        )


def split_by(table: pl.DataFrame, by: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Names and rows of the test sets, in order of name; ``all`` when no row has a name.

    Real images without a name belong to every set; with ``by="generator"`` all real images do.

    Raises:
        UsageError: ``by`` is not one of ``TEST_SETS``.
        SynthscopeError: AI images without a name beside named ones, or a set called "mean".
    """
    if by not in TEST_SETS:
        raise UsageError(f"Expected a column that names test sets, got {by!r}. {suggest(by, TEST_SETS)}")
    shared = pl.col("label") == 0
    if by != "generator":
        shared &= pl.col(by).is_null()
    named = table.filter(~shared.fill_null(False))
    names = named[by].drop_nulls().unique().sort().to_list()
    if not names:
        yield "all", table
        return
    nameless = named.filter(pl.col(by).is_null(), pl.col("error").is_null())
    _no_row(nameless, f"a {by} for every AI image or for none", "Complete the manifest.")
    if MEAN in names:
        raise SynthscopeError(
            f"Expected names of test sets, got a {by} called {MEAN}, the name of the average. Rename it."
        )
    for name in names:
        yield name, table.filter((pl.col(by) == name).fill_null(False) | shared.fill_null(False))


def matrices(rows: pl.DataFrame, units: Units) -> Columns:
    """The rows of one test set as :class:`Columns`; images in order of name, columns in order of key.

    Args:
        rows: Of :func:`with_units`.
        units: Of the same.

    Raises:
        SynthscopeError: Two predictions for one image, detector, view and condition.
    """
    twice = rows.filter(pl.struct("image", "detector", "view", "condition").is_duplicated())
    _no_row(twice, "one prediction for each image, detector, view and condition", "Keep one precision and one backend.")
    failed = pl.col("error").is_not_null()
    keyed = rows.group_by(Key._fields).agg(failed.sum().alias("n_error"), pl.col("threshold").filter(~failed).first())
    keyed = keyed.sort(Key._fields).with_row_index("column")
    usable = rows.filter(~failed)
    images = usable.group_by("image").agg(pl.first("label", "group", "place")).sort("image").with_row_index("row")
    place = usable.join(images.select("image", "row"), on="image")
    place = place.join(keyed.select("column", *Key._fields), on=Key._fields)
    shape, where = (images.height, keyed.height), (place["row"].to_numpy(), place["column"].to_numpy())
    logits, p = np.full(shape, np.nan), np.full(shape, np.nan)
    logits[where], p[where] = place["logit"].to_numpy(), place["p_ai"].fill_null(np.nan).to_numpy()
    return Columns(
        keys=[Key(*(part or None for part in key)) for key in keyed.select(Key._fields).iter_rows()],
        labels=images["label"].to_numpy() == 1,
        units=units.of(images["place"].to_numpy()),
        groups=np.unique(images["group"].to_numpy(), return_inverse=True)[1],
        logits=logits,
        p=np.where(np.isnan(p), probabilities(logits), p),
        thresholds=keyed["threshold"].fill_null(0.0).to_numpy(),
        n_error=keyed["n_error"].to_list(),
    )
