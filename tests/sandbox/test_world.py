"""The sandbox as a folder: the layouts of the real data sets, whole and the same every time."""

import io
import re

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synthscope.data.images import read_rgb
from synthscope.errors import SynthscopeError, UsageError
from synthscope.sandbox import build_sandbox
from synthscope.sandbox.artifacts import FREQUENCIES
from synthscope.sandbox.generators import GENERATORS
from synthscope.sandbox.layouts import LABELLED_IN_TRAINING
from synthscope.sandbox.objects import THINGS

SMALL = {"size": 64, "classes": 3, "train": 6, "val": 4, "seed": 5}
AI = re.compile(r"^(\d{3})_([a-z0-9_]+)_(\d{5})\.png$")
NATURE = {"train": re.compile(r"^(n\d{8})_(\d+)\.JPEG$"), "val": re.compile(r"^ILSVRC2012_val_(\d{8})\.JPEG$")}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    return build_sandbox(tmp_path_factory.mktemp("sandbox") / "raw", **SMALL, workers=1)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    return build_sandbox(
        tmp_path_factory.mktemp("sandbox") / "aligned", **SMALL, formats="aligned", fingerprint=False, workers=1
    )


def tree(folder):
    return {file.relative_to(folder): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_same_bytes_on_any_number_of_workers(sandbox, tmp_path):
    again = build_sandbox(tmp_path / "again", **SMALL, workers=2)
    assert tree(again.folder) == tree(sandbox.folder)
    assert (again.real, again.ai, again.regions) == (sandbox.real, sandbox.ai, sandbox.regions)
    assert [entry.name for entry in tmp_path.iterdir()] == ["again"]  # no working folder is left


def test_another_seed_gives_other_pictures(sandbox, tmp_path):
    other = build_sandbox(tmp_path / "other", **SMALL | {"seed": 6, "train": 3, "val": 1}, workers=1)
    ours, theirs = tree(sandbox.genimage), tree(other.genimage)
    shared = ours.keys() & theirs.keys()
    assert len(shared) >= 4 * len(GENERATORS)
    assert all(ours[name] != theirs[name] for name in shared)


def test_genimage_names(sandbox):
    seen = set()
    for generator in GENERATORS:
        for split in ("train", "val"):
            folder = sandbox.genimage / generator / f"imagenet_sandbox_{generator}" / split
            fakes = [AI.match(file.name) for file in (folder / "ai").iterdir()]
            assert len(fakes) == SMALL[split]
            assert {match[2] for match in fakes} == {generator}
            assert {int(match[1]) for match in fakes} == {thing.class_index for thing in THINGS[:3]}
            reals = [file.name for file in (folder / "nature").iterdir()]
            assert len(reals) == SMALL[split] and all(NATURE[split].match(name) for name in reals)
            assert seen.isdisjoint(reals)  # photographs are not shared between subsets
            seen.update(reals)
    daisies = list(sandbox.genimage.glob("*/*/train/nature/n11939491_*"))
    assert len(daisies) == len(GENERATORS) * 2


def test_raw_files_tell_the_label_and_aligned_files_do_not(sandbox, aligned):
    def facts(report):
        found = {"ai": set(), "nature": set()}
        for file in report.genimage.rglob("*/*"):
            if file.is_file():
                with Image.open(file) as image:
                    quantisation = tuple(image.quantization[0]) if image.format == "JPEG" else None
                    found[file.parent.name].add((image.format, image.size, quantisation))
        return found["ai"], found["nature"]

    ai, nature = facts(sandbox)
    assert {fact[0] for fact in ai} == {"PNG"} and {fact[0] for fact in nature} == {"JPEG"}
    assert len({fact[1] for fact in nature}) > len({fact[1] for fact in ai})
    ai, nature = facts(aligned)
    assert ai == nature and len(ai) == 1


def test_one_layout_alone_has_the_same_pictures(sandbox, tmp_path):
    for name in ("genimage", "xaigd"):
        alone = build_sandbox(tmp_path / name, **SMALL, layouts=name, workers=1)
        whole = {path: data for path, data in tree(sandbox.folder).items() if path.parts[0] == name}
        assert {path: data for path, data in tree(alone.folder).items() if path.name != "sandbox.json"} == whole
    with pytest.raises(UsageError, match="layouts of the sandbox to be genimage, xaigd or both, got 'coco'"):
        build_sandbox(tmp_path / "none", **SMALL, layouts="coco")


def test_xaigd_tables(sandbox):
    labels = pa.list_(pa.struct({"label": pa.string(), "points": pa.list_(pa.list_(pa.float64()))}))
    text, whole = pa.string(), pa.int64()
    schema = {
        "image": pa.struct({"bytes": pa.binary(), "path": text}),
        "generator": text, "uid": text, "labels": labels,
        "original_prompt": text, "positive_prompt": text, "negative_prompt": text,
        "guidance_scale": pa.float64(), "num_inference_steps": whole, "scheduler": text, "seed": whole,
        "width": whole, "height": whole, "image_format": text, "jpeg_quality": whole, "chroma_subsampling": text,
    }  # fmt: skip
    tables = {}
    for split in ("train", "test"):
        file = sandbox.xaigd / "data" / f"labeled_{split}-00000-of-00001.parquet"
        assert pq.read_schema(file).equals(pa.schema(schema))
        tables[split] = pl.read_parquet(file)
    assert set(tables["train"]["generator"]) == set(LABELLED_IN_TRAINING)
    assert set(tables["test"]["generator"]) == set(GENERATORS)
    assert set(tables["train"]["uid"]).isdisjoint(tables["test"]["uid"])
    both = pl.concat(tables.values())
    assert not both.select("generator", "uid").is_duplicated().any()
    photographs = pl.read_csv(sandbox.xaigd / "real_image_metadata.csv")
    assert set(photographs["uid"]) == set(both["uid"])
    for row in both.join(photographs, on="uid", suffix="_real").iter_rows(named=True):
        assert Image.open(io.BytesIO(row["image"]["bytes"])).size == (row["width"], row["height"])
        assert row["original_prompt"] == row["caption"] and row["jpeg_quality"] == row["jpeg_quality_real"]
        assert read_rgb(sandbox.xaigd / "real" / row["file_name"]).shape == (row["height_real"], row["width_real"], 3)


def test_every_polygon_lies_in_its_picture(sandbox):
    annotations = pl.read_parquet(sandbox.genimage / "annotations.parquet")
    rows = [
        (row["labels"], Image.open(sandbox.genimage / row["path"]).size) for row in annotations.iter_rows(named=True)
    ]
    for file in sorted((sandbox.xaigd / "data").iterdir()):
        rows += [(row["labels"], (row["width"], row["height"])) for row in pl.read_parquet(file).iter_rows(named=True)]
    assert len(rows) == sandbox.ai
    counts = dict.fromkeys(FREQUENCIES, 0)
    for labels, size in rows:
        for label in labels:
            points = np.array(label["points"])
            assert len(points) >= 3 and (points >= 0).all() and (points <= size).all()
            counts[label["label"]] += 1
    assert {label: count for label, count in counts.items() if count} == sandbox.regions
    assert all(counts.values())
    assert 0.6 < np.mean([bool(labels) for labels, _ in rows]) < 0.95


def test_without_artifacts_there_are_no_labels(tmp_path):
    tiny = SMALL | {"train": 1, "val": 1, "fingerprint": False}
    report = build_sandbox(tmp_path / "sound", **tiny, artifacts=False, workers=1)
    assert report.regions == {}
    assert pl.read_parquet(report.genimage / "annotations.parquet")["labels"].list.len().sum() == 0


def test_a_folder_is_reused_for_the_same_settings_only(sandbox):
    stamps = {file: file.stat().st_mtime_ns for file in sandbox.folder.rglob("*")}
    assert build_sandbox(sandbox.folder, **SMALL, workers=2) == sandbox
    assert {file: file.stat().st_mtime_ns for file in sandbox.folder.rglob("*")} == stamps
    with pytest.raises(SynthscopeError, match="another seed, fingerprint"):
        build_sandbox(sandbox.folder, **SMALL | {"seed": 9}, fingerprint=False)


def test_foreign_folders_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SynthscopeError, match="Expected an empty folder"):
        build_sandbox(tmp_path, **SMALL)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_failed_build_leaves_nothing(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("synthscope.sandbox.writer.Writer.finish", fail)
    with pytest.raises(SynthscopeError, match="Expected to write .*disk full"):
        build_sandbox(tmp_path / "out", **SMALL | {"train": 1, "val": 1}, fingerprint=False, workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"size": 100}, {"size": 56}, {"classes": 0}, {"classes": 13}, {"train": 0}, {"val": 0}, {"artifacts": 1.5},
     {"formats": "webp"}, {"workers": 0}],
)  # fmt: skip
def test_values_out_of_range(tmp_path, wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        build_sandbox(tmp_path / "out", **wrong)
    assert list(tmp_path.iterdir()) == []
