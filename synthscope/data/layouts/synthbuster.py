"""The layout ``synthbuster:``: nine folders of generated PNG files (Bammey, 2023); its photographs are RAISE-1k."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from synthscope.data.layouts.folders import Row, named_row
from synthscope.data.layouts.walk import image_files, subfolders
from synthscope.errors import SynthscopeError

_RAISE = re.compile(r"r[0-9a-f]{8}t")


def synthbuster(root: Path, *, real: str = "") -> Iterator[Row]:
    """``{generator}/*.png``, then the photographs, which belong to every subset.

    Files are named as the photographs that their prompts describe (``r000da54ft``): those of one name are a ``group``.

    Args:
        root: The folder with a folder for each generator.
        real: Folder of the photographs, which are published elsewhere (RAISE-1k); default none.

    Raises:
        SynthscopeError: No folders, or no folder at ``real``.
    """
    photographs = Path(real).expanduser().absolute() if real else None
    if photographs is not None and not photographs.is_dir():
        raise SynthscopeError(f"Expected a folder of photographs at {photographs}, got none. Check real=DIR.")
    folders = [folder for folder in subfolders(root) if folder != photographs]
    if not folders:
        raise SynthscopeError(f"Expected Synthbuster's folders, one a generator, in {root}, got none. Check the path.")
    for folder in folders:
        yield from _rows(folder, 1, folder.name)
    if photographs is not None:
        yield from _rows(photographs, 0, None)


def _rows(folder: Path, label: int, subset: str | None) -> Iterator[Row]:
    for path, stem, error in image_files(folder):
        group = stem if _RAISE.fullmatch(stem) else None
        yield named_row(path, label, subset, None) | {"group": group, "error": error}
