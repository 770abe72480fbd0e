"""The layout ``opensdi:``: OpenSDID (``nebula/OpenSDI_train``, ``nebula/OpenSDI_test``), images inside Parquet files.

Columns ``key``, ``image``, ``mask``, ``label`` as its page and ``data/hf_datasets.py`` tell; what is marked inside its
images is read by ``annotate`` as the format ``opensdi``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthscope.data.layouts.embedded import embedded
from synthscope.data.layouts.folders import Row
from synthscope.data.layouts.hf import name_of_split
from synthscope.data.layouts.tables import read_label
from synthscope.data.layouts.walk import tree
from synthscope.errors import SynthscopeError


def opensdi(root: Path) -> Iterator[Row]:
    """All images below ``root``; both whole images (``global/``) and parts of them (``partial/``) count as AI.

    The subset is the name of the file's split, which is a generator (``sd15``, ``sd2``, ``sdxl``, ``sd3``, ``flux``),
    the generator the second part of ``key``. The split is train or test where ``root`` or a folder in it says so.

    Raises:
        UsageError: A label that is neither 0 nor 1.
        SynthscopeError: No Parquet files, other ones, or damaged ones.
    """
    files = [path for path, is_folder in tree(root) if not is_folder] if root.is_dir() else [str(root)]
    tables = sorted(path for path in files if path.lower().endswith(".parquet"))
    if not tables:
        raise SynthscopeError(f"Expected OpenSDID's Parquet files in {root}, got none. Check the path.")
    for path in tables:
        split = next((one for one in ("train", "test") if f"opensdi_{one}" in path.lower()), None)
        subset = name_of_split(path, str(root)) or None
        for number, row in embedded(path, "image", ("key", "label")):
            label = read_label(row["label"], "label", f"row {number} of {path}")
            parts = str(row["key"]).split("/")
            generator = parts[1] if len(parts) > 2 else subset
            known = {"generator": generator if label == 1 else "real", "subset": subset or generator}
            yield {"path": row["path"], "label": label, "split": split} | known
