"""What Label Studio's and CVAT's own code wrote is read right, and what they read of ours is what we meant.

The files are made and checked by ``make_labelstudio.py`` and ``make_cvat.py``, in environments of those tools.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from synthscope.annotations import CATEGORIES, load_annotations, region_mask
from synthscope.annotations.exchange.pixels import extent
from synthscope.annotations.rle import to_runs
from tests.annotations.golden import ours
from tests.annotations.golden.asked import BOX, DEGREES, HEIGHT, NAME, POLYGON, REASON, TURNED, WIDTH, mask

HERE = Path(__file__).parent


def checked(name: str) -> dict:
    return json.loads((HERE / f"checked_{name}.json").read_text())


def test_label_studio_export() -> None:
    table = load_annotations(f"labelstudio:{HERE / 'labelstudio.json'}")
    assert table.select("category", "gt_kind", "text", "confidence", "annotator", "width", "height").rows() == [
        ("low-level-texture", "polygon", REASON, None, "eve@example.org", WIDTH, HEIGHT),
        (None, "box", None, 0.5, "eve@example.org", WIDTH, HEIGHT),
        ("high-level-semantics", "polygon", None, None, "eve@example.org", WIDTH, HEIGHT),
        ("low-level-color", "mask", None, None, "eve@example.org", WIDTH, HEIGHT),
    ]
    assert table["path"].unique().to_list() == [f"/ann/images/{NAME}"]
    assert table["polygons"][0].to_list() == [POLYGON] and table["box"][1].to_list() == BOX
    corners = checked("labelstudio")["corners_of_the_turned_box"]
    assert table["polygons"][2].to_list()[0] == [pytest.approx(corner, abs=1e-6) for corner in corners]
    assert np.array_equal(region_mask(table.row(3, named=True), HEIGHT, WIDTH), mask())


def test_label_studio_converts_the_same_shapes_to_coco() -> None:
    """Their converter leaves out brushes, and turns boxes in percents, which bends them: only the other two compare."""
    theirs = load_annotations(f"coco:{HERE / 'labelstudio_coco.json'}?images=/x")
    assert theirs["polygons"][0].to_list() == [POLYGON] and theirs["box"][1].to_list() == BOX
    assert theirs.select("category", "text").rows()[:2] == [("low-level-texture", None), (None, None)]


def test_cvat_export() -> None:
    table = load_annotations(f"cvat:{HERE / 'cvat.xml'}?images=/x")
    assert table.select("path", "region", "category", "gt_kind", "text", "confidence").rows() == [
        ("/x/000001.png", 3, "low-level-texture", "polygon", REASON, 1.0),
        ("/x/000001.png", 4, None, "box", None, 0.5),
        ("/x/000001.png", 5, "high-level-semantics", "polygon", None, None),
        ("/x/000001.png", 6, "low-level-color", "mask", None, None),
        ("/x/000002.png", None, None, "polygon", None, None),
    ]
    assert table["polygons"][0].to_list() == [POLYGON, [[1, 1], [3, 1], [3, 2]]]  # one group, one region
    assert table["box"][1].to_list() == BOX
    turned = np.array(table["polygons"][2].to_list()[0])
    assert turned.mean(axis=0) == pytest.approx([(TURNED[0] + TURNED[2]) / 2, (TURNED[1] + TURNED[3]) / 2])
    side = turned[1] - turned[0]
    assert np.degrees(np.arctan2(side[1], side[0])) == pytest.approx(DEGREES)
    assert np.hypot(*side) == pytest.approx(TURNED[2] - TURNED[0])
    assert np.array_equal(region_mask(table.row(3, named=True), HEIGHT, WIDTH), mask())


def test_what_was_checked_is_what_we_write(tmp_path: Path) -> None:
    ours.write(tmp_path)
    for name in ("ours_labelstudio.json", "ours_cvat.xml", "ours_cvat_labels.json"):
        assert (tmp_path / name).read_bytes() == (HERE / name).read_bytes(), "run ours.py and both make_*.py again"


def test_label_studio_accepts_ours() -> None:
    report = checked("labelstudio")
    assert report["configuration"] == "valid" and report["tasks_have_what_the_configuration_asks"]
    assert report["predictions"] == 1 and report["errors"] == []
    assert report["brushes_that_decode_to_the_mask_asked"] == [True]


def test_cvat_accepts_ours() -> None:
    report = checked("cvat")
    assert report["labels"] == [*(category.label for category in CATEGORIES), "other"]
    first, second, box, ring = report["read"]
    assert [first["points"], second["points"]] == [sum(POLYGON, []), [1, 1, 3, 1, 3, 2]]
    assert first["group"] == second["group"] and box["points"] == BOX
    assert first["attributes"] == {"text": REASON} and box["attributes"] == {"confidence": "unsure"}
    assert [shape["label"] for shape in report["read"]] == ["low-level-texture"] * 2 + ["other", "low-level-color"]
    assert ring["is_the_mask_asked"]
    x0, y0, x1, y1 = extent(mask())
    assert report["mask"] == [*to_runs(mask()[y0:y1, x0:x1]), x0, y0, x1 - 1, y1 - 1]
