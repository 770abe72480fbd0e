"""Rows of predictions, read and checked; and what a test set is: images, and a column for each key."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.resampling import Units
from synthscope.schema import PREDICTIONS, conform, read_batches, read_table, view_name

MEAN = "mean"
PEOPLE = "people"  # architecture of answers, and first word of their ids
ANSWERS = "answers.parquet"  # in a run folder: what people said of its images, read with the predictions
ROWS_AT_ONCE = 1 << 20  # of a table that is read
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

    ``group`` says which images are not independent: those of one group of the manifest, or of the same bytes. A table
    too large for this is opened by :func:`synthscope.scoring.predictions.open_predictions`.

    Args:
        source: A table, a run folder with ``predictions.parquet`` (and ``answers.parquet``), or a Parquet file.
        threshold: Replaces the detectors' own.

    Raises:
        UsageError: A threshold that is not a finite number.
        SynthscopeError: No such file, no rows, a missing label or logit, several thresholds of one detector, or two
            labels of one image.
    """
    tables = list(read_tables(source, threshold=threshold))
    table = pl.concat(tables)
    usable = table.filter(pl.col("error").is_null())
    check_labelled(usable)
    no_row(usable.filter(pl.col("label").is_null()), "label 0 or 1", "Label the images in the manifest.")
    for group, column in ((list(Key._fields), "threshold"), (["image"], "label")):
        several = usable.filter(pl.col(column).n_unique().over(group) > 1)
        no_row(several, f"one {column} for each {'image' if column == 'label' else 'detector'}", "Correct the column.")
    return table.with_columns(group=group_name())


def read_tables(source: pl.DataFrame | str | Path, *, threshold: float | None) -> Iterator[pl.DataFrame]:
    """The rows of predictions, so many at a time that memory holds them, each with what scores need and checked by
    itself.

    Args:
        source: As for :func:`read_predictions`.
        threshold: Replaces the detectors' own.
    """
    if threshold is not None and not math.isfinite(threshold):
        raise UsageError(
            f"Expected a finite threshold on the logit, got {threshold}. Leave it out for the detectors' own."
        )
    empty = True
    for table in _pieces(source):
        empty &= table.is_empty()
        yield _checked(table, threshold)
    if empty:
        raise SynthscopeError(
            "Expected predictions, got an empty table. Run `synthscope predict` on some images first."
        )


def _pieces(source: pl.DataFrame | str | Path) -> Iterator[pl.DataFrame]:
    if isinstance(source, pl.DataFrame):
        yield from conform(source, PREDICTIONS, "the predictions").iter_slices(ROWS_AT_ONCE)
        return
    file = Path(source) / "predictions.parquet" if Path(source).is_dir() else Path(source)
    if not file.is_file():
        raise SynthscopeError(f"Expected predictions, got no file {file}. Run `synthscope predict` first.")
    yield from read_batches(file, PREDICTIONS, ROWS_AT_ONCE, advice="Run `synthscope predict` again.")
    if (answers := Path(source) / ANSWERS).is_file():
        yield read_table(answers, schema=PREDICTIONS)


def _checked(rows: pl.DataFrame, threshold: float | None) -> pl.DataFrame:
    table = rows.with_columns(
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
    usable = table.filter(pl.col("error").is_null())
    anonymous = pl.col("image").is_null() | pl.col("detector").is_null()
    no_row(table.filter(anonymous), "a path and a detector in each row", "Predict again.")
    finite, labelled = pl.col("logit").is_finite().fill_null(False), pl.col("label").is_in([0, 1]).fill_null(True)
    no_row(usable.filter(~labelled), "label 0 or 1", "Label the images in the manifest.")
    no_row(usable.filter(~finite), "a finite logit", "Predict again in fp32.")
    no_row(usable.filter(~pl.col("p_ai").is_between(0, 1)), "p_ai in 0..1", "Predict again.")
    return table


def group_name() -> pl.Expr:
    """What an image is drawn with: its ``group``, else files of the same ``sha256``, else itself."""
    known = [pl.format(f"{name} {{}}", pl.col(name).drop_nulls().first().over("image")) for name in ("group", "sha256")]
    return pl.coalesce(*known, pl.format("image {}", "image"))


def with_answers(predictions: pl.DataFrame, run: Path) -> pl.DataFrame:
    """``schema.PREDICTIONS`` of a run folder, and the answers of people on its images where it has some."""
    table, answers = conform(predictions, PREDICTIONS, "the predictions"), run / ANSWERS
    if not answers.is_file():
        return table
    return pl.concat([table, read_table(answers, schema=PREDICTIONS)])


def check_labelled(usable: pl.DataFrame) -> None:
    """Raise ``SynthscopeError`` unless every ``image`` of some usable rows has a ``label``, wherever it stands."""
    images = usable.group_by("image").agg(pl.col("label").is_null().all())
    if images["label"].any():
        without = images.filter("label")["image"].sort()
        raise SynthscopeError(
            f"Expected the label 0 (real) or 1 (AI) of every image that is scored, got none for {len(without):,} of "
            f"{images.height:,} (first: {without[0]}). Predict images of a layout with labels into a new run, such as "
            "imagefolder: or csv:; answers alone are in predictions.parquet and predict --csv."
        )


def no_row(wrong: pl.DataFrame, expected: str, advice: str) -> None:
    """Raise ``SynthscopeError`` that names the first ``image`` and ``detector`` of rows that should not be."""
    if not wrong.is_empty():
        row = wrong.sort("image", "detector").row(0, named=True)
        raise SynthscopeError(
            f"Expected {expected}, got otherwise for image {row['image']} and detector {row['detector']}. {advice}"
        )
