"""Images in the rows of Parquet files, read in place.

Nothing less than a row group's column can be read: the library ``datasets`` writes 100 images into one, compressed as
a whole. The last ones are kept, so that images in order cost little more than files; one image out of order costs its
row group, and ``data export`` writes files for that.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

from synthscope.data.bombs import Refused
from synthscope.data.remote.place import Cell
from synthscope.runtime.files import reason

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

MOST_FOOTER = 2**26  # bytes of a Parquet file's description of itself
MOST_GROUP = 2**30  # bytes of the images in a row group
KEPT = 2**29  # bytes of images that are kept
_MOST_NAMES = 2**20  # columns and row groups that a footer may speak of
_Key = tuple[Cell, int, int]

_lock = Lock()  # also while a row group is read: threads read images in order, and all wait for the same one
_groups: OrderedDict[_Key, list[bytes | None]] = OrderedDict()


def read_cell(place: Cell, opened: Callable[[], BinaryIO]) -> bytes:
    """The bytes of an image.

    Args:
        place: Which row.
        opened: Opens its file.

    Raises:
        Refused: No such row, none of its bytes, another type of column, a damaged file, or one beyond the limits.
    """
    with _lock:
        group = _kept(place, opened)
    data = group[place.row] if place.row < len(group) else None
    if data is None:
        raise Refused("no bytes of an image in this row")
    return data


def _kept(place: Cell, opened: Callable[[], BinaryIO]) -> list[bytes | None]:
    key = (place._replace(row=0), *_state(place.file))
    if key not in _groups:
        _groups[key] = _read(place, opened)
        while len(_groups) > 1 and sum(len(data or b"") for group in _groups.values() for data in group) > KEPT:
            _groups.popitem(last=False)
    _groups.move_to_end(key)
    return _groups[key]


def _state(file: str) -> tuple[int, int]:
    """What changes when a file is written anew; URLs of the hub name a commit."""
    with suppress(OSError):
        status = os.stat(file)  # noqa: PTH116  (as in data.images)
        return status.st_mtime_ns, status.st_size
    return 0, 0


def _read(place: Cell, opened: Callable[[], BinaryIO]) -> list[bytes | None]:
    import pyarrow as pa

    images: list[bytes | None] = []
    size = 0
    try:
        with opened() as raw, parquet_file(raw) as file:
            told = file.metadata.row_group(place.group) if place.group < file.num_row_groups else None
            if told is None or place.column not in file.schema_arrow.names:
                raise Refused("no such row group or column")
            field = file.schema_arrow.field(place.column).type
            column = f"{place.column}.bytes" if pa.types.is_struct(field) else place.column
            # a row at a time: a dictionary may repeat one large value for every row
            for batch in file.iter_batches(1, row_groups=[place.group], columns=[column], use_threads=False):
                size += batch.nbytes
                if size > MOST_GROUP:
                    raise Refused(f"a row group of more than {MOST_GROUP} bytes")
                value = batch.column(0)[0].as_py()
                value = value.get("bytes") if isinstance(value, dict) else value
                images.append(value if isinstance(value, bytes) else None)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Refused(f"a Parquet file that cannot be read: {reason(error)}") from error
    return images


def parquet_file(raw: BinaryIO, **options: object) -> ParquetFile:
    """Open a Parquet file whose footer is of a reasonable size.

    Raises:
        Refused: No Parquet file, or a footer beyond the limits; ``pyarrow`` raises of other damage.
    """
    from pyarrow import parquet

    size = raw.seek(0, os.SEEK_END)
    raw.seek(max(size - 8, 0))
    tail = raw.read(8)
    footer = int.from_bytes(tail[:4], "little")
    if len(tail) < 8 or tail[4:] != b"PAR1" or footer + 12 > size:
        raise Refused("something that is no whole Parquet file")
    if footer > MOST_FOOTER:
        raise Refused(f"a Parquet file whose footer has {footer} bytes, more than {MOST_FOOTER}")
    raw.seek(0)
    limits = {"thrift_string_size_limit": MOST_FOOTER, "thrift_container_size_limit": _MOST_NAMES}
    return parquet.ParquetFile(raw, pre_buffer=False, buffer_size=2**20, **limits, **options)
