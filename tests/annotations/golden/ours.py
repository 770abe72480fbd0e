"""Our side of the golden files: ``python tests/annotations/golden/ours.py`` writes what the other tools then check."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from synthscope.annotations.project.tools import cvat_labels_file, cvat_tasks, label_studio_tasks
from synthscope.annotations.records import image_rows, to_table
from synthscope.annotations.rle import encode_rle

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from asked import BOX, HEIGHT, NAME, POLYGON, REASON, WIDTH, mask  # noqa: E402


def earlier() -> pl.DataFrame:
    """Marks of an earlier round, as a project hands them on."""
    regions = [
        {"category": "low-level-texture", "polygons": [POLYGON, [[1.0, 1.0], [3.0, 1.0], [3.0, 2.0]]], "text": REASON},
        {"gt_kind": "box", "box": BOX, "confidence": 0.5},
        {"gt_kind": "mask", "rle": encode_rle(mask()), "category": "low-level-color"},
    ]
    return to_table(image_rows({"path": NAME, "width": WIDTH, "height": HEIGHT}, regions, kind="polygon"), "ours")


def write(folder: Path) -> None:
    """``ours_labelstudio.json``, ``ours_cvat.xml`` and ``ours_cvat_labels.json``."""
    with TemporaryDirectory() as made:
        place = Path(made) / "ann"
        label_studio_tasks(place, [NAME, "000002.png"], earlier())
        cvat_tasks(place, [NAME], earlier())
        cvat_labels_file(place)
        for name, target in (
            ("tasks.json", "ours_labelstudio.json"),
            ("earlier.xml", "ours_cvat.xml"),
            ("labels.json", "ours_cvat_labels.json"),
        ):
            (folder / target).write_bytes((place / name).read_bytes())


if __name__ == "__main__":
    write(HERE)
