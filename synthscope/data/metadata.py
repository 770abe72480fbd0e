"""Facts about GenImage's files from the ``metadata.csv`` of "Fake or JPEG?" (Dataverse, doi:10.7910/DVN/AKDIHF).

Columns read: ``path`` (…/{train,val}/{ai,nature}/{file}), ``class`` (0..999), ``compression_rate`` (JPEG quality).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from synthscope.data.layouts.imagenet import synsets
from synthscope.errors import SynthscopeError, UsageError, suggest

COLUMNS = ("path", "class", "compression_rate")


@dataclass(frozen=True)
class Joined:
    """What :func:`join_metadata` found."""

    matched: int  # images with a line in the metadata
    images: int
    lines: int
    classes: int  # images whose class was unknown or another
    qualities: int  # JPEG files whose quality was unknown or another

    def __str__(self) -> str:
        return (
            f"{self.matched:,} of {self.images:,} images are in the metadata ({self.lines - self.matched:,} of its "
            f"{self.lines:,} lines match no image); it changed {self.classes:,} classes and {self.qualities:,} JPEG "
            "qualities."
        )


def join_metadata(table: pl.DataFrame, file: str | Path) -> tuple[pl.DataFrame, Joined]:
    """A manifest with the class of every image and the quality of every JPEG file that the metadata know.

    Images are matched by the last three parts of the path, which are unique in GenImage; lines that share these parts
    are left out. Values outside 0..999 and 1..100 count as unknown.

    Raises:
        UsageError: No such file.
        SynthscopeError: Not such a table, or no line matches.
    """
    facts = _read(Path(file))
    key = pl.col("path").str.replace_all("\\", "/", literal=True).str.split("/").list.tail(3).list.join("/")
    facts = facts.with_columns(_key=key).unique("_key", keep="none")
    facts = facts.select(
        "_key",
        _class=_whole("class", 0, 999).cast(pl.Int32),
        _quality=_whole("compression_rate", 1, 100).cast(pl.Int16),
    )
    lines = facts.height
    both = table.with_columns(_key=key).join(
        facts.with_columns(_found=True), on="_key", how="left", maintain_order="left"
    )
    matched = both["_found"].count()
    if not matched:
        raise SynthscopeError(
            f"Expected the paths of these images in {file}, got none that ends like {both['_key'].first()!r}. "
            "Check that both are of GenImage."
        )
    quality = (
        pl.when(pl.col("format") == "JPEG").then(pl.coalesce("_quality", "jpeg_quality")).otherwise("jpeg_quality")
    )
    names = pl.col("_class").replace_strict(dict(enumerate(synsets())), default=None, return_dtype=pl.String)
    other = pl.col("_class").is_not_null() & pl.col("_class").ne_missing(pl.col("class_index"))
    joined = both.with_columns(
        class_index=pl.coalesce("_class", "class_index"),
        synset=pl.when(other).then(names).otherwise("synset"),
        jpeg_quality=quality,
    ).select(table.columns)
    classes, qualities = (int(joined[name].ne_missing(table[name]).sum()) for name in ("class_index", "jpeg_quality"))
    return joined, Joined(matched, table.height, lines, classes, qualities)


def _read(file: Path) -> pl.DataFrame:
    if not file.is_file():
        raise UsageError(f"Expected metadata at {file}, got no file. Check the path.")
    try:
        names = pl.read_csv(file, n_rows=0).columns
        for column in COLUMNS:
            if column not in names:
                raise SynthscopeError(f"Expected a column {column!r} in {file}, got none. {suggest(column, names)}")
        return pl.read_csv(file, columns=list(COLUMNS), infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthscopeError(f"Expected a CSV file at {file}, got: {error}. Save it as such.") from error


def _whole(column: str, low: int, high: int) -> pl.Expr:
    """The whole number of a text column such as ``"96"`` or ``"96.0"``; null outside of ``low`` to ``high``."""
    number = pl.col(column).cast(pl.Float64, strict=False)
    return pl.when(number.is_between(low, high) & (number == number.floor())).then(number)
