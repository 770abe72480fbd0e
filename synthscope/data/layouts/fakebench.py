"""The layout ``fakebench:``: FakeBench's two folders, as far as its README tells, and others of these names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthscope.data.layouts.folders import Row, class_folders
from synthscope.data.layouts.walk import image_files

_LABELS = {"fake_images": 1, "real_images": 0}


def fakebench(root: Path) -> Iterator[Row]:
    """``fake_images/[generator/]*`` and ``real_images/*`` anywhere below ``root``.

    A folder inside ``fake_images`` is a generator and a subset; AI images beside such folders are of the subset
    ``fakebench``. Real images belong to every subset. The split is ``test``: its README forbids training on it.

    Raises:
        SynthscopeError: No such folders.
    """
    for folder in class_folders(root, _LABELS):
        label = _LABELS[folder.name.lower()]
        for path, _, error in image_files(folder):
            below = Path(path).relative_to(folder).parts
            generator = below[0] if len(below) > 1 else "fakebench"
            known = {"generator": generator, "subset": generator} if label else {"generator": "real", "subset": None}
            yield {"path": path, "label": label, "split": "test", "error": error} | known
