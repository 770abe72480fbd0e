"""The layout ``mnw:``: the images of the Microsoft-Northwestern-Witness benchmark (``github.com/microsoft/MNW``)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from synthscope.data.layouts.folders import Row, named_row
from synthscope.data.layouts.walk import image_files, subfolders
from synthscope.errors import SynthscopeError

TERMS = "MNW is for evaluation alone, say its terms: not for training, nor for commercial use. All its rows are test."


def mnw(root: Path) -> Iterator[Row]:
    """``[AI_Images/]{generator}/*.jpg``: every image is AI, its folder the generator, its split ``test``.

    Prints ``TERMS`` to stderr. There are no photographs beside them, and audio and video are not read. Files that Git
    LFS has not fetched are rows with an error.

    Raises:
        SynthscopeError: No folders.
    """
    home = root / "AI_Images"
    home = home if home.is_dir() else root
    folders = subfolders(home)
    if not folders:
        raise SynthscopeError(f"Expected MNW's folders, one a generator, in {home}, got none. Check the path.")
    print(TERMS, file=sys.stderr)
    for folder in folders:
        for path, _, error in image_files(folder):
            yield named_row(path, 1, folder.name, "test") | {"error": error}
