"""The layout ``files:``: images of which nothing is known, to be scored or explained: one, a folder, or a pattern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path

from synthscope.data.bombs import Refused
from synthscope.data.layouts.source import Row
from synthscope.data.layouts.walk import NOT_AN_IMAGE, image_files, image_name
from synthscope.data.remote.reading import list_elsewhere
from synthscope.errors import SynthscopeError


def files(pattern: Path | str) -> Iterator[Row]:
    """One file, all images below a folder, or what a pattern matches (``*``, ``?``, ``[0-9]``, ``**``), each file once.

    Of a URL one file or, in an object store, all images below a folder. Nothing is told of them, neither label nor
    subset nor split.
    """
    return all_files([pattern])


def all_files(patterns: Iterable[Path | str]) -> Iterator[Row]:
    """:func:`files` of several absolute patterns or URLs, each file once, where it first comes."""
    seen: set[str] = set()
    for path, error in (found for pattern in patterns for found in _matching(pattern)):
        if path not in seen:
            seen.add(path)
            yield {"path": path, "error": error}


def _matching(pattern: Path | str) -> Iterator[tuple[str, str | None]]:
    if isinstance(pattern, str):
        yield from _behind(pattern)
    elif pattern.is_file():
        yield str(pattern), (image_name(pattern.name) or ("", NOT_AN_IMAGE))[1]
    elif pattern.is_dir():
        yield from _below(pattern)
    else:
        for match in sorted(glob(str(pattern), recursive=True)):  # noqa: PTH207  (pattern is absolute)
            yield from _below(Path(match))


def _below(match: Path) -> Iterator[tuple[str, str | None]]:
    if match.is_dir():
        yield from ((path, error) for path, _, error in image_files(match))
    elif named := image_name(match.name):
        yield str(match), named[1]


def _behind(url: str) -> Iterator[tuple[str, str | None]]:
    try:
        found = list_elsewhere(url)
    except Refused as error:
        raise SynthscopeError(f"Expected images at {url}, got: {error}. {error.advice}") from error
    for path in found:
        name = path.partition("?")[0].rpartition("/")[2]
        if path == url:
            yield path, None  # URLs of servers need no suffix
        elif named := image_name(name):
            yield path, named[1]
