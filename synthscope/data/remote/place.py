"""Where an image lies: ``s3://``, ``gs://``, ``hf://``, ``https://`` or ``http://``, and inside a file of many images.

A member of a tar shard or an Arrow file is written ``SHARD.tar#OFFSET+BYTES/MEMBER``, with the shard's path or URL;
nothing but these bytes is read for it. Parquet files compress theirs: ``FILE.parquet#GROUP.ROW.COLUMN/NAME`` is a row
of a row group. What the name behind the slash says is for people.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

SCHEMES = ("s3", "gs", "hf", "https", "http")
_URL = re.compile(rf"({'|'.join(SCHEMES)})://", re.IGNORECASE)
_MEMBER = re.compile(r"(.+?\.(?:tar|arrow)(?:\?[^#]*)?)#(\d{1,15})\+(\d{1,15})(?:/.*)?", re.DOTALL | re.IGNORECASE)
_CELL = re.compile(r"(.+?\.parquet(?:\?[^#]*)?)#(\d{1,9})\.(\d{1,9})\.([^/]+)(?:/.*)?", re.DOTALL | re.IGNORECASE)


class Place(NamedTuple):
    """A path or URL, and which of its bytes."""

    file: str
    start: int = 0
    size: int | None = None  # None = to the end


class Cell(NamedTuple):
    """A row of a Parquet file's row group, and the column of its image."""

    file: str
    group: int
    row: int
    column: str


def is_url(text: str | Path) -> bool:
    """Whether this names something on another machine.

    >>> is_url("s3://bucket/a.jpg"), is_url("/data/a.jpg"), is_url("file:///etc/passwd")
    (True, False, False)
    """
    return isinstance(text, str) and _URL.match(text) is not None


def is_elsewhere(path: str | Path) -> bool:
    """Whether this is a URL or lies in a file of many images."""
    text = str(path)
    return is_url(path) or ("#" in text and bool(_MEMBER.fullmatch(text) or _CELL.fullmatch(text)))


def parse_place(path: str | Path) -> Place:
    """Take a path or URL apart.

    >>> parse_place("/data/000.tar#512+1234/ai/7.jpg")
    Place(file='/data/000.tar', start=512, size=1234)
    """
    match = _MEMBER.fullmatch(str(path))
    return Place(match[1], int(match[2]), int(match[3])) if match else Place(str(path))


def member(shard: str, start: int, size: int, name: str) -> str:
    """How a member of a shard is written.

    >>> member("s3://bucket/000.tar", 512, 1234, "ai/7.jpg")
    's3://bucket/000.tar#512+1234/ai/7.jpg'
    """
    return f"{shard}#{start}+{size}/{name}"


def cell(file: str, group: int, row: int, column: str, name: str) -> str:
    """How an image in a Parquet file is written.

    >>> cell("/data/0.parquet", 3, 17, "image", "7.jpg")
    '/data/0.parquet#3.17.image/7.jpg'
    """
    return f"{file}#{group}.{row}.{quote(column, safe='')}/{name}"


def parse_cell(path: str | Path) -> Cell | None:
    """Take what :func:`cell` wrote apart; None for anything else.

    >>> parse_cell("/data/0.parquet#3.17.image/7.jpg")
    Cell(file='/data/0.parquet', group=3, row=17, column='image')
    """
    match = _CELL.fullmatch(str(path))
    return Cell(match[1], int(match[2]), int(match[3]), unquote(match[4])) if match else None
