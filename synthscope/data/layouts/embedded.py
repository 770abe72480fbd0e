"""Images in the rows of Parquet and Arrow files: where each lies, and what the columns beside it say.

Nothing is unpacked. Arrow files of this machine hold the bytes as they are; of Parquet files see ``data.remote.cells``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthscope.data.bombs import Refused
from synthscope.data.layouts.source import Row
from synthscope.data.remote.cells import parquet_file
from synthscope.data.remote.place import cell, is_url, member
from synthscope.data.remote.reading import AHEAD, open_elsewhere
from synthscope.errors import SynthscopeError
from synthscope.runtime.files import reason

if TYPE_CHECKING:
    import pyarrow as pa

MOST_TEXT = 2**16  # bytes of a cell that is not an image
MOST_ROWS = 10**8  # of a file
_BATCH = 1024


def schema_of(file: str) -> pa.Schema:
    """Columns and metadata of a Parquet or Arrow file.

    Raises:
        SynthscopeError: Neither of the two, or one beyond the limits.
    """
    import pyarrow as pa

    try:
        if file.lower().endswith(".arrow"):
            with pa.memory_map(file) as mapped:
                return _reader(mapped).schema
        with open_elsewhere(file, AHEAD) as raw, parquet_file(raw) as parquet:
            return parquet.schema_arrow
    except (Refused, OSError, pa.ArrowException) as error:
        raise _unreadable(file, error) from error


def features(schema: pa.Schema) -> dict[str, Any]:
    """What the library ``datasets`` has written of the columns: name -> ``{"_type": "Image"}`` and so on."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        found = told["info"]["features"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return {}
    return {name: one for name, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def embedded(file: str, image: str, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Number of every row, from 1, its ``path`` (to be read by ``data.images``), and what its ``columns`` hold.

    Args:
        file: Path or URL of a Parquet file, or path of an Arrow file (``.arrow``).
        image: Column of the bytes, or of ``{"bytes", "path"}``.
        columns: Others to read, of numbers, truth values and texts.

    Raises:
        SynthscopeError: Another type of column, a text beyond ``MOST_TEXT``, or a file that cannot be read to its end.
    """
    import pyarrow as pa

    schema = schema_of(file)
    _check_types(schema, image, columns, file)
    arrow = file.lower().endswith(".arrow")
    try:
        rows = _arrow(file, image, columns) if arrow else _parquet(file, image, columns, schema)
        yield from enumerate(rows, start=1)
    except (Refused, OSError, pa.ArrowException) as error:
        raise _unreadable(file, error) from error


def _check_types(schema: pa.Schema, image: str, columns: Sequence[str], file: str) -> None:
    from pyarrow import types

    kind = schema.field(image).type
    inner = kind.field("bytes").type if types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    if not (types.is_binary(inner) or types.is_large_binary(inner)):
        raise SynthscopeError(f"Expected the bytes of images in column {image!r} of {file}, got {kind}. Name another.")
    for name in columns:
        kind = schema.field(name).type
        scalar = types.is_integer(kind) or types.is_boolean(kind) or types.is_floating(kind) or types.is_null(kind)
        if not (scalar or types.is_string(kind) or types.is_large_string(kind)):
            raise SynthscopeError(f"Expected texts or numbers in column {name!r} of {file}, got {kind}. Name another.")


def _parquet(file: str, image: str, columns: Sequence[str], schema: pa.Schema) -> Iterator[Row]:
    named = _has_path(schema.field(image).type)
    wanted = [*columns, *([f"{image}.path"] if named else [])]
    texts = [name for name in wanted if name.endswith(".path") or str(schema.field(name).type).endswith("string")]
    # texts come as dictionaries: one large text for all rows stays one
    with open_elsewhere(file, AHEAD) as raw, parquet_file(raw, read_dictionary=texts) as parquet:
        if parquet.metadata.num_rows > MOST_ROWS:
            raise Refused(f"{parquet.metadata.num_rows} rows, more than {MOST_ROWS}")
        for group in range(parquet.num_row_groups):
            if not wanted:
                for row in range(parquet.metadata.row_group(group).num_rows):
                    yield {"path": cell(file, group, row, image, "")}
            row = 0
            for batch in parquet.iter_batches(_BATCH, row_groups=[group], columns=wanted) if wanted else ():
                for values in _checked(batch).to_pylist():
                    name = (values.pop(image, None) or {}).get("path") or ""
                    yield values | {"path": cell(file, group, row, image, name)}
                    row += 1


def _has_path(kind: pa.DataType) -> bool:
    from pyarrow import types

    if not types.is_struct(kind) or kind.get_field_index("path") < 0:
        return False
    return types.is_string(kind.field("path").type) or types.is_large_string(kind.field("path").type)


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, of which every text is short."""
    import pyarrow as pa
    from pyarrow import compute, types

    batch.validate(full=True)
    for column in batch.columns:
        kind = column.type
        inner = types.is_struct(kind) and kind.get_field_index("path") >= 0
        values = column.field("path") if inner else column
        values = values.dictionary if isinstance(values, pa.DictionaryArray) else values
        longest = compute.max(compute.binary_length(values)).as_py() if str(values.type).endswith("string") else 0
        if (longest or 0) > MOST_TEXT:
            raise Refused(f"a text of more than {MOST_TEXT} bytes")
    return batch


def _arrow(file: str, image: str, columns: Sequence[str]) -> Iterator[Row]:
    """A place is the distance of a value's bytes from where the file begins in memory."""
    import pyarrow as pa
    from pyarrow import compute, types

    with pa.memory_map(file) as mapped:
        size = mapped.size()
        begin = mapped.read_buffer(size).address
        for batch in _record_batches(mapped):
            checked = _checked(batch.select([image, *columns]))
            column = checked.column(0)
            struct = types.is_struct(column.type)
            data = column.field("bytes") if struct else column
            paths = column.field("path").to_pylist() if _has_path(column.type) else [None] * len(data)
            values = data.buffers()[2]
            start = values.address - begin if values is not None and values.size else 0
            if not 0 <= start <= size:
                raise Refused("compressed columns, which cannot be read in place: write the file as Parquet")
            there = compute.and_(column.is_valid(), data.is_valid()).to_pylist()
            ends = _offsets(data) if len(data) else []
            beside = checked.select(list(columns)).to_pylist() if columns else [{}] * len(data)
            for row, (told, path) in enumerate(zip(beside, paths, strict=True)):
                if there[row] or not path or is_url(path):
                    place = member(file, start + ends[row], ends[row + 1] - ends[row], path or "")
                else:
                    place = str(Path(file).parent / path)  # the bytes were left in a file of their own
                yield told | {"path": place}


def _reader(mapped: pa.MemoryMappedFile) -> Any:
    """Of either of Arrow's two formats."""
    import pyarrow as pa

    mapped.seek(0)
    head = mapped.read(6)
    mapped.seek(0)
    return pa.ipc.open_file(mapped) if head == b"ARROW1" else pa.ipc.open_stream(mapped)


def _record_batches(mapped: pa.MemoryMappedFile) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    reader = _reader(mapped)
    if isinstance(reader, pa.RecordBatchFileReader):
        yield from map(reader.get_batch, range(reader.num_record_batches))
    else:
        yield from reader


def _offsets(data: pa.Array) -> list[int]:
    import numpy as np
    import pyarrow as pa

    width = np.int64 if pa.types.is_large_binary(data.type) else np.int32
    return np.frombuffer(data.buffers()[1], width)[data.offset : data.offset + len(data) + 1].tolist()  # type: ignore[no-any-return]


def _unreadable(file: str, error: Exception) -> SynthscopeError:
    said = reason(error) if str(error) else "no rows"
    advice = error.advice if isinstance(error, Refused) else "Fetch or write it anew."
    return SynthscopeError(f"Expected a Parquet or Arrow file with images at {file}, got: {said}. {advice}")
