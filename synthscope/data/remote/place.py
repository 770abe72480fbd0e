"""Where an image lies: ``s3://``, ``gs://``, ``hf://``, ``https://`` or ``http://``, and bytes inside a tar shard.

A member of a shard is written ``SHARD.tar#OFFSET+BYTES/MEMBER``, with the shard's path or URL; nothing but these bytes
is read for it, and what its name says is for people.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

SCHEMES = ("s3", "gs", "hf", "https", "http")
_URL = re.compile(rf"({'|'.join(SCHEMES)})://", re.IGNORECASE)
_MEMBER = re.compile(r"(.+?\.tar(?:\?[^#]*)?)#(\d{1,15})\+(\d{1,15})(?:/.*)?", re.DOTALL | re.IGNORECASE)


class Place(NamedTuple):
    """A path or URL, and which of its bytes."""

    file: str
    start: int = 0
    size: int | None = None  # None = to the end


def is_url(text: str | Path) -> bool:
    """Whether this names something on another machine.

    >>> is_url("s3://bucket/a.jpg"), is_url("/data/a.jpg"), is_url("file:///etc/passwd")
    (True, False, False)
    """
    return isinstance(text, str) and _URL.match(text) is not None


def is_elsewhere(path: str | Path) -> bool:
    """Whether this is a URL or lies in a shard."""
    return is_url(path) or (".tar" in str(path) and _MEMBER.fullmatch(str(path)) is not None)


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
