"""Folders of images as the library ``datasets`` reads them: a metadata file with ``file_name``, or class folders."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from synthscope.data.layouts.source import Row
from synthscope.data.layouts.walk import image_files, tree
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.runtime.files import read_text, reason

MOST_LINE = 2**20  # characters of a line of JSON
_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


Said = Callable[[Row, str], Row]  # (line, place) -> the manifest's columns
Split = Callable[[str, str], str | None]  # (file, root) -> its split


def described_images(root: Path, column: str, said: Said, split_of: Split, wanted: Sequence[str]) -> Iterator[Row]:
    """A row for each line of every metadata file; where there is none, for each image in a folder of a class.

    Args:
        root: The data set.
        column: Of the files' names; default ``file_name``.
        said: Of a class folder, its name is the line's ``label``.
        split_of: As file and folder names tell.
        wanted: Splits to read; none = all.

    Raises:
        SynthscopeError: A name that leads out of its folder, or a metadata file that cannot be read.
    """
    files = sorted(path for path, is_folder in tree(root) if not is_folder and path.endswith(_NAMES))
    count = 0
    for file in files:
        split = split_of(file, str(root))
        if not wanted or split in wanted:
            for number, line in enumerate(_lines(Path(file)), start=1):
                place = f"row {number} of {file}"
                count += 1
                yield {"split": split} | said({**line, "path": _path(line, column, Path(file), place)}, place)
    if not files:
        for path, _, error in image_files(root):
            folder = Path(path).parent
            split = split_of(path, str(root))
            if (not wanted or split in wanted) and folder != root:
                count += 1
                yield {"split": split, "error": error} | said({"path": path, "label": folder.name}, path)
    if wanted and not count:
        raise UsageError(f"Expected images of the split {', '.join(wanted)} in {root}, got none. Check the name.")


def _path(line: Row, column: str, file: Path, place: str) -> str:
    key = column or "file_name"
    name = line.get(key)
    if key not in line:
        raise UsageError(f"Expected a column {key!r} in {file}, got none. {suggest(key, line)}")
    if not isinstance(name, str) or not name or "\0" in name or name.startswith("/") or ".." in Path(name).parts:
        raise SynthscopeError(f"Expected a file name below {file.parent} in {place}, got {name!r}. Correct the row.")
    return str(file.parent / name)


def _lines(file: Path) -> Iterator[Row]:
    if file.suffix == ".parquet":
        from synthscope.schema import read_table

        yield from read_table(file).iter_rows(named=True)
    elif file.suffix == ".csv":
        yield from csv.DictReader(read_text(file).splitlines())
    else:
        for number, text in enumerate(read_text(file).splitlines(), start=1):
            try:
                line = json.loads(text) if len(text) <= MOST_LINE else None
            except (ValueError, RecursionError) as error:
                raise SynthscopeError(
                    f"Expected JSON in line {number} of {file}, got: {reason(error)}. Correct the line."
                ) from error
            if not isinstance(line, dict):
                raise SynthscopeError(f"Expected an object in line {number} of {file}, got another. Correct the line.")
            yield line
