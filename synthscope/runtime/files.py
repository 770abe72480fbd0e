"""Files on disk: written whole or not at all, and read; what goes wrong becomes one sentence that names the file."""

from __future__ import annotations

import codecs
import errno
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthscope.errors import SynthscopeError
from synthscope.runtime.locks import MARK, lock, sweep

MAX_TEXT = 2**30  # bytes
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_JSON = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}


def reason(error: BaseException) -> str:
    """What an error says, as one line that can stand in a sentence."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words[:300].rstrip(" .") or type(error).__name__


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn the disk's refusals to write ``path``, or a folder on the way to it, into ``SynthscopeError``."""
    target = Path(path)
    try:
        yield
    except SynthscopeError:
        raise
    except OSError as error:
        if not _concerns(error, target.absolute()):
            raise
        blocker = next((parent for parent in target.parents if parent.exists() and not parent.is_dir()), None)
        said = reason(error).lower() if blocker is None else f"the file {blocker} where a folder must be"
        advice = "Make room and run again." if error.errno in _FULL else "Choose another place to write to."
        raise SynthscopeError(f"Expected to write {target}, got: {said}. {advice}") from error


def _concerns(error: OSError, target: Path) -> bool:
    if error.filename is None:  # a full disk names none
        return True
    named = Path(os.fsdecode(error.filename)).absolute()
    return named == target or named in target.parents or MARK in str(named)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends well, so that no half file is ever seen.

    Raises:
        SynthscopeError: The file cannot be written.
    """
    target = Path(path)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}{MARK}", suffix=target.suffix, dir=target.parent)
        temporary = Path(name)
        try:
            lock(handle)
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(handle)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder that becomes ``path``, which is absent or empty, when the block ends well.

    Raises:
        SynthscopeError: The folder cannot be written.
    """
    target = Path(path)
    with writing(target):
        temporary = target.parent / f".{target.name}{MARK}{uuid.uuid4().hex[:8]}"
        temporary.mkdir(parents=True)
        sweep(target.parent)
        handle = os.open(temporary, os.O_RDONLY)
        try:
            lock(handle)
            yield temporary
            temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any, *, indent: int | None = 2) -> None:
    """Write JSON in UTF-8, whole or not at all."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=indent) + "\n")


def read_text(path: str | Path, *, what: str = "a text file at", advice: str = "Check the file.") -> str:
    """A text in UTF-8 or, with a byte order mark, UTF-16.

    Args:
        path: Of the file.
        what: How the sentence about another file begins.
        advice: How it ends.

    Raises:
        SynthscopeError: No such file, another encoding, or more than 2**30 bytes.
    """
    try:
        if Path(path).stat().st_size > MAX_TEXT:
            raise SynthscopeError(f"Expected at most {MAX_TEXT} bytes in {path}, got more. Split the file.")
        data = Path(path).read_bytes()
        utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise SynthscopeError(f"Expected {what} {path}, got bytes that are not {error.encoding}. {advice}") from error
    except OSError as error:
        raise SynthscopeError(f"Expected {what} {path}, got: {reason(error).lower()}. {advice}") from error


def read_json(path: str | Path, kind: type | None = None, *, advice: str = "Mend or remove the file.") -> Any:
    """What a JSON file holds: an object (``dict``), a ``list`` or, by default, anything.

    Raises:
        SynthscopeError: Absent, damaged or of another kind; ``advice`` ends the sentence.
    """
    text = read_text(path, what="JSON in", advice=advice)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SynthscopeError(f"Expected JSON in {path}, got: {reason(error)}. {advice}") from error
    if kind is not None and not isinstance(content, kind):
        found = _JSON.get(type(content), "a number")
        raise SynthscopeError(f"Expected {_JSON[kind]} as JSON in {path}, got {found}. {advice}")
    return content
