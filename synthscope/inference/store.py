"""The resumable memory of a prediction run: small Parquet parts, keyed by what decides a logit.

Every part is written whole or not at all, so a run can be killed at any time. A key with a logit is final; a key
with an error is tried again by the next run. The table of a run holds the rows of all calls into it.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthscope.errors import SynthscopeError
from synthscope.inference.parts import read_parts
from synthscope.metrics.calibration import calibrated
from synthscope.schema import ABSENT, PREDICTIONS, conform, merged, read_table, view_name, write_table

# beside the image: its sha256, or path
KEY = ["view", "detector", "preprocessing", "condition", "precision", "backend", "seed"]
PART = pl.Schema(
    {
        "path": pl.String,
        "sha256": pl.String,  # null where the file could not be read
        "view": pl.String,
        "detector": pl.String,
        "preprocessing": pl.String,
        "condition": pl.String,
        "precision": pl.String,
        "backend": pl.String,  # absent in parts of before there were several: eager
        "seed": pl.Int64,
        "logit": pl.Float32,
        "error": pl.String,
    }
)
ROW: tuple[str | pl.Expr, ...] = (  # of a run's table
    "path", "subset", view_name(), "detector", "preprocessing", "condition", "precision", "backend",
)  # fmt: skip
_IMAGE = pl.coalesce("sha256", "path").alias("image")


def read_logits(folder: Path) -> pl.DataFrame:
    """Rows of ``PART`` of all parts in ``folder``."""
    return read_parts(folder, PART, of="a prediction run", missing="insert", narrow=_with_backend)


def _with_backend(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("backend").fill_null(ABSENT["backend"]))


def finished(parts: pl.DataFrame, units: pl.DataFrame) -> dict[tuple[str, str], int]:
    """Which units of work have a logit: (sha256, view) to a number whose bit ``u`` stands for unit ``u``."""
    keys = [key for key in KEY if key != "view"]
    rows = parts.filter(pl.col("logit").is_not_null()).join(units, on=keys).group_by("sha256", "view").agg("unit")
    return {(sha256, view): sum(1 << unit for unit in set(done)) for sha256, view, done in rows.iter_rows()}


def assemble(images: pl.DataFrame, units: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """The answer to every (image, unit), in that order; an ``answered`` column says where there is none yet.

    Args:
        images: Manifest rows with ``sha256`` filled where it is known and ``view`` everywhere.
        units: One row a detector and condition: columns of ``KEY`` but ``view``, ``unit``, and what is known of the
            detector, with ``temperature`` and ``bias`` of its calibration.
        parts: Rows of ``PART``.

    Returns:
        Columns of ``schema.PREDICTIONS`` and ``answered``.
    """
    known = parts.with_columns(_IMAGE)
    logits = known.filter(pl.col("logit").is_not_null()).unique(["image", *KEY], keep="first")
    errors = known.filter(pl.col("logit").is_null()).unique(["image", *KEY], keep="last")
    table = (
        images.with_row_index("position")
        .with_columns(_IMAGE)
        .join(units, how="cross")
        .join(logits.select("image", *KEY, "logit"), on=["image", *KEY], how="left")
        .join(errors.select("image", *KEY, failure="error"), on=["image", *KEY], how="left")
        .sort("position", "unit")
    )
    unusable = pl.col("error").is_not_null()
    table = table.with_columns(
        logit=pl.when(~unusable).then("logit"),
        error=pl.coalesce("error", pl.when(pl.col("logit").is_null()).then("failure")),
    )
    p = calibrated(*(table[column].to_numpy() for column in ("logit", "temperature", "bias")))
    table = table.with_columns(p_ai=pl.Series(p).fill_nan(None))
    answered = pl.col("logit").is_not_null() | pl.col("error").is_not_null()
    return conform(table, PREDICTIONS, "the predictions").with_columns(table.select(answered=answered)["answered"])


def check_table(file: Path) -> None:
    """Raise ``SynthscopeError`` unless ``file`` is absent, or a table to which rows can be added."""
    try:
        if file.is_file():
            conform(pl.scan_parquet(file).head(0).collect(), PREDICTIONS, str(file))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SynthscopeError(
            f"Expected a table of predictions in {file}, got: {reason}. Remove it; parts/ beside it keeps all logits."
        ) from error


def add_rows(file: Path, table: pl.DataFrame) -> None:
    """Add ``table`` (``schema.PREDICTIONS``) to the one in ``file``, in place of rows of the same ``ROW``."""
    earlier = read_table(file, schema=PREDICTIONS) if file.is_file() else table.clear()
    write_table(merged(earlier, table, ROW), file)
