"""Under which licence each image stands: a column of the manifest's file, or a table beside it."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from synthscope.errors import SynthscopeError
from synthscope.runtime.files import reason
from synthscope.schema import read_table

NAMES = ("licence", "license")
KEYS = ("path", "sha256", "generator", "source")  # what a table may go by, the first that it has


def with_licences(images: pl.DataFrame, manifest: str | Path, file: Path | None = None) -> pl.DataFrame:
    """The images with a text column ``licence``; null = not stated.

    Args:
        images: Rows of a manifest.
        manifest: Where they were read from; a Parquet file may have a column ``licence`` that manifests do without.
        file: A .csv or .parquet table with the licence and a ``path`` (absolute, or as seen from its folder),
            ``sha256``, ``generator`` or ``source``.

    Raises:
        SynthscopeError: A table without these columns, or of none of the images.
    """
    place = file or Path(manifest)
    if not place.is_file():
        if file is not None:
            raise SynthscopeError(f"Expected a table of licences at {file}, got nothing. Check the path.")
        return images.with_columns(licence=pl.lit(None, pl.String))
    table = _read(place)
    name = next((name for name in NAMES if name in table.columns), None)
    key = next((key for key in KEYS if key in table.columns), None)
    if name is None or key is None:
        if file is None:
            return images.with_columns(licence=pl.lit(None, pl.String))
        raise SynthscopeError(
            f"Expected a column licence and one of {', '.join(KEYS)} in {file}, got {', '.join(table.columns)}. Rename "
            "its columns."
        )
    known = table.select(pl.col(key).cast(pl.String), licence=pl.col(name).cast(pl.String)).drop_nulls(key)
    if key == "path":
        folder = pl.lit(f"{Path(os.path.abspath(place)).parent.as_posix()}/")  # noqa: PTH100 - links stay
        absolute = pl.col("path").str.starts_with("/") | pl.col("path").str.contains("://")
        known = known.with_columns(path=pl.when(absolute).then("path").otherwise(folder + pl.col("path")))
    joined = images.join(known.unique(key, keep="first"), on=key, how="left", maintain_order="left")
    if file is not None and not joined["licence"].count():
        raise SynthscopeError(
            f"Expected licences of these images in {file}, got none that goes by their {key}, such as "
            f"{images[key].drop_nulls().first()!r}. Check the column."
        )
    return joined


def _read(place: Path) -> pl.DataFrame:
    if place.suffix == ".parquet":
        return read_table(place)
    try:
        return pl.read_csv(place, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthscopeError(f"Expected a CSV file at {place}, got: {reason(error)}. Save it as such.") from error
