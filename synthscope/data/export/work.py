"""What all forms share: which folder, what is done, the images in order, and those that cannot be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from synthscope.data.images import read_file
from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.runtime import Progress
from synthscope.runtime.files import read_json, whole_file, write_json
from synthscope.runtime.threads import in_threads

COLUMNS = ("generator", "subset", "split", "class_index", "synset", "group", "view")  # kept beside label and image
STATE = ".export.json"  # what a folder was begun for, and which rows of finished shards are missing
_WAITING = 4  # files that are read at a time
Row = Mapping[str, Any]


class Image(NamedTuple):
    """A row of a manifest and its file."""

    row: Row
    data: bytes


class Shard(NamedTuple):
    """A file to be written, and the rows that belong into it."""

    file: str  # relative to the folder
    rows: pl.DataFrame


def begin(folder: Path, table: pl.DataFrame, *how: object) -> dict[str, str]:
    """Make sure that ``folder`` is empty or was begun for the same rows, written the same way.

    Returns:
        Path -> why it could not be read, of the shards that are finished.

    Raises:
        SynthscopeError: It holds something else.
    """
    told = table.select("path", "label", *COLUMNS, "bytes", "sha256").write_csv()
    of = hashlib.sha256(f"{how}\n{told}".encode()).hexdigest()
    state = folder / STATE
    if state.exists():
        known = read_json(state, dict)
        if known.get("of") != of:
            raise SynthscopeError(
                f"Expected {folder} to be begun by an export of the same images, got another one. Name another folder."
            )
        return {str(path): str(why) for path, why in known.get("unreadable", {}).items()}
    if folder.is_dir() and any(folder.iterdir()):
        raise SynthscopeError(f"Expected an empty folder at {folder}, got one with files. Name another folder.")
    write_json(state, {"of": of, "unreadable": {}})
    return {}


def note(folder: Path, unreadable: Mapping[str, str]) -> None:
    """Keep in mind what the shards lack."""
    write_json(folder / STATE, read_json(folder / STATE, dict) | {"unreadable": dict(unreadable)})


def images(rows: Iterable[Row], unreadable: dict[str, str]) -> Iterator[Image]:
    """The files of the rows, in order; what cannot be read is added to ``unreadable``."""
    for row, found in in_threads(_read, rows, _WAITING):
        if isinstance(found, bytes):
            unreadable.pop(row["path"], None)
            yield Image(row, found)
        else:
            unreadable[row["path"]] = found


def _read(row: Row) -> tuple[Row, bytes | str]:
    try:
        return row, read_file(row["path"], row["sha256"])[0]
    except UnreadableImageError as error:
        return row, str(error)


def by_size(table: pl.DataFrame, size: int) -> list[pl.DataFrame]:
    """The rows in order, in pieces of about ``size`` bytes of images, by what the manifest knows of them."""
    before = table["bytes"].fill_null(0).cum_sum() - table["bytes"].fill_null(0)
    return table.with_columns(_piece=before // size).partition_by("_piece", include_key=False, maintain_order=True)


def write_shards(
    shards: list[Shard], folder: Path, write: Callable[[Path, Iterator[Image]], None], *how: object
) -> dict[str, str]:
    """Write the shards that are not there yet, or lack images, each whole or not at all.

    Args:
        shards: All of them, in order.
        folder: Where.
        write: Writes images to a path.
        how: What else decides the bytes, see :func:`begin`.

    Returns:
        Path -> why it could not be read.

    Raises:
        SynthscopeError: Another folder, or a disk that refuses.
    """
    unreadable = begin(folder, pl.concat([shard.rows for shard in shards]), *how)
    todo = [one for one in shards if not _is_whole(folder / one.file, one.rows, unreadable)]
    with Progress("exporting", total=sum(one.rows.height for one in todo)) as progress:
        for shard in todo:
            with whole_file(folder / shard.file) as temporary:
                write(temporary, images(_counted(shard.rows, progress), unreadable))
                note(folder, unreadable)
    return unreadable


def _is_whole(file: Path, rows: pl.DataFrame, unreadable: Mapping[str, str]) -> bool:
    return file.exists() and not any(path in unreadable for path in rows["path"])


def _counted(rows: pl.DataFrame, progress: Progress) -> Iterator[Row]:
    for row in rows.iter_rows(named=True):
        yield row
        progress.advance()
