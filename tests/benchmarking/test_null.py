"""The null world: whoever tells its classes apart has learnt how they are stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.run import benchmark
from synthscope.data.images import read_rgb
from synthscope.data.index import index
from synthscope.data.jpeg_header import read_compression
from synthscope.data.null_world import build_null_world
from synthscope.errors import SynthscopeError
from synthscope.tables.null import NULL, null_table, write_null
from tests.data.histories import picture, stored, tree

SMALL = [
    "steps=120", "data.holdout=0.2", "detector.input.crop=64", "detector.input.small=upscale", "batch_size=16",
]  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """A data set as they are: JPEG photographs of several cameras, lossless AI images."""
    files = {}
    for i in range(12):
        how = {"quality": 75 + 5 * (i % 5), "subsampling": 2 * (i % 2)}
        files[f"one/{'val' if i % 2 else 'train'}/nature/{i}.jpg"] = stored(picture(i, 112)[:96], "JPEG", **how)
    for i in range(280):
        files[f"one/{'val' if i % 2 else 'train'}/ai/{i}.png"] = stored(picture(100 + i, 112))
    return tree(tmp_path_factory.mktemp("images"), files)


def test_its_classes_are_the_same_pictures_stored_like_the_data_set(images: pl.DataFrame, tmp_path: Path) -> None:
    world = index(build_null_world(images, tmp_path))
    counts = world.group_by("split", "label", "format").len().sort("split", "label").rows()
    assert counts == [(split, *kind, 70) for split in ("train", "val") for kind in ((0, "JPEG"), (1, "PNG"))]
    ai = world.filter(label=1)
    originals = {Path(path).read_bytes() for path in images.filter(label=1)["path"]}
    assert {Path(path).read_bytes() for path in ai["path"]} <= originals
    steps = {read_compression(path).step for path in world.filter(label=0)["path"]}
    assert steps == {read_compression(path).step for path in images.filter(label=0)["path"]}
    assert set(world.filter(label=0).select("width", "height").rows()) == {(112, 96)}
    rgb = read_rgb(world.filter(label=0)["path"][0]).astype(int)
    near = [np.abs(rgb - read_rgb(path)[:96]).mean() for path in images.filter(label=1)["path"]]
    assert min(near) < 6  # a picture of the data set, compressed
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    build_null_world(images, tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    with pytest.raises(SynthscopeError, match="Expected lossless AI images and JPEG photographs, got 0 and 12"):
        build_null_world(images.filter(label=0), tmp_path / "none")


def test_nothing_tells_them_apart_in_the_aligned_view_and_everything_does_in_the_raw_one(
    images: pl.DataFrame, tmp_path: Path
) -> None:
    images.write_parquet(tmp_path / "m.parquet")
    config = BenchmarkConfig.model_validate(
        {"title": "t", "null_world": True, "train": [{"recipe": "cpu_small", "overrides": SMALL}], "subsets": ["null"],
         "conditions": ["none"], "resamples": 200}
    )  # fmt: skip
    benchmark(config, tmp_path / "run", source=str(tmp_path / "m.parquet"))
    table = write_null(tmp_path / "run")
    assert table.schema == NULL and table.height == 8
    assert set(table["look"]) == {"file attributes", "history of the pixels", "cnn_small", "spectrum_lr"}
    aligned = table.filter(view="aligned")
    assert not aligned["above_chance"].any(), aligned
    raw = dict(table.filter(view="none").select("look", "balanced_accuracy").rows())
    assert raw["file attributes"] > 0.95 and raw["history of the pixels"] > 0.9 and raw["cnn_small"] > 0.9
    assert "50 is right" in null_table(table).to_text()
