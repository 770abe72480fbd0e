"""Open what :mod:`~synthscope.data.remote.place` names as a file: a range of bytes at a time, with patience."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, cast

from synthscope.data.bombs import Refused
from synthscope.data.remote import permission
from synthscope.data.remote.cells import read_cell
from synthscope.data.remote.patience import patiently
from synthscope.data.remote.place import is_url, parse_cell, parse_place
from synthscope.data.remote.stores import Source, arrow, arrow_files, hub, hub_files, local
from synthscope.data.remote.web import web

STORES: dict[str, Callable[[str], Source]] = {"s3": arrow, "gs": arrow, "hf": hub, "https": web, "http": web}
LISTINGS: dict[str, Callable[[str], list[str]]] = {"s3": arrow_files, "gs": arrow_files, "hf": hub_files}
BUFFER = 2**16  # bytes read at once: enough for most headers
AHEAD = 2**20  # of a Parquet file


def open_elsewhere(path: str, buffer: int = BUFFER) -> BinaryIO:
    """A file of another machine, or one inside a file of many images, to be read and sought in.

    Args:
        path: See :mod:`~synthscope.data.remote.place`.
        buffer: Bytes that are fetched at once, at least.

    Raises:
        Refused: Nobody asked for this URL, it is not there, or it did not answer (see ``patiently``); so do reads.
    """
    if (row := parse_cell(path)) is not None:
        return io.BytesIO(read_cell(row, partial(open_elsewhere, row.file, AHEAD)))
    place = parse_place(path)
    if is_url(place.file):
        permission.check(place.file)
    opener = STORES[_scheme(place.file)] if is_url(place.file) else local
    source = patiently(partial(opener, place.file))
    size = source.size if place.size is None else place.size
    if place.start + size > source.size:
        raise Refused(f"a place behind the end of a shard of {source.size} bytes")
    return cast(BinaryIO, io.BufferedReader(_Ranges(source, place.start, size), buffer))


def list_elsewhere(url: str) -> list[str]:
    """URLs of all files below a folder of an object store, sorted, or of the one file that ``url`` names.

    Raises:
        Refused: As :func:`open_elsewhere`.
    """
    permission.check(url)
    if (listing := LISTINGS.get(_scheme(url))) is None:
        return [url]
    return patiently(partial(listing, url))


class _Ranges(io.RawIOBase):
    """Some bytes of a source as a file of their own."""

    def __init__(self, source: Source, start: int, size: int) -> None:
        self._source, self._start, self._size, self._at = source, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._fetch(min(len(buffer), self._size - self._at))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self._fetch(self._size - self._at)

    def _fetch(self, count: int) -> bytes:
        if count <= 0:
            return b""

        def fetch() -> bytes:
            data = self._source.read(self._start + self._at, count)
            if len(data) != count:
                raise ConnectionError(f"connection lost after {len(data)} of {count} bytes")
            return data

        data = patiently(fetch)
        self._at += len(data)
        return data


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()
