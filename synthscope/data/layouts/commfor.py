"""The layout ``commfor:``: Community Forensics (Park and Owens, CVPR 2025), as published or as its trainer's folders.

Columns ``image_data``, ``label`` (0 real, 1 generated), ``model_name`` and the folders ``systematic``, ``manual``,
``commercial`` and ``publicEval`` as its data set's page and its own loader tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthscope.data.layouts.embedded import embedded
from synthscope.data.layouts.folders import Row, labelled_folders
from synthscope.data.layouts.tables import read_label
from synthscope.data.layouts.walk import tree
from synthscope.errors import UsageError, suggest

SPLITS = {"systematic": "train", "manual": "train", "publiceval": "test", "commercial": None, "data": "train"}
_COLUMNS = ("label", "model_name")


def commfor(root: Path, *, split: str = "") -> Iterator[Row]:
    """Parquet files below ``root``, images read in place; where there are none, ``{generator}/{real,fake}/*``.

    The generator is ``model_name``. Real images whose ``model_name`` also names generated ones are of that subset; all
    others are in every subset. ``publicEval`` is the test set, ``systematic``, ``manual`` and the small data set's
    ``data`` are training sets, ``commercial`` is neither.

    Args:
        root: The data set's folder or one of its files.
        split: Folders to read, with commas, such as ``publicEval``; default all.

    Raises:
        UsageError: No such folder, or a label that is neither 0 nor 1.
        SynthscopeError: Another table, or a damaged one.
    """
    files = [path for path, is_folder in tree(root) if not is_folder] if root.is_dir() else [str(root)]
    tables = sorted(path for path in files if path.lower().endswith(".parquet"))
    if not tables:
        yield from labelled_folders(root, {"real": 0, "fake": 1})
        return
    homes = {path: Path(path).parent.name.lower() for path in tables}
    wanted = [one.lower() for one in split.split(",") if one] or list(homes.values())
    for name in wanted:
        if name not in homes.values():
            raise UsageError(
                f"Expected a folder of Parquet files in {root}, got {name!r}. {suggest(name, homes.values())}"
            )
    chosen = [path for path in tables if homes[path] in wanted]
    made = {
        row["model_name"] for path in chosen for _, row in embedded(path, "image_data", _COLUMNS) if row["label"] == 1
    }
    for path in chosen:
        for number, row in embedded(path, "image_data", _COLUMNS):
            label, name = read_label(row["label"], "label", f"row {number} of {path}"), row["model_name"]
            subset = name if label == 1 or name in made else None
            known = {"label": label, "generator": name if label == 1 else "real", "subset": subset}
            yield {"path": row["path"], "split": SPLITS.get(homes[path])} | known
