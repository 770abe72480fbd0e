"""A layout in one file: images whose names begin with what they are, ``real_0001.jpg``, ``sdxl_0001.png``.

File: ``synthscope/data/layouts/prefixed.py``. Test: ``tests/data/test_prefixed.py``. Line in
``synthscope/data/layouts/__init__.py``:

    LAYOUTS.register("prefixed", "synthscope.data.layouts.prefixed:prefixed")
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthscope.data.layouts.walk import image_files


def prefixed(root: Path, *, real: str = "real") -> Iterator[dict[str, Any]]:
    """``NAME_*.*`` anywhere below ``root``; ``NAME`` is the generator, and photographs are those called ``real``.

    Only names are read, in the order of sorted paths. A file that is no image is a row with an ``error``.
    """
    for path, stem, error in image_files(root):
        name = stem.partition("_")[0]
        is_real = name == real
        yield {
            "path": path,
            "label": 0 if is_real else 1,
            "generator": "real" if is_real else name,
            "subset": None if is_real else name,  # null on a photograph: it stands in every subset
            "split": None,
            "error": error,
        }
