"""WebDataset's shards: ``000000.tar`` with ``000000000.png``, ``.cls`` and ``.json`` for every image, in order."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from synthscope.data.export.names import file_name, suffix
from synthscope.data.export.work import COLUMNS, Image, Shard, by_size, write_shards


def write_wds(table: pl.DataFrame, folder: Path, size: int) -> dict[str, str]:
    """Write all rows in their order. Arguments and what is returned as of :func:`~synthscope.data.export.hf.write_hf`.

    ``.cls`` is 0 or 1 and is not there where nobody knows the label; ``.json`` holds the manifest's other columns, and
    the file's own name.
    """
    pieces = by_size(table.with_row_index("_row"), size)
    return write_shards([Shard(f"{n:06d}.tar", rows) for n, rows in enumerate(pieces)], folder, _write, "wds", size)


def _write(path: Path, images: Iterator[Image]) -> None:
    with path.open("wb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for row, data in images:
            name = f"{row['_row']:09d}"
            said = {column: row[column] for column in COLUMNS if row[column] is not None}
            said["name"] = file_name(row["path"], row["format"])
            _add(archive, f"{name}.{suffix(row['path'], row['format'])}", data)
            if row["label"] is not None:
                _add(archive, f"{name}.cls", str(row["label"]).encode())
            _add(archive, f"{name}.json", json.dumps(said, ensure_ascii=False).encode())


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
