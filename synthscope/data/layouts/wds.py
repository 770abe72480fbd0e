"""The layout ``wds:``: images inside WebDataset's shards, plain tar files, of which nothing is unpacked.

A sample is what consecutive members of one name up to the first dot of the last part say together: ``ai/7.jpg``,
``ai/7.cls``, ``ai/7.json``. The label is in ``.cls`` (0, 1, real, ai …), else under ``label`` in ``.json``, else the
name of the nearest folder that says it (then the folders above are split and subset, as in ``genimage:``); nobody knows
it where none of them does. ``.json`` may hold the columns of ``tables.EXTRAS``, too.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator
from glob import glob, has_magic
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from synthscope.data.bombs import Refused
from synthscope.data.layouts.folders import SPLITS, subset_of
from synthscope.data.layouts.source import Row
from synthscope.data.layouts.tables import EXTRAS, LABELS, read_label
from synthscope.data.layouts.walk import IMAGE_SUFFIXES
from synthscope.data.remote.place import is_url, member
from synthscope.data.remote.reading import list_elsewhere, open_elsewhere
from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime.files import reason

MOST_SHARDS = 100_000
MOST_MEMBERS = 100  # of a sample; more are left out
MOST_TOLD = 2**16  # bytes of a .cls or .json
_MOST_HEADER = 2**20  # bytes of long names and the like before one member
_AHEAD = 2**22  # bytes of a shard that are read at once: headers lie between images
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")


class Member(NamedTuple):
    """A file in a shard."""

    name: str
    start: int
    size: int
    regular: bool
    told: bytes  # content of a .cls or .json

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]

    @property
    def sample(self) -> str:
        return f"{self.folder}/{self.name.rpartition('/')[2].partition('.')[0]}"

    @property
    def suffix(self) -> str:
        """What follows the first dot, so that ``7.mask.png`` is no image of the sample."""
        return self.name.rpartition("/")[2].partition(".")[2].lower()


def wds(pattern: Path | str) -> Iterator[Row]:
    """Rows of all images in a shard, in the shards of a folder, or in those that a pattern means.

    Patterns are ``{000..012}``, on this machine also ``*`` and ``?``. A shard that cannot be read, or be read to its
    end, is a row with an error after what could be read.

    Raises:
        UsageError: A sample without a label that can be understood, or a pattern of too many shards.
        SynthscopeError: No shards.
    """
    for shard in find_shards(pattern):
        sample: list[Member] = []
        for one in _members(shard):
            if sample and (isinstance(one, str) or one.sample != sample[0].sample):
                yield from _rows(shard, sample)
                sample = []
            if isinstance(one, str):
                yield {"path": shard, "error": f"a shard that cannot be read to its end: {one}"}
            elif len(sample) < MOST_MEMBERS:
                sample.append(one)
        if sample:
            yield from _rows(shard, sample)


def find_shards(pattern: Path | str) -> list[str]:
    """Paths or URLs of the shards that a pattern means, sorted but for those of ``{…}``.

    >>> find_shards("s3://bucket/{08..10}.tar")
    ['s3://bucket/08.tar', 's3://bucket/09.tar', 's3://bucket/10.tar']
    """
    if _RANGE.search(str(pattern)):
        return _expand(str(pattern))
    if is_url(pattern):
        text = str(pattern)
        found = [text] if _is_shard(text) else list(filter(_is_shard, _listed(text)))
    else:
        text, path = str(pattern), Path(pattern)
        inside = [one for one in path.rglob("*.tar") if one.name[0] != "."] if path.is_dir() else None
        named = glob(text, recursive=True) if has_magic(text) else [text]  # noqa: PTH207  (it is absolute)
        found = sorted(map(str, named if inside is None else inside))
    if not found:
        raise SynthscopeError(f"Expected shards (.tar) at {pattern}, got none. Check the path.")
    return found


def _expand(pattern: str) -> list[str]:
    match = _RANGE.search(pattern)
    if match is None:
        return [pattern]
    first, last = int(match[1]), int(match[2])
    if not 0 <= last - first < MOST_SHARDS:
        raise UsageError(f"Expected up to {MOST_SHARDS} shards, counted upwards, got {match[0]}. Correct the numbers.")
    numbers = (f"{number:0{len(match[1])}}" for number in range(first, last + 1))
    shards = [shard for n in numbers for shard in _expand(pattern[: match.start()] + n + pattern[match.end() :])]
    if len(shards) > MOST_SHARDS:
        raise UsageError(f"Expected up to {MOST_SHARDS} shards, got more for {pattern}. Name fewer at a time.")
    return shards


def _is_shard(path: str) -> bool:
    return path.partition("?")[0].lower().endswith(".tar")


def _listed(url: str) -> list[str]:
    try:
        return list_elsewhere(url)
    except Refused as error:
        raise SynthscopeError(f"Expected shards at {url}, got: {error}. {error.advice}") from error


class _Capped:
    """A shard as ``tarfile`` sees it, which would read headers of any size into memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > _MOST_HEADER:
            raise Refused(f"a header of {size} bytes")
        return self._file.read(size)


def _members(shard: str) -> Iterator[Member | str]:
    """The members of a shard and, where it cannot be read to its end, why."""
    try:
        with open_elsewhere(shard, _AHEAD) as file:
            yield from _headers(file)
    except (Refused, OSError, tarfile.TarError, ValueError) as error:
        yield reason(error)


def _headers(file: BinaryIO) -> Iterator[Member]:
    end, at = file.seek(0, os.SEEK_END), -1
    file.seek(0)
    with tarfile.open(fileobj=_Capped(file), mode="r:", errors="backslashreplace") as archive:  # type: ignore[call-overload]
        while (found := archive.next()) is not None:
            archive.members = []  # else it keeps them all
            start, size = found.offset_data, found.size
            if found.offset <= at or size < 0 or start + size > end:
                raise Refused(f"a member {found.name!r} that reaches out of the shard")
            at = found.offset
            if found.isdir():
                continue
            regular = found.isreg() and not found.issparse()
            told = b""
            if regular and found.name.lower().endswith((".cls", ".json")) and size <= MOST_TOLD:
                file.seek(start)
                told = file.read(size)
            yield Member(found.name, start, size if regular else 0, regular, told)
        file.seek(archive.offset)
        if file.read(512).strip(b"\0"):  # where tarfile takes anything for the end
            raise Refused(f"no header at byte {archive.offset}")


def _rows(shard: str, members: list[Member]) -> Iterator[Row]:
    told = {one.suffix: one.told for one in members if one.told}
    for one in members:
        if one.suffix in IMAGE_SUFFIXES:
            path = member(shard, one.start, one.size, one.name)
            error = None if one.regular else "a link or another thing that is not a regular file"
            yield {"path": path, "error": error} | _facts(shard, one, told)


def _facts(shard: str, one: Member, told: dict[str, bytes]) -> Row:
    place = f"sample {one.sample.lstrip('/')} of {shard}"
    said = _json(told["json"], place) if "json" in told else {}
    folders = one.folder.split("/")
    says = next((n for n in reversed(range(len(folders))) if folders[n].lower() in LABELS), None)
    given: Any = folders[says] if says is not None else None
    given = told["cls"].decode(errors="backslashreplace") if "cls" in told else said.get("label", given)
    row = {name: said[name] for name in EXTRAS if isinstance(said.get(name), int if name == "class_index" else str)}
    if given is None:
        return row
    label = read_label(given, "label", place)
    above = folders[: says or 0]
    split = SPLITS.get(above[-1].lower()) if above else None
    above = above[:-1] if split else above
    named = subset_of(above, 0) if above else None
    generator = "real" if label == 0 else row.get("generator") or named
    subset = row.get("subset") or named or (generator if label else None)
    return {"split": split} | row | {"label": label, "generator": generator or subset, "subset": subset}


def _json(data: bytes, place: str) -> dict[str, Any]:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SynthscopeError(f"Expected JSON in {place}, got: {reason(error)}. Write the shard anew.") from error
    return said if isinstance(said, dict) else {}
