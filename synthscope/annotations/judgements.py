"""What people said of whole images: kinds of error, parts of the body, severity; without places.

They are no rows of the annotation table, whose images without a region were found clean.
"""

from __future__ import annotations

import polars as pl

from synthscope.data.layouts.source import Readers, read_rows
from synthscope.errors import SynthscopeError
from synthscope.registry import Registry

JUDGEMENTS = pl.Schema(
    {
        "path": pl.String,  # as in the manifest
        "generator": pl.String,
        "scene": pl.String,  # what several images were to show, such as their prompt
        "annotator": pl.String,
        "kind": pl.String,  # of the error; null = the annotator found none, or the cell could not be read
        "part": pl.String,  # that has it
        "wrong": pl.Int64,  # so many parts have it …
        "seen": pl.Int64,  # … of those seen, or that should be
        "severity": pl.String,  # mild | moderate | severe
        "score": pl.Float64,  # wrong / seen x weight of the severity
        "skipped": pl.String,  # a cell that does not follow the form
    }
)
READERS: Readers = Registry("judgement format")
READERS.register("ai_human", "synthscope.annotations.readers.ai_human:read")


def load_judgements(source: str) -> pl.DataFrame:
    """Read judgements from ``"<format>:<path>[?key=value&…]"`` such as ``ai_human:annotations.csv``.

    Returns:
        Columns of ``JUDGEMENTS``: a row for each error, one for each image without any, one for each skipped cell.

    Raises:
        UsageError: An unknown format.
        SynthscopeError: Nothing there, or a file that is not what the format says.
    """
    table = pl.DataFrame(list(read_rows(source, READERS)), JUDGEMENTS)
    if table.is_empty():
        raise SynthscopeError(f"Expected judged images in {source}, got none. Check the file.")
    return table
