"""Annotations from wherever they are: a table, the sandbox's or X-AIGD's Parquet file, or another format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from synthscope.annotations.readers import READERS
from synthscope.annotations.records import ANNOTATIONS, to_table
from synthscope.data.layouts.source import read_rows
from synthscope.data.manifest import stored_table
from synthscope.errors import SynthscopeError, suggest
from synthscope.schema import read_table


def load_annotations(source: str | Path) -> pl.DataFrame:
    """Read an annotation table, or import one from another format.

    Args:
        source: A Parquet file with the columns of ``ANNOTATIONS``, a Parquet file with X-AIGD's ``labels``, or
            ``"<format>:<path>[?key=value&…]"`` such as ``coco:regions.json``; see ``readers.READERS``.

    Returns:
        A table with the columns of ``ANNOTATIONS``. Its values are not checked (``validate.validate`` does that).

    Raises:
        UsageError: Neither of these, or an unknown format.
        SynthscopeError: Nothing there, or a file that is not what the format says.
    """
    path = stored_table(source, "annotations", kind="format", such_as="xaigd")
    if path is None:
        return to_table(read_rows(str(source), READERS), source)
    columns = read_table(path, where=pl.lit(False)).columns
    if "labels" in columns and "region" not in columns:
        return to_table(read_rows(f"xaigd:{path}", READERS), path)
    for column in ("path", "region", "gt_kind"):
        if column not in columns:
            raise SynthscopeError(
                f"Expected the columns of an annotation table in {path}, got no {column!r} among "
                f"{', '.join(columns)}. {suggest(column, columns)}"
            )
    return read_table(path, columns=[name for name in ANNOTATIONS if name in columns], schema=ANNOTATIONS)


def load_together(sources: Sequence[str | Path]) -> pl.DataFrame:
    """:func:`load_annotations` of several sources as one table.

    Raises:
        SynthscopeError: Two sources hold an annotation of one image by one annotator in one round.
    """
    tables = [load_annotations(source) for source in sources]
    who = ("path", "annotator", "round")
    seen = [
        table.select(who).unique().with_columns(source=pl.lit(str(s))) for s, table in zip(sources, tables, strict=True)
    ]
    twice = pl.concat(seen).filter(pl.struct(who).is_duplicated()).sort("path", "annotator")
    if twice.height:
        path, annotator, _, source = twice.row(0)
        raise SynthscopeError(
            f"Expected one annotation of {path} by {annotator or 'nobody named'} in a round, got one in {source} and "
            f"one in {twice['source'][1]}. Name each table once, or its annotators."
        )
    return pl.concat(tables)
