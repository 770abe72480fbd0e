from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synthscope.config import load_recipe, recipe_names
from synthscope.errors import SynthscopeError, UsageError
from synthscope.evaluation.benchmark import BenchmarkConfig, benchmark, print_tables
from synthscope.evaluation.score import write_scores

VIEW = "crop:size=32|jpeg:q=96"
ROW = {
    "recipe": "cpu_small",
    "subsets": ["one"],
    "overrides": ["detector.input.crop=32", "steps=2", "batch_size=4", "data.holdout=0.25"],
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two generators with smooth real and striped AI images, in the GenImage layout."""
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for subset in ("one", "two"):
        for split, n in (("train", 8), ("val", 3)):
            for kind in ("ai", "nature"):
                place = root / subset / split / kind
                place.mkdir(parents=True)
                for i in range(n):
                    pixels = rng.integers(90, 160, (36, 40, 3), dtype=np.uint8)
                    pixels[:, :: 2 if kind == "ai" else 40] //= 2
                    Image.fromarray(pixels).save(place / (f"00{i}_x_0000{i}.png" if kind == "ai" else f"{i}.JPEG"))
    return f"genimage:{root}"


def config(**changes: object) -> BenchmarkConfig:
    return BenchmarkConfig.model_validate(
        {"title": "t", "train": [ROW], "views": ["none", VIEW], "resamples": 100, "conditions": ["none", "jpeg:q=50"]}
        | changes
    )


def test_matrix_of_views_conditions_and_detectors(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = benchmark(config(), tmp_path, source=source)
    counts = table.group_by("train_view", "view", "condition", "subset").len().sort(pl.all()).rows()
    raw, aligned = "none", VIEW
    assert counts == sorted(
        [(view, view, "none", subset, 6) for view in (raw, aligned) for subset in ("one", "two")]
        + [(raw, aligned, "none", subset, 6) for subset in ("one", "two")]  # what raw training is worth without format
        + [(view, view, "jpeg:q=50", "one", 6) for view in (raw, aligned)]  # degrade=own: the subset trained on
    )
    assert set(table["split"]) == {"val"} and table["error"].null_count() == table.height
    scores = pl.read_parquet(tmp_path / "scores.parquet")
    assert {"one", "two", "mean"} == set(scores["test_set"])
    assert set(pl.read_parquet(tmp_path / "audit.parquet")["view"]) == {raw, aligned}
    assert json.loads((tmp_path / "run.json").read_text())["recipe"]["train"][0]["subsets"] == ["one"]
    print_tables(tmp_path)
    assert "aligned view" in capsys.readouterr().out
    write_scores(tmp_path, n_resamples=100, compare=[("cpu_small.one.aligned", "cpu_small.one")])
    print_tables(tmp_path)
    assert "Difference in" in capsys.readouterr().out

    times = {file: file.stat().st_mtime_ns for file in (tmp_path / "detectors").rglob("*.safetensors")}
    parts = sorted((tmp_path / "parts").iterdir())
    assert benchmark(config(), tmp_path, source=source).equals(table)
    assert times == {file: file.stat().st_mtime_ns for file in times}
    assert parts == sorted((tmp_path / "parts").iterdir())


def test_all_subsets_degraded_trained_before_and_fewer_images(source: str, tmp_path: Path) -> None:
    benchmark(config(views=["none"]), tmp_path / "first", source=source)
    (detector,) = (tmp_path / "first" / "detectors").iterdir()
    changes = {"train": [], "detectors": [str(detector)], "views": ["none"], "degrade": "all", "max_per_class": 2}
    table = benchmark(config(**changes), tmp_path / "second", source=source)
    assert table.group_by("condition", "subset", "label").len()["len"].to_list() == [2] * 8
    assert table["train_set"].unique().to_list() == ["one"]


def test_clean_images_only(source: str, tmp_path: Path) -> None:
    table = benchmark(config(views=["none"], conditions=["none"]), tmp_path, source=source)
    assert table["condition"].unique().to_list() == ["none"]


def test_shared_real_images_and_odd_names(source: str, tmp_path: Path) -> None:
    from synthscope.data.manifest import load_manifest, save_manifest

    images = load_manifest(source).with_columns(
        subset=pl.when(pl.col("label") == 0).then(None).otherwise(pl.col("subset").replace("one", "../one"))
    )
    save_manifest(images, tmp_path / "m.parquet")
    row = ROW | {"subsets": ["../one"]}
    table = benchmark(config(train=[row], views=["none"]), tmp_path / "run", source=str(tmp_path / "m.parquet"))
    assert [folder.name for folder in (tmp_path / "run" / "detectors").iterdir()] == ["cpu_small..._one"]
    assert table.filter(condition="jpeg:q=50")["label"].value_counts(sort=True)["count"].to_list() == [6, 3]


def test_mistakes_are_sentences(source: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean one"):
        benchmark(config(train=[ROW | {"subsets": ["onee"]}]), tmp_path, source=source)
    with pytest.raises(UsageError, match="Expected images to run on"):
        benchmark(config(), tmp_path)
    with pytest.raises(UsageError, match="Expected detectors to train or to test"):
        benchmark(config(train=[]), tmp_path, source=source)
    with pytest.raises(SynthscopeError, match="split=test"):
        benchmark(config(test_where="split=test"), tmp_path, source=source)


@pytest.mark.parametrize("name", recipe_names("synthscope.evaluation"))
def test_shipped_recipes_are_valid_down_to_their_training_recipes(name: str) -> None:
    from synthscope.data.degrade import expand, parse_recipe
    from synthscope.training.config import TrainConfig

    recipe = load_recipe(BenchmarkConfig, name, package="synthscope.evaluation")
    assert [str(parse_recipe(view)) for view in recipe.views] == recipe.views
    assert "none" in expand(recipe.conditions)
    for row in recipe.train:
        load_recipe(TrainConfig, row.recipe, package="synthscope.training", overrides=row.overrides)
