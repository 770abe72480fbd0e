"""Images that lie under several paths with the same bytes: a test set that was trained on, or a file with two labels.

An image that several subsets share under one path is no duplicate. Files are compared by their SHA-256.
"""

from __future__ import annotations

import polars as pl

KINDS = ("one class and split", "several splits", "both classes")
DUPLICATES = pl.Schema(
    {
        "sha256": pl.String,
        "kind": pl.String,  # one of KINDS; the last that holds
        "files": pl.Int64,  # paths of it
        "one": pl.String,  # a path, real where the other is AI
        "other": pl.String,  # a path of another split or class, where they differ
    }
)


def duplicates(table: pl.DataFrame) -> pl.DataFrame:
    """Images of a manifest that lie under several paths, a row each.

    Args:
        table: Columns of ``schema.MANIFEST``; rows without ``sha256`` and those with an ``error`` are left out.

    Returns:
        Columns of ``DUPLICATES``, sorted by ``one``. A row without a split is in no other split than any.
    """
    files = table.filter(pl.col("error").is_null(), pl.col("sha256").is_not_null()).sort("label", "split", "path")
    split = pl.col("split").is_not_null()
    found = files.group_by("sha256").agg(
        files=pl.col("path").n_unique().cast(pl.Int64),
        classes=pl.col("label").n_unique(),
        splits=pl.col("split").drop_nulls().n_unique(),
        ends=pl.concat_list(pl.col("path").first(), pl.col("path").last()),
        placed=pl.concat_list(pl.col("path").filter(split).first(), pl.col("path").filter(split).last()),
    )
    both, apart = pl.col("classes") > 1, pl.col("splits") > 1
    kind = pl.when(both).then(pl.lit(KINDS[2])).when(apart).then(pl.lit(KINDS[1])).otherwise(pl.lit(KINDS[0]))
    pair = pl.when(~both & apart).then("placed").otherwise("ends")
    named = found.filter((pl.col("files") > 1) | both).with_columns(
        kind=kind, one=pair.list.first(), other=pair.list.last()
    )
    return named.select(list(DUPLICATES)).cast(DUPLICATES).sort("one")


def describe_duplicates(found: pl.DataFrame) -> str | None:
    """How many of :func:`duplicates` there are of each kind, and a warning of test images that were trained on."""
    if found.is_empty():
        return None
    counts = ", ".join(f"{found.filter(kind=kind).height:,} in {kind}" for kind in KINDS)
    told = f"{found.height:,} images lie under several paths with the same bytes: {counts}."
    leaks = found.filter(kind=KINDS[1])
    if leaks.height:
        row = leaks.row(0, named=True)
        told += (
            f"\nA detector may be tested on images that it was trained on: {leaks.height:,} lie in several splits, "
            f"such as {row['one']} and {row['other']}. Leave each out of one."
        )
    return told


def conflict(found: pl.DataFrame) -> str | None:
    """What is wrong where :func:`duplicates` hold a file that is labelled real and AI."""
    wrong = found.filter(kind=KINDS[2])
    if wrong.is_empty():
        return None
    row = wrong.row(0, named=True)
    more = f" ({wrong.height:,} such files)" if wrong.height > 1 else ""
    return (
        f"Expected one label for the same bytes, got real for {row['one']} and AI for {row['other']}{more}. Remove "
        "what is labelled wrongly."
    )
