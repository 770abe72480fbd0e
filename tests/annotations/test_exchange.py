"""Exports imported again are the same; files as the tools themselves write them are understood."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from polars.testing import assert_frame_equal

from synthscope.annotations import load_annotations, region_mask
from synthscope.annotations.exchange import export
from synthscope.annotations.exchange.brush import decode_brush, encode_brush
from synthscope.annotations.exchange.pixels import extent, paste
from synthscope.annotations.records import image_rows, to_table
from synthscope.annotations.rle import decode_rle, encode_counts, encode_rle, from_runs, to_runs
from synthscope.errors import SynthscopeError, UsageError

FILES = {"coco": "a.json", "labelme": "folder", "cvat": "a.xml", "labelstudio": "tasks.json"}
HEIGHT, WIDTH = 23, 37


def some_table() -> pl.DataFrame:
    """Every kind of region, several annotators, awkward names, and clean images."""
    blob = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.3
    facts = {"sha256": "ab" * 32, "uid": "u1", "generator": "SD_1.4-raw", "width": WIDTH, "height": HEIGHT}
    triangle = [[1.25, 2.0], [30.0, 2.5], [37.0, 23.0]]
    rows = [
        *image_rows(
            {"path": "/data/x/a & <b>.png"} | facts,
            [
                {"category": "low-level-texture", "polygons": [triangle, [[0, 0], [3, 0], [3, 3]]], "annotator": "ann"},
                {"gt_kind": "box", "box": [1.5, 2.0, 7.0, 9.0], "text": "hand; six fingers, ü", "confidence": 0.5},
                {"gt_kind": "mask", "rle": encode_rle(blob), "category": "cognitive-level-physics", "revision": "v1"},
                {"category": "low-level-color", "polygons": [triangle], "annotator": "bob", "region": 1},
            ],
            kind="polygon",
        ),
        *image_rows({"path": "/data/y/clean.png"} | facts, [], kind="mask"),
        {"path": "/data/y/two.png", "gt_kind": "polygon", "annotator": "ann", "revision": "v2"} | facts,
        *image_rows(
            {"path": "/data/y/two.png", "annotator": "bob"} | facts, [{"polygons": [triangle]}], kind="polygon"
        ),
    ]
    return to_table(rows, "x")


def in_order(table: pl.DataFrame) -> pl.DataFrame:
    return table.sort("path", "annotator", "region")


@pytest.mark.parametrize("name", FILES)
def test_round_trip(name: str, tmp_path: Path) -> None:
    table = some_table()
    target = f"{name}:{tmp_path / FILES[name]}"
    assert export(table, target) == tmp_path / FILES[name]
    assert_frame_equal(in_order(load_annotations(target)), in_order(table))


@pytest.mark.parametrize("name", FILES)
def test_what_no_tool_holds(name: str, tmp_path: Path) -> None:
    heatmap = to_table([{"path": "/a.png", "region": 1, "gt_kind": "heatmap", "heatmap_path": "/h.npy"}], "x")
    with pytest.raises(SynthscopeError, match="Expected a polygon, box or mask as region 1"):
        export(heatmap, f"{name}:{tmp_path / FILES[name]}")
    assert not (tmp_path / FILES[name]).exists()
    with pytest.raises(UsageError, match="Did you mean coco"):
        export(heatmap, "cooc:x")
    with pytest.raises(UsageError, match="FORMAT:PATH"):
        export(heatmap, "coco")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", ["", "[1]", '{"shapes": [3], "images": 3}', "<annotations><image/></annotations>"])
def test_malformed_files_are_one_sentence(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(SynthscopeError, match=r"Expected .*, got.*\."):
        load_annotations(f"{name}:{path}")


def test_coco_of_other_tools(tmp_path: Path) -> None:
    mask = np.zeros((4, 5), bool)
    mask[1:3, 2] = True
    content = {
        "images": [{"id": 7, "file_name": "d/a.png", "width": 5, "height": 4}, {"id": 8, "file_name": "b.png"}],
        "categories": [{"id": 3, "name": "Texture"}, {"id": 9, "name": "hand"}],
        "annotations": [
            {"image_id": 7, "category_id": 3, "segmentation": [[0, 0, 2, 0, 2, 2]], "bbox": [0, 0, 2, 2]},
            {"image_id": 7, "category_id": 9, "bbox": [1, 1, 2, 3], "score": 0.25},
            {"image_id": 7, "category_id": 9, "segmentation": {"size": [4, 5], "counts": [9, 2, 9]}, "iscrowd": 1},
        ],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    table = load_annotations(f"coco:{tmp_path / 'c.json'}")
    columns = ("path", "region", "category", "gt_kind", "text", "confidence")
    a, b = f"{tmp_path}/d/a.png", f"{tmp_path}/b.png"
    assert table.select(columns).rows() == [
        (a, 1, "low-level-texture", "polygon", None, None),
        (a, 2, None, "box", "hand", 0.25),
        (a, 3, None, "mask", "hand", None),
        (b, None, None, "polygon", None, None),
    ]
    assert table["box"][1].to_list() == [1, 1, 3, 4]
    assert np.array_equal(region_mask(table.row(2, named=True), 4, 5), mask)
    moved = load_annotations(f"coco:{tmp_path / 'c.json'}?images=/elsewhere")
    assert moved["path"][0] == "/elsewhere/d/a.png"
    content["images"].pop(0)
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(SynthscopeError, match="got none with id 7"):
        load_annotations(f"coco:{tmp_path / 'c.json'}")


def test_labelme_of_other_tools(tmp_path: Path) -> None:
    file = BytesIO()
    Image.fromarray(np.array([[1, 0], [1, 1]], bool)).save(file, "PNG")
    shapes = [
        {"label": "Symbol", "points": [[1, 1], [2, 1], [2, 2]], "group_id": 4, "shape_type": "polygon"},
        {"label": "Symbol", "points": [[5, 5], [6, 5], [6, 6]], "group_id": 4, "shape_type": "polygon"},
        {"label": "sky", "points": [[6, 5], [1, 2]], "group_id": None, "shape_type": "rectangle"},
        {"label": "sky", "points": [[2, 3], [3, 4]], "shape_type": "mask", "mask": _base64(file)},
    ]
    content = {"shapes": shapes, "imagePath": "../i/a.jpg", "imageHeight": 8, "imageWidth": 9}
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / "a.json").write_text(json.dumps(content))
    (tmp_path / "j" / "other.json").write_text("{}")
    table = load_annotations(f"labelme:{tmp_path}")
    assert table.select("path", "region", "category", "text", "gt_kind").rows() == [
        (f"{tmp_path}/i/a.jpg", 4, "low-level-symbol", None, "polygon"),
        (f"{tmp_path}/i/a.jpg", 5, None, "sky", "box"),
        (f"{tmp_path}/i/a.jpg", 6, None, "sky", "mask"),
    ]
    assert len(table["polygons"][0]) == 2 and table["box"][1].to_list() == [1, 2, 6, 5]
    mask = region_mask(table.row(2, named=True), 8, 9)
    assert np.argwhere(mask).tolist() == [[3, 2], [4, 2], [4, 3]]
    content["shapes"] = [{"label": "x", "points": [[1, 1]], "shape_type": "circle"}]
    (tmp_path / "j" / "a.json").write_text(json.dumps(content))
    with pytest.raises(SynthscopeError, match="got a shape of type 'circle'"):
        load_annotations(f"labelme:{tmp_path}")


def test_cvat_of_other_tools(tmp_path: Path) -> None:
    text = """<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><!-- made by hand -->
    <image id="0" name="a.png" width="6" height="4">
      <polygon label="Physics" source="manual" points="1.00,1.00;3.00,1.00;3.00,2.50" z_order="0">
        <attribute name="reason">shadow</attribute></polygon>
      <mask label="other" rle="0, 2, 1, 1" left="2" top="1" width="2" height="2"/>
    </image><image id="1" name="b.png" width="6" height="4"></image></annotations>"""
    path = tmp_path / "a.xml"
    path.write_text(text)
    table = load_annotations(f"cvat:{path}?images=/i")
    assert table.select("path", "region", "category", "text").rows() == [
        ("/i/a.png", 1, "cognitive-level-physics", None),
        ("/i/a.png", 2, None, None),
        ("/i/b.png", None, None, None),
    ]
    assert np.argwhere(region_mask(table.row(1, named=True), 4, 6)).tolist() == [[1, 2], [1, 3], [2, 3]]
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><annotations><image name="&a;"/></annotations>'
    for hostile in (bomb, bomb.replace("<!DOCTYPE", "<!----><!DOCTYPE")):
        path.write_text(hostile)
        with pytest.raises(SynthscopeError, match="without a document type"):
            load_annotations(f"cvat:{path}")
    path.write_text(text.replace('left="2"', 'left="5"'))
    with pytest.raises(SynthscopeError, match="Expected a mask inside the image of 6 x 4"):
        load_annotations(f"cvat:{path}")


def test_label_studio_of_other_tools(tmp_path: Path) -> None:
    def item(kind: str, number: str, value: dict) -> dict:
        return {"id": number, "type": kind, "original_width": 50, "original_height": 20, "value": value}

    results = [
        item("polygonlabels", "x", {"points": [[10, 10], [30, 10], [30, 55]], "polygonlabels": ["Color"]}),
        {"id": "x", "type": "textarea", "value": {"text": ["too", "pink"]}},
        item("rectanglelabels", "y", {"x": 20, "y": 50, "width": 10, "height": 25, "rectanglelabels": ["hand"]}),
    ]
    tasks = [
        {
            "data": {"image": "/data/local-files/?d=pics/a%20b.png"},
            "annotations": [
                {"completed_by": {"id": 3, "email": "eve@x.org"}, "result": results},
                {"completed_by": 4, "result": []},
                {"completed_by": 5, "result": [], "was_cancelled": True},
            ],
        },
        {"data": {"image": "b.png"}, "annotations": []},  # nobody has looked at it
    ]
    (tmp_path / "t.json").write_text(json.dumps(tasks))
    table = load_annotations(f"labelstudio:{tmp_path / 't.json'}")
    assert table.select("path", "region", "category", "text", "annotator", "width").rows() == [
        ("/pics/a b.png", 1, "low-level-color", "too pink", "eve@x.org", 50),
        ("/pics/a b.png", 2, None, "hand", "eve@x.org", 50),
        ("/pics/a b.png", None, None, None, "4", 50),
    ]
    assert table["polygons"][0].to_list() == [[[5, 2], [15, 2], [15, 11]]]
    assert table["box"][1].to_list() == [10, 10, 15, 15]


def test_percents_of_whole_pixels_come_back_whole(tmp_path: Path) -> None:
    """Otherwise truncation would move a polygon by a pixel."""
    points = [[float(x), float(x)] for x in range(1024)]
    assert any(x / 1023 * 100 * 1023 / 100 != x for x, _ in points)
    image = {"path": "/a.png", "width": 1023, "height": 1023}
    table = to_table(image_rows(image, [{"polygons": [points]}], kind="polygon"), "x")
    export(table, f"labelstudio:{tmp_path}/t.json")
    assert_frame_equal(load_annotations(f"labelstudio:{tmp_path}/t.json"), table)


def test_sizes_that_would_fill_the_memory_are_refused() -> None:
    with pytest.raises(SynthscopeError, match="Expected a mask inside the image"):
        paste(np.ones((1, 1), bool), 0, 0, 10**6, 10**6, "x")
    header = f"{2**32 - 4:032b}{7:05b}" + "0" * 35
    with pytest.raises(SynthscopeError, match="Expected a brush stroke"):
        decode_brush(list(int(header, 2).to_bytes(9, "big")), 1, 2**30 - 1)
    with pytest.raises(SynthscopeError, match="Expected run lengths of 1000000 x 1000 "):
        decode_rle(encode_counts([10**9]), 1000, 10**6)


@given(st.integers(1, 12), st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([0, 0.05, 0.5, 1]))
@settings(deadline=None, max_examples=40)
def test_masks_as_tools_store_them(height, width, seed, share) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    assert np.array_equal(decode_brush(encode_brush(mask), height, width), mask)
    assert np.array_equal(from_runs(to_runs(mask), height, width, "x"), mask)
    x0, y0, x1, y1 = extent(mask)
    assert mask[y0:y1, x0:x1].sum() == mask.sum()


def test_brush_strokes_with_plain_words() -> None:
    """A block of single words, as the tool writes for short runs: 8 bytes, 2 pixels, only the second opaque."""
    bits = f"{8:032b}" + f"{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    bits += "0" + "00" + f"{7:03b}" + "".join(f"{byte:08b}" for byte in (255, 255, 255, 0, 255, 255, 255, 255))
    bits += "0" * (-len(bits) % 8)
    data = list(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    assert decode_brush(data, 1, 2).tolist() == [[False, True]]
    with pytest.raises(SynthscopeError, match="truncated"):
        decode_brush(data[:10], 1, 2)
    with pytest.raises(SynthscopeError, match="over 3 x 1 pixels, got one over 2"):
        decode_brush(data, 1, 3)


def _base64(file: BytesIO) -> str:
    return base64.b64encode(file.getvalue()).decode()
