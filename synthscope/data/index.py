"""A collection of images -> its manifest: what a layout tells by names, and what headers tell.

Headers are measured in parallel and in the order of the layout, a block of rows at a time, so that memory does not grow
with the images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import has_magic
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import polars as pl

from synthscope.data.images import FACTS, measure_headers
from synthscope.data.layouts import LAYOUTS
from synthscope.data.layouts.files import all_files
from synthscope.data.layouts.imagenet import group_by_class
from synthscope.data.layouts.source import Row, located, read_rows
from synthscope.data.remote.permission import granted
from synthscope.data.remote.place import is_url
from synthscope.errors import SynthscopeError
from synthscope.runtime import Progress, whole_file
from synthscope.runtime.signals import ctrl_c_ignored
from synthscope.schema import MANIFEST, TABLES_VERSION, VERSION_KEY, conform

Group = Literal["class"] | None

_BLOCK = 8192  # rows measured, then written, at a time
_CHUNK = 512  # files a worker process measures at a time
_SERIAL = 4096  # blocks below this are done before processes would have started
_LISTED = 1000
_NOT_UTF8 = "a file name that is not UTF-8"


@dataclass(frozen=True)
class IndexReport:
    """What :func:`index_to` has written."""

    path: Path
    rows: int
    n_real: int
    n_ai: int
    n_unlabelled: int
    n_error: int
    errors: tuple[tuple[str, str], ...]  # (path, why) of the first 1000 unusable files


def index(source: str, *, group: Group = None, workers: int | None = None) -> pl.DataFrame:
    """The manifest of a collection. Only names and headers are read; unusable files are rows with an ``error``.

    Args:
        source: ``"<layout>:<path>[?key=value&…]"``, such as ``genimage:/data/GenImage`` or
            ``imagefolder:/data/mine?ai=sdxl,flux&real=photos``; a URL alone is read as ``files:`` it.
        group: ``"class"`` fills ``group`` with the ImageNet class; None leaves what the layout says.
        workers: Processes that read headers; None = one a core. The table does not depend on it.

    Returns:
        A table with the columns of ``schema.MANIFEST``, in the order of sorted names.

    Raises:
        UsageError: Unknown layout or option.
        SynthscopeError: Nothing at the path, no images, or an image without the class that ``group`` needs.
    """
    return pl.concat(_blocks(read_rows(source, LAYOUTS), source, group, workers))


def index_files(patterns: Sequence[str], *, workers: int | None = None) -> pl.DataFrame:
    """:func:`index` of files, folders and glob patterns as the layout ``files`` reads them, each file once.

    Raises:
        SynthscopeError: Nothing at a path, or no images at all.
    """
    for pattern in patterns:
        if not is_url(pattern) and not has_magic(pattern) and not Path(pattern).expanduser().exists():
            raise SynthscopeError(f"Expected a file or folder at {pattern}, got nothing. Check the path.")
    source = f"files:{patterns[0] if len(patterns) == 1 else ''}"
    return pl.concat(_blocks(all_files(map(located, patterns)), source, None, workers))


def index_to(source: str, out: str | Path, *, group: Group = None, workers: int | None = None) -> IndexReport:
    """Write the manifest of a collection to a Parquet file, a block of rows at a time.

    Memory does not grow with the number of images (but with the largest folder). Arguments and errors as
    :func:`index`; nothing is written when it fails.
    """
    from pyarrow.parquet import ParquetWriter

    schema = pl.DataFrame(schema=MANIFEST).to_arrow().schema.with_metadata({VERSION_KEY: str(TABLES_VERSION)})
    counts: Counter[str] = Counter()
    errors: list[tuple[str, str]] = []
    with whole_file(out) as temporary, ParquetWriter(temporary, schema, compression="zstd") as writer:
        for block in _blocks(read_rows(source, LAYOUTS), source, group, workers):
            writer.write_table(block.to_arrow())
            broken = block.filter(pl.col("error").is_not_null())
            errors += broken.select("path", "error").head(_LISTED - len(errors)).rows()
            kinds = {"real": 0, "ai": 1, "unlabelled": None}
            numbers = {kind: int(block["label"].eq_missing(label).sum()) for kind, label in kinds.items()}
            counts.update(rows=block.height, error=broken.height, **numbers)
    numbers = {f"n_{name}": counts[name] for name in ("real", "ai", "unlabelled", "error")}
    return IndexReport(Path(out), counts["rows"], **numbers, errors=tuple(errors))


def _blocks(rows: Iterator[Row], source: str, group: Group, workers: int | None) -> Iterator[pl.DataFrame]:
    from joblib import Parallel, cpu_count, delayed

    count = 0
    cores = workers or cpu_count()
    pool = Parallel(n_jobs=cores, batch_size=1, return_as="generator")
    with Progress("indexing") as progress:
        while block := list(islice(rows, _BLOCK)):
            paths = [row["path"] for row in block]
            if cores == 1 or len(block) < _SERIAL:
                facts = measure_headers(paths)
            else:
                chunks = (paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK))
                with ctrl_c_ignored():  # in the processes that start now
                    measured = pool(delayed(measure_headers)(chunk, granted()) for chunk in chunks)
                facts = [fact for chunk in measured for fact in chunk]
            table = _table(block, facts, source)
            yield group_by_class(table) if group == "class" else table
            count += len(block)
            progress.advance(len(block))
    if not count:
        place = source.partition(":")[2] or "the given paths"
        raise SynthscopeError(f"Expected images under {place}, got none. Check the path and layout.")


def _table(block: list[Row], facts: list[tuple[int | str | None, ...]], source: str) -> pl.DataFrame:
    told = [column for column in MANIFEST if column not in (*FACTS, "source")] + ["error"]
    columns: dict[str, list[Any]] = {column: [row.get(column) for row in block] for column in told}
    if not all(path.isascii() for path in columns["path"]):
        columns = {column: [_utf8(value) for value in values] for column, values in columns.items()}
        spoilt = [row["path"] != path for row, path in zip(block, columns["path"], strict=True)]
        columns["error"] = [_NOT_UTF8 if bad else e for bad, e in zip(spoilt, columns["error"], strict=True)]
    measured = pl.DataFrame(facts, schema={name: MANIFEST[name] for name in FACTS}, orient="row")
    table = pl.DataFrame(columns, strict=False).rename({"error": "misnamed"}).hstack(measured)
    return conform(
        table.with_columns(
            pl.coalesce(pl.col("misnamed").cast(pl.String), "error").alias("error"),
            pl.lit(source).alias("source"),
            pl.col("view").cast(pl.String).fill_null("none"),
        ),
        MANIFEST,
        source,
    )


def _utf8(value: Any) -> Any:
    """File names are bytes, which Python keeps as lone surrogates where they aren't UTF-8; a table cannot."""
    return value.encode(errors="surrogateescape").decode(errors="backslashreplace") if isinstance(value, str) else value
