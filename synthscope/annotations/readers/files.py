"""What readers of files share: JSON of unknown encoding, sentences for malformed content, pairs of images and masks."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthscope.data.layouts.walk import IMAGE_SUFFIXES
from synthscope.errors import SynthscopeError

_MAX_BYTES = 2**30


def read_json(path: Path) -> Any:
    """A JSON file in UTF-8 or, with a byte order mark, UTF-16."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise SynthscopeError(f"Expected at most {_MAX_BYTES} bytes in {path}, got more. Split the file.")
        data = path.read_bytes()
        utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return json.loads(data.decode("utf-16" if utf16 else "utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise SynthscopeError(f"Expected a JSON file at {path}, got: {error}. Check the path.") from error


@contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Turn what malformed content raises (a missing key, a text for a number …) into a sentence naming the file."""
    try:
        yield
    except SynthscopeError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SynthscopeError(
            f"Expected {what} in {path}, got something else ({type(error).__name__}: {error}). Check the file."
        ) from error


def located(folder: Path, name: str) -> str:
    """Absolute POSIX path of a file that a data set names relative to ``folder``.

    >>> located(Path("/data"), "a/b.png"), located(Path("/data"), "/c.png")
    ('/data/a/b.png', '/c.png')
    """
    return (folder / name).as_posix()


def images_in(folder: Path) -> list[Path]:
    """Image files directly in ``folder``, by name."""
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in files if path.suffix.lower().removeprefix(".") in IMAGE_SUFFIXES)


def sibling_folders(root: Path, *names: str) -> list[tuple[Path, ...]]:
    """Every set of folders called ``names`` side by side in or below ``root``, by path."""
    firsts = sorted(path for path in [root / names[0], *root.rglob(names[0])] if path.is_dir())
    found = [tuple(first.parent / name for name in names) for first in dict.fromkeys(firsts)]
    complete = [folders for folders in found if all(folder.is_dir() for folder in folders)]
    if not complete:
        raise SynthscopeError(
            f"Expected folders {' and '.join(names)} side by side in {root}, got none. Check the path."
        )
    return complete
