"""Floors: rows like any detector's, right where files give the label away and at chance where they don't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from synthscope.benchmarking.floors import fit_spectrum, measured, metadata_floor
from synthscope.benchmarking.run import benchmark
from synthscope.config import load_recipe
from synthscope.data.images import read_rgb
from synthscope.data.manifest import load_manifest, with_view
from synthscope.detectors.hub import load_detector
from synthscope.errors import SynthscopeError
from synthscope.report.page.answer import answer, ranked
from synthscope.schema import MANIFEST, PREDICTIONS, conform
from synthscope.tables.benchmark import cross_generator_matrix, degraded_table
from synthscope.tables.wording import by_training, floor_of, row_names
from synthscope.training.config import TrainConfig
from synthscope.training.data import choose
from tests.benchmarking.tiny_worlds import VIEW, build_world, config


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_world(tmp_path_factory.mktemp("images"))


def files(n: int, *, seed: int, honest: bool = False) -> pl.DataFrame:
    """Manifest rows: AI images are square, and compress better unless ``honest``."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    side = np.full(n, 256)
    rate = rng.normal(1.0, 0.1, n) - (0 if honest else 0.5 * label)
    return conform(
        pl.DataFrame({
            "path": [f"/{seed}/{i:04}" for i in range(n)], "label": label, "subset": "one", "split": "val",
            "generator": "g", "width": side, "height": side, "format": "JPEG", "jpeg_quality": 96,
            "bytes": (rate * side * side).astype(int), "view": "none",
        }),
        MANIFEST, "m",
    )  # fmt: skip


def right(table: pl.DataFrame) -> float:
    return float(((table["logit"] > 0) == (table["label"] == 1)).mean())  # type: ignore[arg-type]


def test_metadata_floor_reads_files_and_nothing_else() -> None:
    floor = metadata_floor("metadata.one", files(400, seed=1), files(200, seed=2), subset="one")
    assert floor.schema == PREDICTIONS and floor.height == 200 and right(floor) > 0.95
    assert floor["detector"].n_unique() == 1 and floor["detector"][0].startswith("metadata.one@")
    np.testing.assert_allclose(floor["p_ai"], 1 / (1 + np.exp(-floor["logit"].to_numpy())), rtol=1e-5)
    blind = metadata_floor("m", files(400, seed=1, honest=True), files(400, seed=2, honest=True), subset="one")
    assert 0.38 < right(blind) < 0.62
    assert blind["detector"][0].split("@")[1] != floor["detector"][0].split("@")[1]


def test_metadata_floor_is_the_same_in_any_order_and_balanced_over_classes() -> None:
    train, test = files(300, seed=1), files(100, seed=2)
    floor = metadata_floor("m", train, test, subset="one")
    mixed = metadata_floor("m", train.sample(fraction=1, shuffle=True, seed=5), test.reverse(), subset="one")
    assert mixed.sort("path").equals(floor.sort("path"))
    blind = files(600, seed=3, honest=True)
    few = pl.concat([blind.filter(label=0), blind.filter(label=1).head(60)])
    says_ai = (metadata_floor("m", few, files(400, seed=4, honest=True), subset="one")["logit"] > 0).mean()
    assert 0.2 < float(says_ai) < 0.8  # type: ignore[arg-type]


def test_metadata_floor_names_what_it_cannot_judge_or_learn_from() -> None:
    broken = pl.col("path") == "/2/0003"
    test = files(20, seed=2).with_columns(
        error=pl.when(broken).then(pl.lit("truncated")), width=pl.when(pl.col("path") != "/2/0005").then("width")
    )
    floor = metadata_floor("m", files(40, seed=1), test, subset="one")
    assert floor.filter(broken)["error"].to_list() == ["truncated"]
    assert floor.filter(path="/2/0005")["error"].to_list() == ["could not be measured"]
    assert floor["logit"].null_count() == floor.filter(pl.col("error").is_not_null()).height == 2
    with pytest.raises(SynthscopeError, match="20 real, 0 AI"):
        metadata_floor("m", files(40, seed=1).filter(label=0), test, subset="one")


def test_attributes_after_a_view_are_measured_once(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthscope.benchmarking import floors

    images, cache = load_manifest(source), tmp_path / "a.parquet"
    assert measured(images, cache) is images and not cache.exists()
    seen = measured(with_view(images, VIEW), cache)
    assert seen.columns == images.columns and seen["path"].equals(images["path"])
    assert set(seen["format"]) == {"JPEG"} and set(seen["width"]) == {32} == set(seen["height"])
    monkeypatch.setattr(floors, "measure_viewed", lambda *_: pytest.fail("measured twice"))
    assert measured(with_view(images, VIEW), cache).equals(seen)
    assert measured(with_view(images.head(5), VIEW), cache).equals(seen.head(5))


def test_spectrum_floor_is_its_own_solution_and_resumes(source: str, tmp_path: Path) -> None:
    recipe = load_recipe(TrainConfig, "spectrum_lr", package="synthscope.training", overrides=["data.holdout=0.25"])
    images = load_manifest(source).filter(subset="one")
    folder = fit_spectrum(recipe, images, tmp_path / "s")
    detector = load_detector(folder)
    assert detector.config.trained_on.subsets == ("one",) and detector.config.trained_on.n_ai == 6
    train, _ = choose(images, recipe.data)
    pixels = [detector.preprocess(read_rgb(path)) for path in train["path"]]
    features = np.stack([detector.features(one[None])[0].numpy() for one in pixels])  # type: ignore[operator]
    mean, scale = features.mean(0), detector.scale  # type: ignore[union-attr]
    np.testing.assert_allclose(scale.running_mean.numpy(), mean, rtol=1e-4)  # type: ignore[union-attr,operator]
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert fit_spectrum(recipe, images, tmp_path / "s") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(SynthscopeError, match="differs in its images"):
        fit_spectrum(recipe, images.filter(pl.col("path") != train["path"][0]), tmp_path / "s")


def test_floors_stand_below_the_detectors_and_never_win(source: str, tmp_path: Path) -> None:
    table = benchmark(config(floors=["metadata", "spectrum_lr"]), tmp_path, source=source)
    floors = table.filter(architecture="metadata")
    counts = floors.group_by("train_view", "view", "condition", "subset").len().sort(pl.all()).rows()
    assert counts == sorted((view, view, "none", subset, 6) for view in ("none", VIEW) for subset in ("one", "two"))
    assert floors["sha256"].null_count() == 0 and floors["sha256"].n_unique() == 12
    raw = floors.filter(view="none", train_view="none")
    assert right(raw) == 1.0  # PNG or JPEG
    spectrum = table.filter(architecture="spectrum_lr", train_view="none", view="none")
    assert set(spectrum["condition"]) == {"none", "jpeg:q=50"}

    scores = pl.read_parquet(tmp_path / "scores.parquet")
    names = [name for name, _ in cross_generator_matrix(scores, view="none").rows]
    assert names == ["cpu_small.one", "metadata.one (floor)", "spectrum_lr.one (floor)"]
    assert [name.split()[0] for name, _ in degraded_table(scores, view="none").rows] == [
        "cpu_small.one",
        "spectrum_lr.one",
    ]
    assert [floor_of(name) for name in ranked(scores, "accuracy", "none")["detector"]] == [None]
    sentences = " ".join(answer(scores))
    assert "images, cpu_small.one reaches" in sentences
    assert "The floor of file attributes alone, learned on one, is 100.0" in sentences
    assert "the best detector does not beat it." in sentences


def test_rows_keep_the_names_of_their_training_sets_beside_floors() -> None:
    def row(detector: str, train_set: str) -> dict[str, str]:
        return {"detector": detector, "train_set": train_set, "train_view": "none"}

    rows = [row("spectrum_lr.b@1", "b"), row("metadata.a@1", "a"), row("r.b@1", "b"), row("metadata.b@1", "b"),
            row("r.a@1", "a"), row("spectrum_lr.a@1", "a")]  # fmt: skip
    names, corner = row_names(list(by_training(rows)), {"none": "raw"})
    assert corner == "trained on"
    assert names == ["a", "b", "a, metadata (floor)", "b, metadata (floor)", "a, spectrum_lr (floor)",
                     "b, spectrum_lr (floor)"]  # fmt: skip
