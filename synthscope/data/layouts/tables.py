"""Layouts that are a table of paths and labels: ``csv:`` and ``parquet:``. Both are read in pieces.

Columns: ``path`` (or ``filename``, ``file_name``; a URL, or relative to the table), ``label`` (0, 1, real,
ai …) or ``typ`` (``real``, else the generator), and any of ``EXTRAS``. Everything else is measured anew or ignored.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from synthscope.data.layouts.folders import Row
from synthscope.data.remote.place import is_url
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.runtime.told import from_cell

PATH_COLUMNS = ("path", "filename", "file_name")
LABEL_COLUMNS = ("label", "typ")
EXTRAS = ("generator", "subset", "split", "class_index", "synset", "group", "view")
LABELS = dict.fromkeys(("0", "0.0", "real", "0_real", "nature"), 0)
LABELS |= dict.fromkeys(("1", "1.0", "ai", "fake", "1_fake", "synthetic", "generated"), 1)


def csv_table(root: Path) -> Iterator[Row]:
    """Rows of a comma-separated file with a header line, UTF-8; cells as this program writes them (``from_cell``)."""
    try:
        with root.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            yield from _rows(root, lines.fieldnames or (), ((lines.line_num, _texts(line)) for line in lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SynthscopeError(f"Expected a UTF-8 CSV file at {root}, got: {error}. Save it as such.") from error


def _texts(line: dict[Any, Any]) -> dict[Any, Any]:
    return {name: from_cell(cell) if isinstance(cell, str) else cell for name, cell in line.items()}


def parquet_table(root: Path) -> Iterator[Row]:
    """Rows of a Parquet file that isn't a manifest."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(root) as file:
            columns = [name for name in file.schema_arrow.names if name in (*PATH_COLUMNS, *LABEL_COLUMNS, *EXTRAS)]
            batches = file.iter_batches(batch_size=8192, columns=columns)
            lines = (line for batch in batches for line in batch.to_pylist())
            yield from _rows(root, file.schema_arrow.names, enumerate(lines, start=1))
    except (OSError, pa.ArrowException) as error:
        raise SynthscopeError(f"Expected a Parquet file at {root}, got: {error}. Write it anew.") from error


def _rows(table: Path, columns: Iterable[str], lines: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[Row]:
    names = list(columns)
    path_column, label_column = _one_of(PATH_COLUMNS, names, table), _one_of(LABEL_COLUMNS, names, table)
    extras = [name for name in EXTRAS if name in names]
    for number, line in lines:
        if line[path_column] in (None, ""):
            raise SynthscopeError(
                f"Expected a path in row {number} of {table}, got none. Fill it in or delete the row."
            )
        label = read_label(line[label_column], label_column, f"row {number} of {table}")
        row = {name: line[name] for name in extras if line[name] not in (None, "")}
        named = line[label_column] if label_column == "typ" and label == 1 else None  # GRIP's typ names the generator
        generator = "real" if label == 0 else row.get("generator") or named
        subset = row.get("subset") or (generator or table.stem if label == 1 else None)
        given = str(line[path_column])
        path = given if is_url(given) else str(table.parent / given)
        yield row | {"path": path, "label": label, "generator": generator or subset, "subset": subset}


def _one_of(wanted: tuple[str, ...], columns: list[str], table: Path) -> str:
    for name in wanted:
        if name in columns:
            return name
    advice = suggest(wanted[0], columns)
    raise UsageError(f"Expected a column {' or '.join(wanted)} in {table}, got {', '.join(columns)}. {advice}")


def read_label(value: Any, column: str, place: str) -> int:
    """0 or 1 of a cell; ``UsageError`` names the ``place`` of another one."""
    text = "" if value is None else str(value).strip().lower()
    if column == "typ" and text and not _is_number(text):
        return 0 if text == "real" else 1
    if text not in LABELS:
        raise UsageError(f"Expected a label such as 0, 1, real or ai in {place}, got {value!r}. Correct the row.")
    return LABELS[text]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
