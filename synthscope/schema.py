"""Columns of the tables that every feature reads or writes (Parquet, read with Polars).

Labels are 1 = AI-generated, 0 = real. Fractions, never percent. A missing value is null, never a magic number.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime.files import reason, whole_file
from synthscope.runtime.told import FORMULA

ROW_GROUP = 1 << 20  # rows of a large Parquet file that are written together
TABLES_VERSION = 1  # in the metadata of every table; raised when a column goes or means something else
VERSION_KEY = "synthscope"

MANIFEST = pl.Schema(
    {
        "path": pl.String,  # absolute, POSIX
        "label": pl.Int8,  # 1 = AI-generated, 0 = real, null = unknown
        "generator": pl.String,  # "real" for real images
        "subset": pl.String,  # one generator's fakes and its own reals; null on a real = in every subset
        "split": pl.String,  # train | val | test
        "source": pl.String,  # the layout it was read from, as the user typed it
        "class_index": pl.Int32,  # 0-based index in the sorted ImageNet synsets
        "synset": pl.String,  # such as n01440764
        "width": pl.Int32,  # pixels, as stored, before EXIF orientation
        "height": pl.Int32,
        "format": pl.String,  # Pillow's name: JPEG, PNG, WEBP …
        "jpeg_quality": pl.Int16,  # estimated from the quantisation tables
        "bytes": pl.Int64,
        "sha256": pl.String,  # of the file; filled by `data verify`
        "group": pl.String,  # images that must stay in one split (pair id, original prompt)
        "view": pl.String,  # recipe applied right after decoding, in training and testing alike; "none" = as stored
        "protocol": pl.String,  # name of the view whose recipes differ by image, such as "aligned"; null = the recipe's
        "error": pl.String,  # why the file cannot be used
    }
)

PREDICTIONS = pl.Schema(
    {
        "path": pl.String,
        "sha256": pl.String,
        "label": pl.Int8,
        "generator": pl.String,
        "subset": pl.String,
        "split": pl.String,
        "group": pl.String,  # images that are not independent; null = those of the same bytes
        "detector": pl.String,  # name@first 8 digits of the weights' sha256
        "architecture": pl.String,
        "train_set": pl.String,  # subsets the detector was trained on, joined by "+"; null = unknown
        "train_view": pl.String,  # view of its training images
        "view": pl.String,  # recipe that this image was seen through
        "protocol": pl.String,  # name of the view whose recipes differ by image; null = the recipe's own
        "condition": pl.String,  # degradation recipe, "none" = clean
        "preprocessing": pl.String,  # hash of the detector's input configuration and options
        "precision": pl.String,  # fp32 | bf16 | fp16 | int8@hash of the images it was calibrated on
        "backend": pl.String,  # what ran the detector: eager | openvino | onnx | compile
        "logit": pl.Float32,  # > 0 means AI at the default threshold
        "p_ai": pl.Float32,  # calibrated where the detector stores a calibration
        "threshold": pl.Float32,  # of the detector, on the logit
        "error": pl.String,
    }
)

SCORES = pl.Schema(
    {
        "detector": pl.String,
        "architecture": pl.String,
        "train_set": pl.String,
        "train_view": pl.String,
        "test_set": pl.String,  # a subset, or "mean" = unweighted mean over the subsets
        "view": pl.String,  # a protocol or a recipe
        "condition": pl.String,  # a recipe, or "mean" = unweighted mean over the degradations
        "metric": pl.String,
        "value": pl.Float64,
        "ci_low": pl.Float64,  # 95 %: Wilson for rates, Newcombe for a still AUROC, else percentile bootstrap
        "ci_high": pl.Float64,
        "n_real": pl.Int64,
        "n_ai": pl.Int64,
        "n_error": pl.Int64,  # images left out because they could not be read
        "threshold": pl.Float64,
        "higher_is_better": pl.Boolean,
    }
)

DIFFERENCES = pl.Schema(
    [
        *SCORES.items(),  # the column that is compared holds "A − B"
        ("kind", pl.String),  # detectors | views | conditions
        ("a", pl.String),  # what b was subtracted from: a detector, a view or a condition
        ("b", pl.String),
        ("p_value", pl.Float64),  # two-sided, by the standard error of the paired bootstrap
        ("p_holm", pl.Float64),  # adjusted for the family, see scoring.differences
        ("q_bh", pl.Float64),
    ]
)


ABSENT = {"backend": "eager"}  # what a column means in tables that were written before there was one


def view_name() -> pl.Expr:
    """What the view of a row of ``MANIFEST`` or ``PREDICTIONS`` is called: its protocol, else its recipe, else none."""
    return pl.coalesce("protocol", "view", pl.lit("none")).alias("view")


def with_group(table: pl.DataFrame) -> pl.DataFrame:
    """The table with what every image is drawn with in ``group``: its group, else files of the same bytes, else itself.

    Tables of earlier runs have no column ``group``; then the bytes decide. Without ``sha256``, a path is its own.

    >>> with_group(pl.DataFrame({"path": ["a", "b"], "sha256": ["0f", None]}))["group"].to_list()
    ['sha256 0f', 'path b']
    """
    absent = {name: pl.lit(None, pl.String) for name in ("group", "sha256") if name not in table.columns}
    known = table.with_columns(**absent)
    names = (pl.format(f"{name} {{}}", name) for name in ("group", "sha256", "path"))
    return known.with_columns(group=pl.coalesce(*names)).drop(absent.keys() - {"group"})


def conform(table: pl.DataFrame, schema: pl.Schema, name: str) -> pl.DataFrame:
    """``table`` with exactly the columns and types of ``schema``: missing ones become null, or what ``ABSENT`` says;
    foreign ones are dropped.

    Raises ``SynthscopeError`` naming the column that cannot be converted.
    """
    columns = []
    for column, dtype in schema.items():
        source = table[column] if column in table.columns else pl.Series(column, [ABSENT.get(column)] * table.height)
        try:
            if dtype.is_integer() and source.dtype.is_float() and not (source == source.floor()).all():
                raise pl.exceptions.InvalidOperationError("a cast would cut fractions off")
            columns.append(source.cast(dtype))
        except pl.exceptions.PolarsError as error:
            raise SynthscopeError(
                f"Expected {dtype} in column {column!r} of {name}, got {source.dtype}. Convert the column first."
            ) from error
    return pl.DataFrame(columns)


def write_or_remove(frame: pl.DataFrame, path: str | Path) -> None:
    """:func:`write_table` a data frame with rows; without any, no file is left of an earlier one."""
    if frame.is_empty():
        Path(path).unlink(missing_ok=True)
    else:
        write_table(frame, path)


def merged(earlier: pl.DataFrame, fresh: pl.DataFrame, key: Sequence[str | pl.Expr]) -> pl.DataFrame:
    """Rows of two tables of one schema, one for each value of ``key``: that of ``fresh`` where both have it.

    A row stands where its key first came, so adding the same rows again changes nothing.
    """
    both = pl.concat([earlier, fresh]).with_row_index("_row")
    marked = both.with_columns(_first=pl.col("_row").min().over(key), _last=pl.col("_row").max().over(key))
    return marked.filter(pl.col("_row") == pl.col("_last")).sort("_first").select(earlier.columns)


def write_table(frame: pl.DataFrame, path: str | Path) -> None:
    """Write any data frame as ``.csv`` or ``.parquet``, whole or not at all; see ``to_cell`` for texts in CSV."""
    suffix = Path(path).suffix
    if suffix not in {".csv", ".parquet"}:
        raise UsageError(f"Expected a .csv or .parquet file, got {path}. Change the ending.")
    if suffix == ".parquet":
        return write_parquet(frame, path)
    write_csv([frame], path)


def write_csv(frames: Iterable[pl.DataFrame], path: str | Path) -> None:
    """Write data frames of the same columns as one ``.csv``, one after the other, whole or not at all."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for number, frame in enumerate(frames):
            file.write(csv_text(frame, header=not number))


def csv_text(frame: pl.DataFrame, *, header: bool = True) -> str:
    """A data frame as CSV; see ``to_cell`` for texts in it."""
    return frame.with_columns(_cells(frame)).write_csv(include_header=header)


def _cells(frame: pl.DataFrame) -> list[pl.Expr]:
    """The texts of a table as :func:`synthscope.runtime.told.to_cell` writes them."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return [
        pl.when(pl.col(name).str.contains(FORMULA)).then(pl.format("'{}", name)).otherwise(name).alias(name)
        for name in texts
    ]


def write_parquet(frame: pl.DataFrame, path: str | Path) -> None:
    """Write a data frame as Parquet, whole or not at all. Raises ``SynthscopeError`` where that cannot be."""
    with whole_file(path) as temporary:
        try:
            frame.write_parquet(temporary, metadata={VERSION_KEY: str(TABLES_VERSION)})
        except pl.exceptions.PolarsError as error:  # of a full disk
            number = re.search(r"\(os error (\d+)\)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, reason(error)) from error


@contextmanager
def growing_parquet(path: str | Path, schema: pl.Schema) -> Iterator[Callable[[pl.DataFrame], None]]:
    """A function that adds rows to a Parquet file, which is there when the block ends well; memory holds few rows.

    The same rows make the same bytes, in whatever pieces they come.
    """
    from pyarrow.parquet import ParquetWriter

    rows = [pl.DataFrame(schema=schema)]

    def add(table: pl.DataFrame) -> None:
        rows.append(table)
        while sum(map(len, rows)) >= ROW_GROUP:
            waiting = pl.concat(rows)
            writer.write_table(waiting[:ROW_GROUP].to_arrow(compat_level=pl.CompatLevel.oldest()))
            rows[:] = [waiting[ROW_GROUP:]]

    with whole_file(path) as temporary:
        empty = rows[0].to_arrow(compat_level=pl.CompatLevel.oldest())
        versioned = empty.schema.with_metadata({VERSION_KEY: str(TABLES_VERSION)})
        with ParquetWriter(temporary, versioned, compression="zstd") as writer:
            yield add
            writer.write_table(pl.concat(rows).to_arrow(compat_level=pl.CompatLevel.oldest()))


def read_batches(path: str | Path, schema: pl.Schema, rows: int, *, advice: str = "") -> Iterator[pl.DataFrame]:
    """The rows of a Parquet file, so many at a time; otherwise as :func:`read_table`."""
    try:
        table = _scanned(path)
        for first in range(0, table.select(pl.len()).collect().item(), rows):
            yield conform(table.slice(first, rows).collect(), schema, str(path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise SynthscopeError(f"Expected a Parquet file at {path}, got: {reason(error)}. {advice}") from error


def _scanned(path: str | Path) -> pl.LazyFrame:
    version = pl.read_parquet_metadata(path).get(VERSION_KEY, "1")  # tables had none before there was a second
    if version != str(TABLES_VERSION):
        raise SynthscopeError(
            f"Expected a table of version {TABLES_VERSION} at {path}, got version {version}. Read it with the release "
            f"of synthscope that wrote it, or write it anew."
        )
    return pl.scan_parquet(path, glob=False)


def read_table(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    where: pl.Expr | None = None,
    schema: pl.Schema | None = None,
    advice: str = "Write it anew, or delete it.",
) -> pl.DataFrame:
    """A Parquet file, or some of its ``columns`` and the rows ``where`` something holds.

    Args:
        path: Of the file.
        columns: Names of the columns to read.
        where: Rows to read.
        schema: What the table is to be; see :func:`conform`.
        advice: The end of the sentence about a file that cannot be read.

    Raises:
        SynthscopeError: Absent, damaged, no Parquet file, or one without these columns; names the file.
    """
    try:
        rows = _scanned(path)
        rows = rows if where is None else rows.filter(where)
        table = (rows if columns is None else rows.select(columns)).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise SynthscopeError(f"Expected a Parquet file at {path}, got: {reason(error)}. {advice}") from error
    return table if schema is None else conform(table, schema, str(path))
