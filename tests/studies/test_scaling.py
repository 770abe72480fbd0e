"""The grid of training sets: nested balanced samples, cells that resume, published figures beside the same cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform
from synthscope.studies.scaling.study import Cell, sample_cell, scaling
from synthscope.studies.scaling.table import TABLE_6, TABLE_7, published, scaling_table, summarise
from synthscope.training.config import TrainConfig

CONFIG = TrainConfig.model_validate(
    {
        "name": "tiny",
        "detector": {"architecture": "cnn_small", "options": {"width": 4}, "input": {"crop": 32}},
        "data": {"holdout": 0.25},
        "augment": {"steps": [{"step": "random_crop"}]},
        "optimizer": {"lr": 0.01},
        "epochs": 2,
        "batch_size": 8,
        "precision": "fp32",
    }
)


def rows_of(classes: int, per_class: int, reals: int, subsets: tuple[str, ...] = ("a", "b")) -> pl.DataFrame:
    """Names only; ``reals`` real images a class and subset."""
    rows = []
    for subset in subsets:
        for index in range(classes):
            for label, count in ((1, per_class), (0, reals)):
                for i in range(count):
                    path = f"/x/{subset}/{'ai' if label else 'nature'}/{index:03}_{i:04}.png"
                    rows.append(
                        {"path": path, "label": label, "subset": subset, "class_index": index, "split": "train"}
                    )
    return conform(pl.DataFrame(rows), MANIFEST, "test")


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 50))
def test_samples_are_exact_balanced_and_nested(classes: int, per_class: int, seed: int) -> None:
    table = rows_of(6, 4, 5)
    cell = sample_cell(table.sample(fraction=1, shuffle=True, seed=seed), Cell(classes, per_class, seed))
    ai, real = cell.filter(label=1), cell.filter(label=0)
    assert ai.height == classes * per_class == real.height
    assert ai["class_index"].value_counts()["count"].to_list() == [per_class] * classes
    assert set(real["class_index"]) == set(ai["class_index"])
    turns = ai.group_by("class_index").agg(a=(pl.col("subset") == "a").sum().cast(pl.Int64))["a"]
    assert (2 * turns - per_class).abs().max() in (0, 1)  # generators take turns
    whole = sample_cell(table, Cell(6, 8, seed))
    for one, all_ in ((ai, whole.filter(label=1)), (real, whole.filter(label=0))):
        assert set(one["path"]) <= set(all_["path"])
    assert set(cell["path"]) == set(sample_cell(table, Cell(classes, per_class, seed))["path"])


def test_seeds_differ_and_gaps_are_named() -> None:
    table = rows_of(6, 4, 5)
    assert set(sample_cell(table, Cell(3, 2, 0))["path"]) != set(sample_cell(table, Cell(3, 2, 1))["path"])
    with pytest.raises(SynthscopeError, match="Expected 7 classes with 2 AI images each, got 6"):
        sample_cell(table, Cell(7, 2, 0))
    with pytest.raises(SynthscopeError, match="Expected 48 real images"):
        sample_cell(rows_of(6, 4, 3), Cell(6, 8, 0))
    short = rows_of(4, 5, 5).filter((pl.col("label") == 1) | (pl.col("path") != "/x/a/nature/000_0000.png"))
    assert (sample_cell(short, Cell(4, 10, 0))["label"] == 0).sum() == 39  # as GenImage, 2.5 % fewer real images
    nameless = table.with_columns(class_index=pl.when(pl.col("label") == 1).then(pl.col("class_index")))
    assert (sample_cell(nameless, Cell(3, 4, 0))["label"] == 0).sum() == 12


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    root, rng = tmp_path_factory.mktemp("world"), np.random.default_rng(0)
    rows = []
    for subset in ("one", "stable_diffusion_v_1_4"):
        for split, n in (("train", 12), ("val", 4)):
            for label in (0, 1):
                for i in range(n):
                    pixels = rng.integers(90, 160, (36, 36, 3), dtype=np.uint8)
                    pixels[:, :: 2 if label else 40] //= 2
                    path = root / f"{subset}_{split}_{label}_{i:02}.png"
                    Image.fromarray(pixels).save(path)
                    row = {"path": str(path), "label": label, "subset": subset, "split": split, "generator": subset}
                    rows.append(row | {"class_index": i % 3})
    return conform(pl.DataFrame(rows), MANIFEST, "test")


def test_grid_resumes_and_names_what_is_missing(world: pl.DataFrame, tmp_path: Path) -> None:
    grid = {"classes": [2, 3], "per_class": [4, 99], "seeds": 2}
    runs, left_out = scaling(CONFIG, world, tmp_path, subset="one", **grid)
    assert runs.select("classes", "per_class", "seed", "test").rows() == [
        (classes, 4, seed, test) for classes in (2, 3) for seed in (0, 1) for test in ("identical", "cross")
    ]
    assert runs["train_ai"].to_list() == runs["train_real"].to_list() == [8] * 4 + [12] * 4
    assert runs.filter(test="identical")["n_ai"].unique().to_list() == [4]
    assert runs.filter(test="cross")["n_ai"].unique().to_list() == [8]
    assert len(left_out) == 2 and left_out[0].startswith("2 x 99 is left out: Expected 2 classes")
    times = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}
    assert len(times) == 4
    again, _ = scaling(CONFIG, world, tmp_path, subset="one", **grid)
    assert again.equals(runs) and times == {file: file.stat().st_mtime_ns for file in times}


def test_all_generators(world: pl.DataFrame, tmp_path: Path) -> None:
    runs, left_out = scaling(CONFIG, world, tmp_path, classes=[3], per_class=[8], seeds=1)
    assert runs["test"].to_list() == ["cross"] and left_out == []
    assert runs.row(0, named=True)["train_ai"] == 24


def test_mistakes_are_sentences(world: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean one"):
        scaling(CONFIG, world, tmp_path, subset="onee")
    with pytest.raises(UsageError, match="1 or more"):
        scaling(CONFIG, world, tmp_path, classes=[0])
    with pytest.raises(SynthscopeError, match="class_index"):
        scaling(CONFIG, world.with_columns(class_index=pl.lit(None, pl.Int32)), tmp_path)
    with pytest.raises(SynthscopeError, match="got none. 3 x 500"):
        scaling(CONFIG, world, tmp_path, classes=[3], per_class=[500])
    assert list(tmp_path.iterdir()) == []


def test_summary_and_published_figures() -> None:
    known = {"subset": "stable_diffusion_v_1_4", "classes": 10, "per_class": 160, "train_real": 1600}
    known |= {"train_ai": 1600, "n_real": 5, "n_ai": 5}
    runs = pl.DataFrame([
        known | {"seed": seed, "test": test, "value": value}
        for test, values in (("identical", (0.7, 0.72, 0.74)), ("cross", (0.6, 0.6, 0.6)))
        for seed, value in enumerate(values)
    ])  # fmt: skip
    summary = summarise(runs)
    first = summary.row(0, named=True)
    assert (first["accuracy"], first["published"], first["seeds"]) == (pytest.approx(0.72), 0.736, 3)
    half = 4.302653 * 0.02 / np.sqrt(3)  # Student's t with 2 degrees of freedom
    assert (first["ci_low"], first["ci_high"]) == pytest.approx((0.72 - half, 0.72 + half))
    assert summary["ci_low"][1] is None  # no width would claim certainty
    text = scaling_table(summary, ["9 x 9 is left out"]).to_text()
    assert "72.0 [67.0, 77.0]" in text and "73.6" in text and "60.9" in text and "9 x 9 is left out" in text
    assert published("all", (100, 1300), "cross") == TABLE_7[100, 1300] == 0.984
    assert published("SD V1.4", (1000, 162), "identical") == TABLE_6[1000, 162][0] == 0.999
    assert published("all", (10, 160), "cross") is None and published("wukong", (10, 160), "cross") is None
