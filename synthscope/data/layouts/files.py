"""The layout ``files:``: images of which nothing is known, to be scored or explained: one, a folder, or a pattern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path

from synthscope.data.layouts.source import Row
from synthscope.data.layouts.walk import NOT_AN_IMAGE, image_files, image_name


def files(pattern: Path) -> Iterator[Row]:
    """One file, all images below a folder, or what a pattern matches (``*``, ``?``, ``[0-9]``, ``**``), each file once.

    Nothing is told of them, neither label nor subset nor split.
    """
    return all_files([pattern])


def all_files(patterns: Iterable[Path]) -> Iterator[Row]:
    """:func:`files` of several absolute patterns, each file once, where it first comes."""
    seen: set[str] = set()
    for path, error in (found for pattern in patterns for found in _matching(pattern)):
        if path not in seen:
            seen.add(path)
            yield {"path": path, "error": error}


def _matching(pattern: Path) -> Iterator[tuple[str, str | None]]:
    if pattern.is_file():
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
