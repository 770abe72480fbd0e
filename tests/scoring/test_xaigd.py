"""X-AIGD evaluators on files: byte for byte what the plain restatement writes, and one sentence for what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from synthscope.annotations.taxonomy import LABELS as CATEGORIES
from synthscope.cli.xaigd import xaigd_metrics
from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.xaigd import Frame
from synthscope.scoring.xaigd.official import score_instances, score_pixels, write_rows
from synthscope.scoring.xaigd.predictions import find_masks, read_mask
from synthscope.scoring.xaigd.records import read_images
from tests.reference import xaigd_official as official

SIZES = {"one-raw": (61, 48), "two-raw": (40, 72), "Three_1.5-raw": (56, 56)}
FRAMES = [{}, {"size": (32, 32), "crop": (28, 28)}, {"short_side": 37, "crop": (37, 37)}, {"short_side": 90}]
LABELS = pa.list_(pa.struct([("label", pa.string()), ("points", pa.list_(pa.list_(pa.float64())))]))
SCHEMA = pa.schema(
    [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("generator", pa.string()),
        ("uid", pa.string()),
        ("labels", LABELS),
        ("width", pa.int64()),
        ("height", pa.int64()),
    ]
)
TRIANGLE = [{"label": CATEGORIES[0], "points": [[1.0, 1.0], [5.0, 1.0], [1.0, 5.0]]}]


def make_rows(seed: int = 0, images: int = 5) -> list[dict[str, Any]]:
    """Random polygons; some images have none (null or empty)."""
    rng = np.random.default_rng(seed)
    rows = []
    for generator, (width, height) in SIZES.items():
        for i in range(images):
            labels = [
                {
                    "label": str(rng.choice(CATEGORIES)),
                    "points": (rng.uniform(-0.1, 1.05, (int(rng.integers(3, 7)), 2)) * (width, height)).tolist(),
                }
                for _ in range(rng.integers(1, 7))
            ]
            size = {"width": width, "height": height}
            image = {"bytes": b"never decoded", "path": None}
            labels = None if i == 0 else [] if i == 1 else labels
            rows.append({"image": image, "generator": generator, "uid": f"u{i}", "labels": labels} | size)
    return rows


def write_parquet(rows: list[dict[str, Any]], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path, row_group_size=4)
    return path


def write_masks(rows: list[dict[str, Any]], root: Path, task: str, frame: dict[str, Any], seed: int = 1) -> Path:
    """Masks in every form: several, none, zero, colour, alpha, 16 bits, palette, JPEG, hidden, ``.PNG``."""
    rng = np.random.default_rng(seed)
    for row in rows:
        options = {"size": None, "short_side": None, "crop": None} | frame
        shape = official.into_frame(np.zeros((row["height"], row["width"]), np.uint8), **options).shape
        for category in CATEGORIES if task == "fine-grained" else ("",):
            folder = root / row["generator"] / category / row["uid"]
            kind = rng.integers(10)
            if kind == 0:
                continue
            folder.mkdir(parents=True)
            grey = rng.integers(0, 256, shape).astype(np.uint8)
            rgb = rng.integers(0, 256, (*shape, 4)).astype(np.uint8)
            pictures = {
                2: [Image.fromarray(grey * 0)],
                3: [Image.fromarray(rgb[..., :3])],
                4: [Image.fromarray(rgb), Image.fromarray(grey)],
                5: [Image.fromarray(rng.integers(0, 65536, shape).astype(np.uint16))],
                6: [Image.fromarray(grey > 200)],
                7: [Image.fromarray(rgb[..., :3]).quantize(9)],
            }.get(int(kind), [] if kind == 1 else [Image.fromarray(grey)])
            for n, picture in enumerate(pictures):
                name, format = (f".{n}.png", "png") if kind == 9 else (f"{n}.png", "jpeg" if kind == 8 else "png")
                picture.save(folder / name, format)
            Image.fromarray(grey).save(folder / "upper.PNG", format="png")
    return root


def make_boxes(rows: list[dict[str, Any]], seed: int = 2) -> str:
    """Boxes around polygons, random ones, invalid ones and one twice."""
    rng = np.random.default_rng(seed)
    lines = ["generator,uid,category,x_min,y_min,x_max,y_max"]
    for row in rows:
        for label in (row["labels"] or [])[:4]:
            points = np.array(label["points"])
            box = [*points.min(0), *points.max(0)]
            shrunk = [*points.mean(0), *(points.mean(0) + 3)]
            for corners in (box, shrunk, rng.uniform(-4, 60, 4), shrunk):
                name = label["label"] if rng.random() < 0.8 else str(rng.choice(CATEGORIES))
                lines.append(f"{row['generator']},{row['uid']},{name},{','.join(str(float(c)) for c in corners)}")
        lines.append(f"{row['generator']},{row['uid']},{CATEGORIES[0]},-1,0,2,2")
    return "\n".join(lines) + "\n"


def frame_of(options: dict[str, Any]) -> Frame:
    return Frame(options.get("size"), options.get("short_side"), options.get("crop"))


@pytest.mark.parametrize("task", ["category-agnostic", "fine-grained"])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("threshold", [127, 0, 254])
def test_pixel_tables_are_the_official_bytes(tmp_path: Path, task: str, frame: dict, threshold: int) -> None:
    rows = make_rows()
    data = write_parquet(rows, tmp_path / "labeled_test-00000-of-00001.parquet")
    root = write_masks(rows, tmp_path / "masks", task, frame)
    scores = score_pixels(
        read_images([data]), root, task=task, frame=frame_of(frame), prediction_threshold=threshold, workers=2
    )
    expected = official.pixel_tables(rows, root, task, threshold=threshold, **frame)
    for name, ours, theirs in zip("ab", (scores.overall, scores.per_generator), expected, strict=True):
        write_rows(ours, tmp_path / name)
        assert (tmp_path / name).read_bytes() == official.csv_text(theirs).encode()
    assert 0 < sum(row["PixR"] for row in scores.overall) < len(scores.overall)


@pytest.mark.parametrize("overlap", [0.5, 0, 0.25])
def test_instance_tables_are_the_official_bytes(tmp_path: Path, overlap: float) -> None:
    rows = make_rows(images=8)
    data = write_parquet(rows, tmp_path / "d.parquet")
    (tmp_path / "boxes.csv").write_text(make_boxes(rows))
    scores = score_instances(read_images([data]), tmp_path / "boxes.csv", overlap_threshold=overlap)
    expected = official.instance_tables(rows, make_boxes(rows), overlap)
    for name, ours, theirs in zip("ab", (scores.overall, scores.per_generator), expected, strict=True):
        write_rows(ours, tmp_path / name)
        assert (tmp_path / name).read_bytes() == official.csv_text(theirs).encode()
    columns = "generator,category,P@{0:g},R@{0:g},F1@{0:g},TP,FP,FN,evaluated_images,zero_prediction_images"
    header = (tmp_path / "a").read_text().splitlines()[0]
    assert header == columns.format(overlap) + ",invalid_prediction_boxes"
    assert min(scores.overall[0][name] for name in ("TP", "FP", "FN", "invalid_prediction_boxes")) > 0


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), workers=st.sampled_from([1, 3]), order=st.randoms(use_true_random=False))
def test_order_and_threads_do_not_matter_and_generators_add_up(tmp_path_factory, seed, workers, order) -> None:
    folder = tmp_path_factory.mktemp("world")
    rows = make_rows(seed, images=3)
    root = write_masks(rows, folder / "masks", "fine-grained", {}, seed)
    boxes = make_boxes(rows, seed).splitlines()
    (folder / "boxes.csv").write_text("\n".join(boxes))
    images = read_images([write_parquet(rows, folder / "d.parquet")])
    scores = score_pixels(images, root, task="fine-grained", workers=1), score_instances(images, folder / "boxes.csv")
    for number, row in enumerate(scores[1].overall):
        parts = [part for part in scores[1].per_generator if part["category"] == row["category"]]
        for name in ("TP", "FP", "FN", "evaluated_images", "zero_prediction_images", "invalid_prediction_boxes"):
            assert sum(part[name] for part in parts) == row[name]
        assert scores[0].overall[number]["evaluated_images"] == row["evaluated_images"] == len(rows)
    order.shuffle(rows)
    shuffled = [boxes[0], *order.sample(boxes[1:], len(boxes) - 1)]
    (folder / "boxes.csv").write_text("\n".join(shuffled))
    again = read_images([write_parquet(part, folder / f"{i}.parquet") for i, part in enumerate((rows[:4], rows[4:]))])
    assert score_pixels(again, root, task="fine-grained", workers=workers) == scores[0]
    assert score_instances(again, folder / "boxes.csv", workers=workers) == scores[1]


def test_colour_masks_are_greyed_as_libpng_does(tmp_path: Path) -> None:
    """Fixed-point weights without rounding, so that 127.9 is not above 127."""
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    grey = (rgb.astype(int) @ [9797, 19234, 3737]) >> 15
    for threshold in (0, 100, 127, 255):
        mask = read_mask([tmp_path / "a.png"], (64, 64), threshold=threshold)
        np.testing.assert_array_equal(mask, np.where(grey > threshold, 255, 0))


def test_the_high_byte_of_16_bits_counts_and_alpha_does_not(tmp_path: Path) -> None:
    deep = np.array([[0x7FFF, 0x8000], [0x80FF, 0x0100]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert read_mask([tmp_path / "deep.png"], (2, 2), threshold=127).tolist() == [[0, 255], [255, 0]]
    clear = np.array([[[255, 255, 255, 0], [0, 0, 0, 255]]], np.uint8)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert read_mask([tmp_path / "clear.png"], (2, 1), threshold=127).tolist() == [[255, 0]]


@pytest.mark.parametrize("format", ["jpeg", "bmp", "tiff", "webp"])
def test_the_content_of_a_mask_tells_its_format(format: str, tmp_path: Path) -> None:
    grey = np.zeros((16, 24), np.uint8)
    grey[4:12, 8:20] = 255
    Image.fromarray(grey).convert("RGB").save(tmp_path / "a.png", format)
    np.testing.assert_array_equal(read_mask([tmp_path / "a.png"], (24, 16), threshold=127), grey)
    with pytest.raises(SynthscopeError, match="Expected a mask of 16x24, got 24x16 in .*a.png"):
        read_mask([tmp_path / "a.png"], (16, 24), threshold=127)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """One image of 8x8 with the triangle, and the mask that covers everything."""
    row = {"image": None, "generator": "g", "uid": "u", "labels": TRIANGLE, "width": 8, "height": 8}
    write_parquet([row], tmp_path / "d.parquet")
    (tmp_path / "masks/g/u").mkdir(parents=True)
    Image.new("L", (8, 8), 255).save(tmp_path / "masks/g/u/0.png")
    return tmp_path


def pixel_error(world: Path, *, task: str = "category-agnostic", frame: Frame | None = None) -> str:
    with pytest.raises(SynthscopeError) as error:
        score_pixels(read_images([world / "d.parquet"]), world / "masks", task=task, frame=frame)
    return str(error.value)


def test_prediction_folders_that_belong_to_nothing(world: Path) -> None:
    masks = world / "masks"
    for folder in ("g/other", "other", "g/high-level-semantics"):
        (masks / folder).mkdir()
        assert str(masks / folder) in pixel_error(world)
        shutil.rmtree(masks / folder)
    (masks / "g/high-level-semantics").mkdir()
    assert "--task fine-grained" in pixel_error(world)
    shutil.rmtree(masks / "g/high-level-semantics")
    assert "Choose one of: cognitive-level-commonsense" in pixel_error(world, task="fine-grained")
    shutil.copy(masks / "g/u/0.png", masks / "g/u.png")
    assert "generator/uid/*.png" in pixel_error(world)
    (masks / "g/u.png").rename(masks / "notes.txt")
    (masks / ".cache").mkdir()
    found = find_masks(masks, read_images([world / "d.parquet"]), task="category-agnostic")
    assert found == ({("g", "u"): [masks / "g/u/0.png"]}, 0)
    shutil.rmtree(masks / "g/u")
    (masks / "g/u").write_text("")
    assert "got the file" in pixel_error(world)
    shutil.rmtree(masks)
    assert "Check --prediction-root" in pixel_error(world)


def test_masks_that_cannot_be_scored(world: Path) -> None:
    file = world / "masks/g/u/0.png"
    assert f"Expected a mask of 4x6, got 8x8 in {file}" in pixel_error(world, frame=Frame(center_crop=(4, 6)))
    assert f"Expected a mask of 16x4, got 8x8 in {file}" in pixel_error(world, frame=Frame((16, 4)))
    assert "within 8x8" in pixel_error(world, frame=Frame(center_crop=(9, 8)))
    whole = file.read_bytes()
    for broken in (whole[:40], whole[:-12], b"", b"\xff\xd8\xff" + whole):
        file.write_bytes(broken)
        assert f"Expected a whole image in {file}" in pixel_error(world)
    huge = whole[:16] + (2**31 - 1).to_bytes(4) * 2 + whole[24:]
    file.write_bytes(huge)
    assert "got 2147483647x2147483647" in pixel_error(world)
    file.unlink()
    file.mkdir()
    assert f"Expected an image file, got {file}" in pixel_error(world)


@pytest.mark.parametrize("task", ["category-agnostic", "fine-grained"])
def test_masks_of_other_images_can_be_passed_over(task: str, tmp_path: Path) -> None:
    """The official scripts look up what they need, so the restated ones are given the same folder."""
    rows = make_rows()
    root = write_masks(rows, tmp_path / "masks", task, {})
    category = CATEGORIES[0] if task == "fine-grained" else ""
    others = [root / "one-raw" / category / "u9", root / "one-raw/none/u0", root / "four-raw" / category / "u0"]
    for number, folder in enumerate(others):
        folder.mkdir(parents=True)
        for n in range(number):
            Image.new("L", (9, 9), 255).save(folder / f"{n}.png")
    Image.new("L", (9, 9), 255).save(root / "one-raw/stray.png")
    data = write_parquet(rows, tmp_path / "d.parquet")
    scores = score_pixels(read_images([data]), root, task=task, unknown="ignore")
    assert (scores.overall, scores.per_generator) == official.pixel_tables(rows, root, task)
    assert scores.ignored == 0 + 1 + 2 + 1
    with pytest.raises(SynthscopeError, match="--unknown ignore"):
        score_pixels(read_images([data]), root, task=task)


def test_boxes_of_other_images_can_be_passed_over(tmp_path: Path) -> None:
    """Invalid boxes of images in the data count, artifacts or none; of others not even invalid ones do."""
    rows = make_rows()
    boxes = make_boxes(rows)
    boxes += "".join(f"one-raw,u9,{CATEGORIES[0]},{x},0,3,3\n" for x in (1, -1)) + f"x,u1,{CATEGORIES[2]},0,0,9,9\n"
    (tmp_path / "boxes.csv").write_text(boxes)
    images = read_images([write_parquet(rows, tmp_path / "d.parquet")])
    scores = score_instances(images, tmp_path / "boxes.csv", unknown="ignore")
    assert (scores.overall, scores.per_generator) == official.instance_tables(rows, boxes)
    assert scores.ignored == 3
    with pytest.raises(SynthscopeError, match="uid 'u9' .*--unknown ignore"):
        score_instances(images, tmp_path / "boxes.csv")
    for wrong in (f"x,u1,{CATEGORIES[2]},0,0,9,wide\n", "x,u1,low-level-colour,0,0,9,9\n"):
        (tmp_path / "boxes.csv").write_text(boxes + wrong)
        with pytest.raises(SynthscopeError, match="row "):
            score_instances(images, tmp_path / "boxes.csv", unknown="ignore")


def test_options_out_of_range(world: Path) -> None:
    images = read_images([world / "d.parquet"])
    with pytest.raises(UsageError, match="Did you mean fine-grained"):
        score_pixels(images, world / "masks", task="fine_grained")
    with pytest.raises(UsageError, match="error or ignore for unknown images, got 'ignored'. Did you mean ignore"):
        score_pixels(images, world / "masks", task="fine-grained", unknown="ignored")
    for threshold in (-1, 256):
        with pytest.raises(UsageError, match="0 to 255"):
            score_pixels(images, world / "masks", task="fine-grained", prediction_threshold=threshold)
    for overlap in (-0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match="0 to 1"):
            score_instances(images, world / "none.csv", overlap_threshold=overlap)


HEADER = "generator,uid,category,x_min,y_min,x_max,y_max\n"
BAD_BOXES = [
    (f"g,u,{CATEGORIES[0]},0,0,1,1\ng,u,low-level-colour,0,0,1,1\n", "row 3. Did you mean low-level-color"),
    (f"g,v,{CATEGORIES[0]},0,0,1,1\n", "generator 'g', uid 'v' in"),
    (f"g,u,{CATEGORIES[0]},0,0,1\n", "four numbers, got 0, 0, 1, None"),
    (f"g,u,{CATEGORIES[0]},0,0,1,wide\n", "row 2"),
]


@pytest.mark.parametrize(("lines", "sentence"), BAD_BOXES)
def test_boxes_that_cannot_be_scored(world: Path, lines: str, sentence: str) -> None:
    (world / "boxes.csv").write_text(HEADER + lines)
    with pytest.raises(SynthscopeError, match="boxes.csv") as error:
        score_instances(read_images([world / "d.parquet"]), world / "boxes.csv")
    assert sentence in str(error.value)


def test_files_of_boxes_that_are_none(world: Path) -> None:
    images = read_images([world / "d.parquet"])
    (world / "boxes.csv").write_text("generator,uid\n")
    for file, sentence in (("boxes.csv", "column 'category'"), ("no.csv", "no.csv"), ("d.parquet", "d.parquet")):
        with pytest.raises(SynthscopeError, match=sentence):
            score_instances(images, world / file)
    (world / "boxes.csv").write_text("\ufeff" + HEADER, encoding="utf-8")  # spreadsheets put a mark at the beginning
    assert score_instances(images, world / "boxes.csv").overall[0]["FN"] == 1


BAD_ROWS = [
    ({"labels": [{"label": None, "points": None}]}, "category, got None in .*row 2"),
    ({"labels": [TRIANGLE[0] | {"label": "low-level-text"}]}, "row 2. Did you mean low-level-"),
    ({"labels": [TRIANGLE[0] | {"points": [[1.0, 1.0], [2.0, 2.0], [3.0]]}]}, "row 2, generator 'h'.*at least 3"),
    ({"generator": "g"}, "once, got generator 'g', uid 'u' again in .*row 2"),
    ({"width": None}, "got None x 8 in .*row 2"),
    ({"width": 10**7, "height": 10**7}, "row 2"),
    ({"uid": None}, "row 2"),
]


@pytest.mark.parametrize(("change", "sentence"), BAD_ROWS)
def test_data_that_cannot_be_scored(tmp_path: Path, change: dict, sentence: str) -> None:
    row = {"image": None, "generator": "g", "uid": "u", "labels": TRIANGLE, "width": 8, "height": 8}
    file = write_parquet([row, row | {"generator": "h"} | change], tmp_path / "d.parquet")
    with pytest.raises(SynthscopeError, match=sentence):
        read_images([file])


def test_folders_and_splits(tmp_path: Path) -> None:
    row = {"image": None, "generator": "g", "uid": "u", "labels": TRIANGLE, "width": 8, "height": 8}
    with pytest.raises(SynthscopeError, match=r"Parquet files .* got none"):
        read_images([tmp_path])
    for split, uids in {"labeled_test": "ab", "labeled_train": "c", "unlabeled_test": "d"}.items():
        for i, uid in enumerate(uids):
            labels = None if split == "unlabeled_test" else TRIANGLE
            path = tmp_path / "data" / f"{split}-0000{i}-of-0000{len(uids)}.parquet"
            write_parquet([row | {"uid": uid, "labels": labels}], path)
    with pytest.raises(SynthscopeError, match=r"got labeled_test, labeled_train\. Choose one with --split"):
        read_images([tmp_path])
    with pytest.raises(UsageError, match="Did you mean labeled_test"):
        read_images([tmp_path], split="labelled_test")
    assert [image.uid for image in read_images([tmp_path], split="labeled_test")] == ["a", "b"]
    assert len(read_images([tmp_path / "data"], split="labeled_train")) == 1
    with pytest.raises(SynthscopeError, match="unlabelled split"):
        read_images([tmp_path], split="unlabeled_test")
    for wrong in (tmp_path / "none", tmp_path / "x.parquet"):
        (tmp_path / "x.parquet").write_bytes(b"PAR1")
        with pytest.raises(SynthscopeError, match=wrong.name):
            read_images([wrong])


def test_an_annotation_table_scores_the_same(tmp_path: Path) -> None:
    rows = make_rows()
    regions = []
    for row in rows:
        image = {name: row[name] for name in ("generator", "uid", "width", "height")}
        found = [(label["label"], "polygon", [label["points"]]) for label in row["labels"] or []]
        for region, (category, kind, polygons) in enumerate(found or [(None, None, None)]):
            known = {"category": category, "gt_kind": kind, "polygons": polygons}
            regions.append(image | {"region": region if found else None} | known)
    polygons = pa.list_(pa.list_(pa.list_(pa.float64())))
    text = {name: pa.string() for name in ("generator", "uid", "category", "gt_kind")}
    numbers = {name: pa.int32() for name in ("width", "height", "region")}
    schema = pa.schema(text | numbers | {"polygons": polygons})
    pq.write_table(pa.Table.from_pylist(regions, schema), tmp_path / "annotations.parquet")
    (tmp_path / "boxes.csv").write_text(make_boxes(rows))
    both = [
        score_instances(read_images([file]), tmp_path / "boxes.csv")
        for file in (tmp_path / "annotations.parquet", write_parquet(rows, tmp_path / "d.parquet"))
    ]
    assert both[0] == both[1]
    regions[-1]["gt_kind"] = "box"
    pq.write_table(pa.Table.from_pylist(regions, schema), tmp_path / "annotations.parquet")
    with pytest.raises(SynthscopeError, match="gt_kind 'box'"):
        read_images([tmp_path / "annotations.parquet"])


def test_the_commands(world: Path) -> None:
    overall, each = world / "out/overall.csv", world / "out/each.csv"
    data = ["--data", str(world / "d.parquet"), "--output-overall", str(overall), "--output-per-generator", str(each)]
    masks = ["--prediction-root", str(world / "masks"), "--task", "category-agnostic"]
    result = CliRunner().invoke(xaigd_metrics, ["pixel", *data, *masks, "--prediction-threshold", "100"])
    assert result.exit_code == 0, result.output
    header = "generator,task,category,IoU,PixP,PixR,PixF1,evaluated_images,zero_prediction_images\n"
    line = "category-agnostic,all,0.234375,0.234375,1.0,0.379746835443038,1,0\n"
    assert (overall.read_text(), each.read_text()) == (f"{header}all,{line}", f"{header}g,{line}")
    assert result.stdout.splitlines()[-1].split()[3:5] == ["0.2344", "0.2344"]
    Image.new("L", (2, 4), 255).save(world / "masks/g/u/0.png")
    sizes = ["--resize-size", "4", "8", "--center-crop", "2", "4"]
    assert CliRunner().invoke(xaigd_metrics, ["pixel", *data, *masks, *sizes]).exit_code == 0
    (world / "boxes.csv").write_text(HEADER + f"g,u,{CATEGORIES[0]},1,1,3,3\n")
    result = CliRunner().invoke(xaigd_metrics, ["instance", *data, "--prediction-csv", str(world / "boxes.csv")])
    assert result.exit_code == 0, result.output
    assert overall.read_text().splitlines()[1] == f"all,{CATEGORIES[0]},1.0,1.0,1.0,1,0,0,1,0,0"
    assert len(each.read_text().splitlines()) == 8
    with (world / "boxes.csv").open("a") as lines:
        lines.write(f"g,v,{CATEGORIES[0]},1,1,3,3\n")
    again = ["instance", *data, "--prediction-csv", str(world / "boxes.csv")]
    assert "--unknown ignore" in str(CliRunner().invoke(xaigd_metrics, again).exception)
    result = CliRunner().invoke(xaigd_metrics, [*again, "--unknown", "ignore"])
    assert result.exit_code == 0 and "ignored, for images outside of the data: 1 predictions" in result.stderr
    assert overall.read_text().splitlines()[1] == f"all,{CATEGORIES[0]},1.0,1.0,1.0,1,0,0,1,0,0"
    assert sorted(file.name for file in overall.parent.iterdir()) == ["each.csv", "overall.csv"]
