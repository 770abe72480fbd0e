"""Which files below a folder count as images. Links are followed, loops of links are not; the order is that of names.

Hidden files and folders, the systems' own (``Thumbs.db``) and metadata (``.txt``, ``.json`` …) don't count. A file that
has no image suffix is reported as such, not dropped.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from synthscope.errors import SynthscopeError

IMAGE_SUFFIXES = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "avif", "bmp", "dib", "tif", "tiff", "gif"}
    | {"ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "heic", "heif"}
)
METADATA_SUFFIXES = frozenset(
    {"txt", "md", "json", "jsonl", "csv", "tsv", "xml", "yaml", "yml", "parquet", "log", "md5", "sha256"}
)
NOT_AN_IMAGE = "not an image suffix"
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def image_files(folder: Path) -> Iterator[tuple[str, str, str | None]]:
    """Path, stem and what is wrong with the name (or None) of every file below ``folder`` that counts."""
    for path, is_folder in tree(folder):
        if not is_folder and (named := image_name(_name(path))):
            yield path, *named


def image_name(name: str) -> tuple[str, str | None] | None:
    """Stem of a file's name and what is wrong with it (or None); None for metadata, which don't count."""
    stem, dot, suffix = name.rpartition(".")
    suffix = suffix.lower() if dot else ""
    if suffix in METADATA_SUFFIXES:
        return None
    return stem, None if suffix in IMAGE_SUFFIXES else NOT_AN_IMAGE


def subfolders(root: Path) -> list[Path]:
    """The folders directly in ``root``, sorted."""
    return [Path(path) for path, is_folder in _entries(str(root)) if is_folder]


def tree(root: Path, closed: Collection[str] = ()) -> Iterator[tuple[str, bool]]:
    """Path and is-it-a-folder of everything below ``root``, depth first, by name.

    Folders whose lower-case name is in ``closed`` are listed but not entered.

    Raises:
        SynthscopeError: A folder cannot be read.
    """
    top = str(root)
    stack: list[tuple[str, bool, frozenset[tuple[int, int]]]] = [(top, True, frozenset())]
    while stack:
        path, is_folder, above = stack.pop()
        if path != top:
            yield path, is_folder
        if not is_folder or (path != top and _name(path).lower() in closed):
            continue
        status = Path(path).stat()
        identity = (status.st_dev, status.st_ino)
        if identity not in above:  # else a link to a folder above
            inside = above | {identity}
            stack.extend((entry, folder, inside) for entry, folder in reversed(_entries(path)))


def _entries(folder: str) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            shown = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _SYSTEM_FILES]
            return [(entry.path, _is_folder(entry)) for entry in sorted(shown, key=lambda entry: entry.name)]
    except OSError as error:
        raise SynthscopeError(
            f"Expected a readable folder at {folder}, got: {error.strerror}. Check the path and its permissions."
        ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _name(path: str) -> str:
    return path[path.rfind("/") + 1 :]
