"""Parquet shards of Hugging Face: ``data/{split}-00000-of-00003.parquet``, features in the schema's metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.data.export.names import file_name, safe
from synthscope.data.export.work import COLUMNS, Image, Shard, by_size, write_shards

_GROUP = 100  # images in a row group, of which a reader needs all for one; as ``datasets`` writes
_GROUP_BYTES = 2**26
CLASSES = ["real", "ai"]


def write_hf(table: pl.DataFrame, folder: Path, size: int) -> dict[str, str]:
    """Write the rows of each split in their order; images without a split are in ``data/data-…``.

    Args:
        table: A manifest.
        folder: Empty, absent, or begun by the same export.
        size: Bytes of images in a shard, about.

    Returns:
        Path -> why it could not be read.
    """
    named = table.with_columns(_file=pl.Series([safe(split or "data") for split in table["split"]], dtype=pl.String))
    shards = []
    for (name,), rows in named.partition_by("_file", as_dict=True, include_key=False, maintain_order=True).items():
        pieces = by_size(rows, size)
        shards += [Shard(f"data/{name}-{n:05d}-of-{len(pieces):05d}.parquet", rows) for n, rows in enumerate(pieces)]
    return write_shards(shards, folder, _write, "hf", size)


def _write(path: Path, images: Iterator[Image]) -> None:
    from pyarrow import parquet

    schema = _schema()
    texts = [name for name in COLUMNS if name != "class_index"]
    with path.open("wb") as file, parquet.ParquetWriter(
        file, schema, compression={"image.bytes": "none", **dict.fromkeys(["image.path", "label", *COLUMNS], "zstd")},
        use_dictionary=texts, write_statistics=["label", *COLUMNS], write_batch_size=1,
    ) as writer:  # fmt: skip
        rows: list[dict[str, Any]] = []
        weight = 0
        for image in images:
            rows.append(_cells(image))
            weight += len(image.data)
            if len(rows) == _GROUP or weight >= _GROUP_BYTES:
                _flush(writer, rows)
                weight = 0
        if rows:
            _flush(writer, rows)


def _flush(writer: Any, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa

    writer.write_table(pa.Table.from_pylist(rows, writer.schema))
    rows.clear()


def _cells(image: Image) -> dict[str, Any]:
    name = file_name(image.row["path"], image.row["format"])
    known = {column: image.row[column] for column in ("label", *COLUMNS)}
    return {"image": {"bytes": image.data, "path": name}} | known


def _schema() -> Any:
    """Columns, and what ``datasets`` is told of them."""
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kinds = {name: "int32" if name == "class_index" else "string" for name in COLUMNS}
    features: dict[str, Any] = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}
    features |= {name: {"dtype": kind, "_type": "Value"} for name, kind in kinds.items()}
    columns = [("image", image), ("label", pa.int64()), *((name, getattr(pa, kind)()) for name, kind in kinds.items())]
    return pa.schema(columns, {"huggingface": json.dumps({"info": {"features": features}})})
