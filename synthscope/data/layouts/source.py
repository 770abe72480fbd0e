"""``"<name>:<path>[?key=value&…]"``: a reader from a registry, and what it is to read."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from synthscope.data.remote.place import is_url
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.registry import Registry

Row = dict[str, Any]
Readers = Registry[Callable[..., Iterator[Row]]]


def parse_source(source: str, readers: Readers) -> tuple[str, Path | str, dict[str, str]]:
    """Name, root (see :func:`located`) and options of ``"<name>:<path>[?key=value&…]"``; nothing is opened.

    What follows the question mark of a URL belongs to the URL. A URL without a name is what ``files`` reads.

    Raises:
        UsageError: No name before a colon.
        SynthscopeError: Nothing after it.
    """
    name, colon, rest = source.partition(":") if not is_url(source) else ("files", ":", source)
    if is_url(rest):
        return name, rest, {}
    if not colon:
        kind = _kind(readers)
        raise UsageError(
            f"Expected {kind.upper()}:PATH, got {source!r} without a {kind}. Put one before the path: "
            f"{', '.join(readers)}."
        )
    path, mark, query = rest.rpartition("?")
    if not mark or "=" not in query:
        path, query = rest, ""
    if not path:
        raise SynthscopeError(f"Expected a folder or file at '', got nothing. Check the path in {source!r}.")
    options = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
    return name, absolute(path), options


def absolute(path: str) -> Path:
    """A path as the user typed it, from the root; links keep their names."""
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100  (resolve() would rename linked folders)


def located(path: str) -> Path | str:
    """:func:`absolute`; a URL as it is."""
    return path if is_url(path) else absolute(path)


def read_rows(source: str, readers: Readers) -> Iterator[Row]:
    """What the reader that ``source`` names yields.

    Raises:
        UsageError: Unknown reader or option.
        SynthscopeError: Nothing at the path, or a file that is not what its name says.
    """
    name, root, options = parse_source(source, readers)
    read = readers[name]
    first, *known = inspect.signature(read).parameters
    for key in options:
        if key not in known:
            advice = suggest(key, known) if known else "It takes none."
            raise UsageError(f"Expected options of {_kind(readers)} {name} in {source!r}, got {key!r}. {advice}")
    if isinstance(root, str) and first != "pattern":
        raise UsageError(
            f"Expected a folder or file of this machine for the {_kind(readers)} {name}, got {root}. List the images "
            "in a table for csv:, or read them by files: or wds:."
        )
    if isinstance(root, Path) and first != "pattern" and not root.exists():
        raise SynthscopeError(f"Expected a folder or file at {str(root)!r}, got nothing. Check the path in {source!r}.")
    return read(root, **options)


def _kind(readers: Readers) -> str:
    """What users call a reader: layout, format."""
    return readers.kind.split()[-1]
