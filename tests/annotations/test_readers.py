"""Fixtures made from the published descriptions of the data sets' files, and the sandbox's own."""

from __future__ import annotations

import json
import struct
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthscope.annotations import image_masks, load_annotations, region_mask
from synthscope.annotations.heatmaps import load_heatmap, region_heatmap
from synthscope.annotations.tfrecord import masked_crc32c, parse_example, parse_tensor
from synthscope.annotations.validate import validate
from synthscope.data.index import index
from synthscope.errors import SynthscopeError, UsageError
from synthscope.sandbox.world import build_sandbox

EDGE = "low-level-edge_shape"
LABELS = pa.list_(pa.struct([("label", pa.string()), ("points", pa.list_(pa.list_(pa.float64())))]))
XAIGD = pa.schema(
    [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        *((name, pa.string()) for name in ("generator", "uid", "image_format", "chroma_subsampling")),
        ("labels", LABELS),
        *((name, pa.int64()) for name in ("width", "height", "jpeg_quality")),
    ]
)


def png(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def xaigd_row(generator: str, uid: str, labels, size=(6, 4), **more):
    data = png(np.full((size[1], size[0], 3), len(generator), np.uint8))
    row = {"image": {"bytes": data, "path": "x.png"}, "generator": generator, "uid": uid, "labels": labels}
    return row | {"width": size[0], "height": size[1]} | more


def xaigd_table(root: Path, rows, split="labeled_test", schema=XAIGD) -> Path:
    path = root / "data" / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=2)
    return path


SQUARE = {"label": EDGE, "points": [[4.0, 2.0], [6.0, 2.0], [6.0, 4.0], [4.0, 4.0]]}  # reaches x == width, y == height


def test_xaigd(tmp_path: Path) -> None:
    rows = [
        xaigd_row("g1", "7", [SQUARE], image_format="JPEG", jpeg_quality=87, chroma_subsampling="4:2:0"),
        xaigd_row("g2", "7", [], image_format="PNG"),
        xaigd_row("g1", "8", None, image_format="JPEG", jpeg_quality=90, chroma_subsampling="4:4:4"),
    ]
    path = xaigd_table(tmp_path, rows)
    xaigd_table(tmp_path, [xaigd_row("g1", "9", None)], "unlabeled_train")
    for uid in ("7", "8", "1000"):
        (tmp_path / "real").mkdir(exist_ok=True)
        Image.new("RGB", (5, 5)).save(tmp_path / "real" / f"{uid}.jpg")
    images = index(f"xaigd:{tmp_path}?compression=matched")
    assert images.select("label", "generator", "subset", "split", "group", "view", "width", "error").rows() == [
        (1, "g1", "g1", "test", "7", "jpeg:q=87", 6, None),
        (1, "g2", "g2", "test", "7", "none", 6, None),
        (1, "g1", "g1", "test", "8", "jpeg:q=90,subsampling=444", 6, None),
        (0, "real", None, "test", "7", "none", 5, None),
        (0, "real", None, "test", "8", "none", 5, None),
    ]
    assert Path(images["path"][1]).read_bytes() == rows[1]["image"]["bytes"]
    table = load_annotations(f"xaigd:{tmp_path}")
    assert table.equals(load_annotations(path))
    assert table.select("path", "uid", "region", "category", "width", "height").rows() == [
        (images["path"][0], "7", 1, EDGE, 6, 4),
        (images["path"][1], "7", None, None, 6, 4),
    ]
    assert table["revision"][0].startswith("parquet:") and validate(table) == []
    assert np.argwhere(image_masks(table[0], 4, 6)).tolist() == [[2, 4], [2, 5], [3, 4], [3, 5]]
    assert index(f"xaigd:{tmp_path}?split=unlabeled_train")["split"].to_list() == ["train"]
    with pytest.raises(UsageError, match="Did you mean labeled_test"):
        index(f"xaigd:{tmp_path}?split=labelled_test")
    with pytest.raises(SynthscopeError, match="Expected annotated images .* got none"):
        load_annotations(f"xaigd:{tmp_path}?split=unlabeled_train")


def test_annotations_and_images_meet_whatever_way_leads_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The annotations have no hash, so that paths must match: of splits, files, relative paths and links."""
    blobs, home = tmp_path / "blobs", tmp_path / "real" / "set"
    for split in ("labeled_test", "labeled_train"):
        file = xaigd_table(home, [xaigd_row(f"g{i}", split, [SQUARE]) for i in range(3)], split)
        blobs.mkdir(exist_ok=True)
        file.rename(blobs / split)
        file.symlink_to(blobs / split)  # as huggingface_hub keeps them
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path / "real")
    file = "data/labeled_test-00000-of-00001.parquet"
    ways = ["set", "./set", "../link/set", str(home), str(tmp_path / "link" / "set")]
    pairs = {way: (f"xaigd:{way}?compression=matched", f"xaigd:{way}") for way in ways}
    pairs |= {f"{way} test": (f"xaigd:{way}?split=labeled_test", f"xaigd:{way}/{file}") for way in ways}
    pairs["bare"] = f"xaigd:set/{file}", f"../link/set/{file}"
    wanted = set(index(f"xaigd:{home}")["path"])
    assert len(wanted) == 6 and all(Path(path).is_relative_to(home) for path in wanted)
    for name, (images, regions) in pairs.items():
        found = set(index(images)["path"])
        assert found == set(load_annotations(regions)["path"]), name
        assert found <= wanted and len(found) == (3 if name.endswith(("test", "bare")) else 6)
    elsewhere = "images=../link/elsewhere"
    assert set(index(f"xaigd:set?{elsewhere}")["path"]) == set(load_annotations(f"xaigd:{home}?{elsewhere}")["path"])


def test_xaigd_images_are_written_once_and_follow_the_file(tmp_path: Path) -> None:
    path = xaigd_table(tmp_path, [xaigd_row("g", str(i), []) for i in range(5)])
    first = index(f"xaigd:{path}?images={tmp_path}/elsewhere")["path"].to_list()
    assert all(name.startswith(f"{tmp_path}/elsewhere/labeled_test-00000-of-00001-") for name in first)
    Path(first[0]).write_bytes(b"changed")
    Path(first[3]).unlink()
    index(f"xaigd:{path}?images={tmp_path}/elsewhere")
    assert Path(first[0]).read_bytes() == b"changed" and Path(first[3]).is_file()
    xaigd_table(tmp_path, [xaigd_row("g", str(i), [], size=(3, 3)) for i in range(5)])  # another revision
    again = index(f"xaigd:{path}?images={tmp_path}/elsewhere")
    assert set(again["path"]).isdisjoint(first) and set(again["width"]) == {3}


def test_the_revision_is_the_commit_where_the_path_tells(tmp_path: Path) -> None:
    commit = "92180f32030507ab54a40d6f1b88f39d6cec8178"
    xaigd_table(tmp_path / "snapshots" / commit, [xaigd_row("g", "1", [])])
    assert load_annotations(f"xaigd:{tmp_path}/snapshots/{commit}")["revision"].to_list() == [commit]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("g", "1"), ("h", "1"), ("g", "1")], r"got \('g', '1'\) again in row 3"),
        ([("g", "../../x")], "a uid that can name a file in row 1 .*got '../../x'"),
        ([("..", "x")], "a generator that can name a file in row 1"),
        ([("g", None)], "a uid that can name a file in row 1 .*got None"),
    ],
)
def test_names_of_xaigd(rows, message, tmp_path: Path) -> None:
    xaigd_table(tmp_path, [xaigd_row(generator, uid, []) for generator, uid in rows])
    for read in (index, load_annotations):
        with pytest.raises(SynthscopeError, match=message):
            read(f"xaigd:{tmp_path}")


def test_tables_that_are_not_xaigds(tmp_path: Path) -> None:
    with pytest.raises(SynthscopeError, match=r"Expected X-AIGD's Parquet files .* got none"):
        index(f"xaigd:{tmp_path}")
    path = xaigd_table(tmp_path, [xaigd_row("g", "1", [])])
    path.write_bytes(path.read_bytes()[:-30])
    for read in (index, load_annotations):
        with pytest.raises(SynthscopeError, match="Expected X-AIGD's"):
            read(f"xaigd:{tmp_path}")
    xaigd_table(tmp_path, [{"generator": "g", "uid": "1"}], schema=XAIGD.remove(0))
    with pytest.raises(SynthscopeError, match="Expected a column image"):
        index(f"xaigd:{tmp_path}")
    xaigd_table(tmp_path, [xaigd_row("g", "1", [])], schema=XAIGD.remove(XAIGD.get_field_index("labels")))
    with pytest.raises(SynthscopeError, match="Expected X-AIGD's columns"):
        load_annotations(f"xaigd:{tmp_path}")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    return build_sandbox(
        tmp_path_factory.mktemp("sandbox") / "world", size=64, classes=3, train=2, val=2, artifacts=1.0, workers=1
    )


def test_masks_of_the_sandbox_are_its_own(sandbox) -> None:
    """Against the raw columns, drawn here with cv2 alone; both the GenImage and the X-AIGD half."""
    half = load_annotations(sandbox.genimage / "annotations.parquet")
    raw = pl.read_parquet(sandbox.genimage / "annotations.parquet")
    assert half["path"].n_unique() == raw.height and validate(half) == []
    manifest = index(f"genimage:{sandbox.genimage}")
    assert set(half["path"]) == set(manifest.filter(pl.col("label") == 1)["path"])
    sizes = {row["path"]: (row["height"], row["width"]) for row in manifest.to_dicts()}
    for row in raw.to_dicts():
        path = str(sandbox.genimage / row["path"])
        _same_mask(half.filter(pl.col("path") == path), row["labels"], *sizes[path])
    other = load_annotations(f"xaigd:{sandbox.xaigd}")
    tables = [pl.read_parquet(path) for path in sorted((sandbox.xaigd / "data").glob("*.parquet"))]
    assert set(other["path"]) == set(index(f"xaigd:{sandbox.xaigd}").filter(pl.col("label") == 1)["path"])
    for row in pl.concat(tables).to_dicts():
        chosen = other.filter((pl.col("uid") == row["uid"]) & (pl.col("generator") == row["generator"]))
        _same_mask(chosen, row["labels"], row["height"], row["width"])


def _same_mask(rows: pl.DataFrame, labels, height: int, width: int) -> None:
    wanted = np.zeros((height, width), np.uint8)
    for label in labels:
        points = np.array(label["points"]).astype(np.int32)
        cv2.fillPoly(wanted, [np.clip(points, 0, (width - 1, height - 1))], 255)
    assert np.array_equal(image_masks(rows, height, width), wanted > 0)
    assert rows["category"].drop_nulls().to_list() == [label["label"] for label in labels]


def test_synthscars(tmp_path: Path) -> None:
    refs = [
        {"sentence": "s", "explanation": "six fingers", "segmentation": [[1.9, 1, 3, 1, 3, 3, 1, 3], [1, 2, 3]]},
        {"sentence": "s", "explanation": "nothing drawn", "segmentation": [[1, 2]]},
    ]
    entries = [
        {"10": {"img_file_name": "a.jpg", "caption": "c", "refs": refs}},
        {"11": {"img_file_name": "b.jpg", "caption": "c", "refs": refs[1:]}},
        {"12": {"img_file_name": "a.jpg", "caption": "c", "refs": refs[:1]}},
    ]
    (tmp_path / "test" / "annotations").mkdir(parents=True)
    file = tmp_path / "test" / "annotations" / "test.json"
    file.write_text(json.dumps(entries))
    table = load_annotations(f"synthscars:{tmp_path}")
    a, b = (f"{tmp_path}/test/images/{name}.jpg" for name in "ab")
    assert table.select("path", "uid", "region", "category", "text").rows() == [
        (a, "10", 1, None, "six fingers"),
        (a, "10", 2, None, "six fingers"),
        (b, "11", None, None, None),
    ]
    assert region_mask(table.row(0, named=True), 6, 6).sum() == 9
    for broken in ([{"10": {"img_file_name": "a.jpg"}}], {"10": 3}, [{"10": {"img_file_name": "a", "refs": [{}]}}]):
        file.write_text(json.dumps(broken))
        with pytest.raises(SynthscopeError, match="Expected SynthScars' list .*test.json"):
            load_annotations(f"synthscars:{tmp_path}")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8"])
def test_loki(encoding: str, tmp_path: Path) -> None:
    items = [
        {
            "image_path": "image/1.jpg",
            "id": 4,
            "problems": {"regional": [{"region": [1.5, 2, 3, 4], "desc": "Hände"}], "global": [{"desc": "blurred"}]},
        },
        {"image_path": "image/2.jpg", "id": 5, "problems": {"regional": [], "global": [{"desc": "blurred"}]}},
    ]
    file = tmp_path / "data_json" / "image" / "open_ended_vqa.json"
    file.parent.mkdir(parents=True)
    bom = "\ufeff" if encoding == "utf-16-be" else ""
    file.write_bytes((bom + json.dumps(items, ensure_ascii=False)).encode(encoding))
    table = load_annotations(f"loki:{tmp_path}")
    assert table.select("path", "uid", "region", "box", "text", "gt_kind").rows() == [
        (f"{tmp_path}/image/1.jpg", "4", 1, [1.5, 2.0, 4.5, 6.0], "Hände", "box"),
        (f"{tmp_path}/image/2.jpg", "5", None, None, "blurred", "box"),
    ]


def save(path: Path, pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def test_pal(tmp_path: Path) -> None:
    for stem, mask in (("a", [[0, 1], [0, 0]]), ("b", [[0, 0], [0, 0]])):
        save(tmp_path / "testset" / "images" / f"{stem}.jpg", np.zeros((2, 2, 3)))
        save(tmp_path / "testset" / "labels" / f"{stem}.png", mask)
        save(tmp_path / "testset" / "masks" / f"{stem}.png", np.ones((2, 2)))  # the hole, not the artifact
    table = load_annotations(f"pal4inpaint:{tmp_path}")
    assert table.select("uid", "region", "width", "height", "gt_kind").rows() == [
        ("a", 1, 2, 2, "mask"),
        ("b", None, 2, 2, "mask"),
    ]
    assert region_mask(table.row(0, named=True), 2, 2).tolist() == [[False, True], [False, False]]
    renamed = load_annotations(f"pal4vst:{tmp_path}/testset?images=images&labels=masks")
    assert region_mask(renamed.row(0, named=True), 2, 2).all()
    save(tmp_path / "testset" / "labels" / "a.png", [[0, 255], [0, 0]])
    with pytest.raises(SynthscopeError, match="Expected a mask of the values 0 and 1 in .*a.png, got 255"):
        load_annotations(f"pal4inpaint:{tmp_path}")
    (tmp_path / "testset" / "labels" / "a.png").unlink()
    with pytest.raises(SynthscopeError, match=r"Expected a mask a\.\* for .*a.jpg"):
        load_annotations(f"pal4inpaint:{tmp_path}")
    with pytest.raises(UsageError, match="got 'label'. Did you mean labels"):
        load_annotations(f"pal4inpaint:{tmp_path}?label=x")


def test_sidset(tmp_path: Path) -> None:
    for name in ("real/r.jpg", "full_synthetic/f.jpg", "tampered/t.jpg"):
        save(tmp_path / "validation" / name, np.zeros((2, 2, 3)))
    save(tmp_path / "validation" / "masks" / "t_mask.png", [[127, 128], [0, 255]])
    table = load_annotations(f"sidset:{tmp_path}")
    assert table.select("uid", "region").rows() == [("r", None), ("t", 1)]
    assert region_mask(table.row(1, named=True), 2, 2).tolist() == [[False, True], [False, True]]


def test_fakeshield(tmp_path: Path) -> None:
    for domain, image, mask in (("photoshop", "a", "a"), ("aigc", "b", "mask_of_b")):
        save(tmp_path / domain / "image" / f"{image}.jpg", np.zeros((2, 2, 3)))
        save(tmp_path / domain / "mask" / f"{mask}.png", [[255, 0], [0, 0]])
    table = load_annotations(f"fakeshield:{tmp_path}")
    assert table.select("uid", "region").rows() == [("b", 1), ("a", 1)]
    assert table["mask_path"][0].endswith("mask_of_b.png")
    save(tmp_path / "aigc" / "mask" / "stray.png", [[255, 0], [0, 0]])
    with pytest.raises(SynthscopeError, match="a mask for each of the 1 images of .* got 2"):
        load_annotations(f"fakeshield:{tmp_path}")


def test_opensdi(tmp_path: Path) -> None:
    image = {"bytes": png(np.zeros((2, 3, 3), np.uint8)), "path": None}
    grey = np.zeros((2, 3, 3), np.uint8)
    grey[0, 0], grey[0, 1], grey[1, 2] = (127, 128, 127), (128, 128, 127), 255  # means 127.33, 127.67 and 255
    rows = [
        {"key": "partial/sd15/fake/1.jpg", "image": image, "mask": {"bytes": png(grey), "path": None}, "label": 1},
        {"key": "global/flux/fake/2.jpg", "image": image, "mask": None, "label": 1},
        {"key": "partial/sd15/real/3.jpg", "image": image, "mask": None, "label": 0},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "sd15-00000.parquet")
    table = load_annotations(f"opensdi:{tmp_path}?images=/i")
    assert table.select("path", "generator", "region", "width", "height").rows() == [
        ("/i/partial/sd15/fake/1.jpg", "sd15", 1, 3, 2),
        ("/i/global/flux/fake/2.jpg", "flux", 1, 3, 2),
        ("/i/partial/sd15/real/3.jpg", "real", None, 3, 2),
    ]
    partial, full = (region_mask(table.row(i, named=True), 2, 3) for i in (0, 1))
    assert np.argwhere(partial).tolist() == [[0, 1], [1, 2]] and full.all()
    rows[0]["mask"] = {"bytes": png(grey[:1]), "path": None}
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "sd15-00000.parquet")
    with pytest.raises(SynthscopeError, match="Expected a mask of 3 x 2 pixels for partial/sd15/fake/1.jpg"):
        load_annotations(f"opensdi:{tmp_path}")


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes | int) -> bytes:
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    return varint(number << 3 | 2) + varint(len(data)) + data


def example(**features: bytes) -> bytes:
    """A tf.train.Example; the values are whole ``Feature`` messages."""
    entries = (field(1, field(1, name.encode()) + field(2, value)) for name, value in features.items())
    return field(1, b"".join(entries))


def bytes_feature(value: bytes) -> bytes:
    return field(1, field(1, value))


def tensor(values: np.ndarray, dtype: int) -> bytes:
    shape = b"".join(field(2, field(1, size)) for size in values.shape)
    return field(1, dtype) + field(2, shape) + field(4, values.tobytes())


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


def test_richhf(tmp_path: Path) -> None:
    heat = np.zeros((4, 4, 1), np.float32)
    heat[:2, :2] = 0.75
    floats = field(2, field(1, heat.astype("<f4").tobytes()))
    records = [
        example(filename=bytes_feature(b"train/1.png"), artifact_map=bytes_feature(tensor(heat, 1))),
        example(filename=bytes_feature(b"train/2.png"), artifact_map=bytes_feature(tensor(heat * 0, 1))),
        example(filename=bytes_feature(b"train/3.png"), artifact_map=floats, score=field(3, field(1, varint(5)))),
        example(filename=bytes_feature(b"4.png"), artifact_map=bytes_feature(tensor(np.uint8([[0, 255]]), 4))),
    ]
    file = tmp_path / "train.tfrecord-00000-of-00001"
    file.write_bytes(b"".join(map(record, records)))
    table = load_annotations(f"richhf:{tmp_path}?images=/pick")
    assert table.select("path", "region", "gt_kind", "category").rows() == [
        ("/pick/train/1.png", 1, "heatmap", None),
        ("/pick/train/2.png", None, "heatmap", None),
        ("/pick/train/3.png", 1, "heatmap", None),
        ("/pick/4.png", 1, "heatmap", None),
    ]
    assert validate(table) == []
    for row in (0, 2):
        assert np.array_equal(region_heatmap(table.row(row, named=True), 4, 4), heat[..., 0])
        assert region_mask(table.row(row, named=True), 8, 8).sum() == 15  # the corner is 0.75 * 9 / 16
    assert load_heatmap(table["heatmap_path"][3]).tolist() == [[0, 1]]
    assert parse_example(records[2])["score"] == [5]
    for broken in (file.read_bytes()[:-5], b"\x00" * 64, record(b"\x0a\xff"), record(b"\x0b\x00"), record(b"")):
        file.write_bytes(broken)
        with pytest.raises(SynthscopeError, match=r"Expected .* got .*\."):
            load_annotations(f"richhf:{tmp_path}")


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_hostile_protocol_buffers_end_in_a_sentence(data: bytes) -> None:
    for parse in (parse_example, lambda data: parse_tensor(data, "x")):
        try:
            parse(data)
        except SynthscopeError as error:
            assert str(error).startswith("Expected ")
