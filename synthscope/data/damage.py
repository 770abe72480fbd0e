"""Files whose bytes are at fault: what is wrong with them, and removing them. Nothing is removed unless asked."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import polars as pl

from synthscope.data.images import measure
from synthscope.data.layouts import LAYOUTS
from synthscope.data.layouts.source import parse_source
from synthscope.errors import SynthscopeError
from synthscope.runtime import track, whole_file
from synthscope.runtime.files import read_text
from synthscope.runtime.told import to_cell

KINDS = ("empty", "truncated", "undecodable", "other")


def damage() -> pl.Expr:
    """Kind of what is wrong with a manifest's row, by its ``error``: one of ``KINDS``, null = nothing.

    A file is undecodable when its bytes are at fault; a limit of this program, a suffix, a format that it cannot read
    and trouble of the machine are "other".
    """
    error = pl.col("error")
    ours = error.str.contains("MemoryError|DecompressionBomb|not available")
    foreign = error.str.starts_with("no readable ") & ~pl.col("path").str.contains(r"(?i)\.(png|jpe?g)$")
    return (
        pl.when(error.is_null())
        .then(None)
        .when(error == "an empty file")
        .then(pl.lit("empty"))
        .when(ours | foreign | ~error.str.contains("^(a damaged image|no readable )"))
        .then(pl.lit("other"))
        .when(error.str.contains(r"(?i)truncated|end of (file|stream|data)"))
        .then(pl.lit("truncated"))
        .otherwise(pl.lit("undecodable"))
    )


def delete_damaged(table: pl.DataFrame, listing: str | Path) -> pl.DataFrame:
    """Delete the files of a manifest that are empty, truncated or undecodable, after listing them.

    Each is read once more before. A file is spared when it can be decoded after all, when it lies outside the folder
    that its row's ``source`` names, when it or a folder on the way is a link, and when it is no regular file.

    Args:
        table: A manifest of ``data verify``.
        listing: CSV file with ``path,damage,bytes,error``, written before anything is deleted; earlier lines stay.

    Returns:
        Columns ``path`` and ``damage`` of the files deleted.

    Raises:
        SynthscopeError: ``listing`` is there and isn't such a list, or a file cannot be deleted.
    """
    lost = pl.col("damage").is_in(KINDS[:3])
    suspects = table.with_columns(damage=damage()).filter(lost).select("path", "source").unique(maintain_order=True)
    facts = [
        (path, size, error)
        for path, source in track(suspects.iter_rows(), "checking again", total=suspects.height)
        if _deletable(path, source)
        for *_, size, _, error in [measure(path, decode=True)]
    ]
    schema = {"path": pl.String, "bytes": pl.Int64, "error": pl.String}
    doomed = pl.DataFrame(facts, schema=schema, orient="row").with_columns(damage=damage()).filter(lost)
    if doomed.height:
        _list(doomed, Path(listing))
    for path in doomed["path"]:
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise SynthscopeError(
                f"Expected to delete {path}, got: {error.strerror}. Change its permissions and repeat."
            ) from error
    return doomed.select("path", "damage")


def _deletable(path: str, source: str | None) -> bool:
    """Whether ``path`` is a regular file in the folder of ``source``, with no link on the way from there."""
    try:
        root, file = parse_source(source or "", LAYOUTS)[1], Path(path)
        return isinstance(root, Path) and file.is_file() and file.resolve() == root.resolve() / file.relative_to(root)
    except (SynthscopeError, ValueError, OSError):
        return False


def _list(doomed: pl.DataFrame, listing: Path) -> None:
    head = ["path", "damage", "bytes", "error"]
    lines = [tuple(to_cell(v) if isinstance(v, str) else v for v in row) for row in doomed.select(head).rows()]
    if listing.exists():
        earlier = list(csv.reader(StringIO(read_text(listing))))
        if earlier[:1] != [head]:
            raise SynthscopeError(f"Expected a list of deleted files at {listing}, got another file. Move it away.")
        lines = [*map(tuple, earlier[1:]), *lines]
    with whole_file(listing) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *lines])
