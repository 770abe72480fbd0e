"""What readers and exchange formats share: text and JSON files, sentences for malformed content, paths of images."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthscope.errors import SynthscopeError
from synthscope.runtime import whole_file

_MAX_BYTES = 2**30


def read_text(path: Path) -> str:
    """A text in UTF-8 or, with a byte order mark, UTF-16; ``OSError`` and ``UnicodeDecodeError`` are the caller's.

    Raises:
        SynthscopeError: A file of more than 2**30 bytes.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise SynthscopeError(f"Expected at most {_MAX_BYTES} bytes in {path}, got more. Split the file.")
    data = path.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8-sig")


def read_json(path: Path) -> Any:
    """A JSON file as :func:`read_text` reads it. Raises ``SynthscopeError`` where it's none."""
    try:
        return json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise SynthscopeError(f"Expected a JSON file at {path}, got: {error}. Check the path.") from error


def write_json(content: Any, path: Path, *, indent: int | None = None) -> None:
    """Write JSON in UTF-8, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=indent), encoding="utf-8")


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


def image_folder(images: str, root: Path) -> Path:
    """The folder that names of images start from: ``images`` if given, else ``root``, or the folder of a file."""
    if images:
        return Path(images).expanduser().absolute()
    return root.parent if root.is_file() else root


def located(folder: Path, name: str) -> str:
    """Absolute POSIX path of a file that a data set names relative to ``folder``.

    >>> located(Path("/data"), "a/b.png"), located(Path("/data"), "/c.png")
    ('/data/a/b.png', '/c.png')
    """
    return (folder / name).as_posix()
