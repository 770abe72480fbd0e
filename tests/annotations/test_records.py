"""The taxonomy, the table and its checks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from polars.testing import assert_frame_equal

from synthscope.annotations import ANNOTATIONS, CATEGORIES, LEVELS, load_annotations, save_annotations
from synthscope.annotations.records import fill_in_files, image_rows, to_table
from synthscope.annotations.taxonomy import label_studio_config, recognise
from synthscope.annotations.validate import validate
from synthscope.errors import SynthscopeError, UsageError
from tests.annotations.test_masks import EDGE, polygon


def test_taxonomy_is_official() -> None:
    assert [c.label for c in CATEGORIES] == [
        "low-level-edge_shape",
        "low-level-texture",
        "low-level-color",
        "low-level-symbol",
        "high-level-semantics",
        "cognitive-level-commonsense",
        "cognitive-level-physics",
    ]
    assert [c.number for c in CATEGORIES] == list(range(1, 8))
    assert list(dict.fromkeys(c.level for c in CATEGORIES)) == list(LEVELS)
    assert recognise("low-level-textur") == ("low-level-textur", None)  # kept, for validate to find
    for category in CATEGORIES:
        assert label_studio_config().count(f'value="{category.label}"') == 3


def test_tables_are_kept_whole(tmp_path: Path) -> None:
    pixels = np.zeros((6, 9, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif)
    rows = [*image_rows({"path": str(tmp_path / "a.jpg")}, [{"polygons": [[[0, 0], [1, 0], [1, 1]]]}], kind="polygon")]
    rows += image_rows({"path": "/missing.png", "width": 3, "height": 4}, [], kind="polygon")
    table = to_table(rows, "x")
    save_annotations(table, tmp_path / "t.parquet")
    assert_frame_equal(load_annotations(tmp_path / "t.parquet"), table)
    filled = fill_in_files(table)
    assert filled.select("width", "height").rows() == [(6, 9), (3, 4)]
    assert filled["sha256"].null_count() == 1 and filled.columns == list(ANNOTATIONS)
    with pytest.raises(UsageError, match="Put the format before it"):
        load_annotations(tmp_path)
    with pytest.raises(SynthscopeError, match="Expected annotations at .*absent.parquet, got nothing"):
        load_annotations(tmp_path / "absent.parquet")
    with pytest.raises(UsageError, match="Did you mean coco"):
        load_annotations("cocoo:/x.json")
    with pytest.raises(SynthscopeError, match="got no 'region'"):
        pl.DataFrame({"path": ["a"]}).write_parquet(tmp_path / "other.parquet")
        load_annotations(tmp_path / "other.parquet")


WRONG = [
    ({"category": "low-level-textures"}, "unknown category 'low-level-textures'. Did you mean low-level-texture"),
    ({"polygons": [[[0.0, 0.0], [1.0, 1.0]]]}, "polygon 1 has 2 points, fewer than 3"),
    ({"polygons": [[[0.0, 0.0], [1.0], [2.0, 2.0]]]}, "polygon 1 has a point that is not two numbers"),
    ({"polygons": [[[0.0, 0.0], [11.0, 0.0], [5.0, 5.0]]]}, "leaves the image of 10 x 8 pixels"),
    ({"polygons": None}, "no polygon"),
    ({"gt_kind": "poly"}, "unknown gt_kind 'poly'. Did you mean polygon"),
    ({"gt_kind": "box", "box": [3.0, 1.0, 3.0, 2.0]}, "has no area"),
    ({"gt_kind": "box", "box": [3.0, 1.0]}, "is not [x0, y0, x1, y1]"),
    ({"gt_kind": "mask", "rle": "04"}, "Expected run lengths of 10 x 8 = 80 pixels, got 4"),
    ({"gt_kind": "mask"}, "no rle and no mask_path"),
    ({"gt_kind": "mask", "mask_path": "/nowhere.png"}, "/nowhere.png"),
    ({"gt_kind": "heatmap"}, "no heatmap_path"),
    ({"confidence": 1.5}, "confidence 1.5, outside 0 to 1"),
    ({"width": 0}, "width 0, not a size"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_validate_finds(change, message) -> None:
    sound = polygon((0.0, 0.0), (10.0, 0.0), (10.0, 8.0), category=EDGE, width=10, height=8)  # on the border is sound
    assert validate(to_table([sound], "x")) == []
    (finding,) = validate(to_table([sound | {"path": "/b.png"}, sound | change], "x"))
    assert message in str(finding) and str(finding).startswith("row 2, region 1 of /a.png: ")


def test_validate_finds_duplicates_and_masks_of_another_size(tmp_path: Path) -> None:
    sound = polygon((0.0, 0.0), (5.0, 0.0), (5.0, 8.0), category=EDGE, annotator="a")
    other = polygon((0.0, 0.0), (5.0, 0.0), (5.0, 7.0), category=EDGE, annotator="a")
    clean = {"path": "/a.png", "gt_kind": "polygon", "annotator": "a"}
    assert validate(to_table([sound, other | {"region": 2}, sound | {"annotator": "b"}], "x")) == []
    for second, message in (
        (other, "the same region number as in row 1"),
        (sound | {"region": 2}, "the same region as in row 1"),
        (clean, "annotated as clean and with regions, see row 1"),
    ):
        (finding,) = validate(to_table([sound, second], "x"))
        assert message in finding.message and finding.row == 2
    (finding,) = validate(to_table([clean, clean], "x"))
    assert "annotated as clean as in row 1" in finding.message
    (finding,) = validate(to_table([clean, sound], "x"))
    assert "see row 1" in finding.message
    Image.new("L", (3, 4)).save(tmp_path / "m.png")
    mask = {"path": "/a.png", "region": 1, "gt_kind": "mask", "mask_path": str(tmp_path / "m.png"), "width": 4}
    (finding,) = validate(to_table([mask | {"height": 4}], "x"))
    assert "of 3 x 4 pixels, image of 4 x 4" in finding.message
