from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.run import benchmark, read_failures
from synthscope.cli import app
from synthscope.config import load_recipe, recipe_names
from synthscope.data.degrade.recipe import expand
from synthscope.errors import SynthscopeError, UsageError
from synthscope.report.page.answer import missing
from synthscope.report.page.html import write_report
from synthscope.schema import SCORES, conform
from synthscope.scoring.score import write_scores
from synthscope.tables.benchmark import cross_generator_matrix
from synthscope.tables.printing import print_tables
from tests.benchmarking.tiny_worlds import ROW, VIEW, build_world, config


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_world(tmp_path_factory.mktemp("images"))


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
    assert f"{VIEW} view" in capsys.readouterr().out
    write_scores(tmp_path, n_resamples=100, compare=[("cpu_small.one.view1", "cpu_small.one")])
    print_tables(tmp_path)
    assert "Difference in" in capsys.readouterr().out

    times = {file: file.stat().st_mtime_ns for file in (tmp_path / "detectors").rglob("*.safetensors")}
    parts = sorted((tmp_path / "parts").iterdir())
    assert benchmark(config(), tmp_path, source=source).equals(table)
    assert times == {file: file.stat().st_mtime_ns for file in times}
    assert parts == sorted((tmp_path / "parts").iterdir())


def test_all_subsets_degraded_trained_before_and_fewer_images(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark(config(views=["none"]), tmp_path / "first", source=source)
    (detector,) = (tmp_path / "first" / "detectors").iterdir()
    changes = {"train": [], "detectors": [str(detector)], "views": ["none"], "degrade": "all", "max_per_class": 2}
    table = benchmark(config(**changes), tmp_path / "second", source=source)
    assert table.group_by("condition", "subset", "label").len()["len"].to_list() == [2] * 8
    assert table["train_set"].unique().to_list() == ["one"]
    ways = changes | {"conditions": ["none", "social", "screenshot"]}
    travelled = benchmark(config(**ways), tmp_path / "third", source=source)
    assert set(travelled["condition"]) == {"none", *expand(["social", "screenshot"])}
    assert travelled["error"].null_count() == travelled.height
    print_tables(tmp_path / "third")
    shown = capsys.readouterr().out
    assert "Signal-like" in shown and "Signal-like is resize:long=1600,interp=bilinear|jpeg:q=70" in shown


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
    with pytest.raises(UsageError, match="Did you mean one"):  # nothing else is left to test
        benchmark(config(train=[ROW | {"subsets": ["onee"]}]), tmp_path, source=source)
    with pytest.raises(UsageError, match="Expected images to run on"):
        benchmark(config(), tmp_path)
    with pytest.raises(UsageError, match="Expected detectors to train or to test"):
        benchmark(config(train=[], floors=["metadata", "spectrum_lr"]), tmp_path, source=source)
    with pytest.raises(SynthscopeError, match="split=test"):
        benchmark(config(test_where="split=test"), tmp_path, source=source)
    with pytest.raises(UsageError, match="Did you mean cpu_small"):  # before anything is trained
        benchmark(config(train=[ROW, ROW | {"recipe": "cpu_smal"}]), tmp_path / "typo", source=source)
    assert not (tmp_path / "typo" / "detectors").exists()


def test_what_fails_is_told_and_the_rest_goes_on(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A generator that is absent, one with a single file, a loss that explodes, a folder without weights."""
    alone = Path(source.removeprefix("genimage:")) / "one" / "train"
    images = tmp_path / "images"
    for subset, kinds in {"one": ("ai", "nature"), "single": ("ai",)}.items():
        for kind in kinds:
            (images / subset / "train" / kind).mkdir(parents=True)
            for file in sorted((alone / kind).iterdir())[: 8 if subset == "one" else 1]:
                (images / subset / "train" / kind / file.name).write_bytes(file.read_bytes())
    val = Path(source.removeprefix("genimage:")) / "one" / "val"
    (images / "one" / "val").symlink_to(val)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"name": "b", "architecture": "resnet5"}')
    rows = [
        ROW | {"subsets": ["absent", "one", "single"]},
        ROW | {"overrides": [*ROW["overrides"], "name=exploding", "optimizer.lr=1.0e+30", "steps=9"]},  # type: ignore[misc]
    ]
    changed = config(
        train=rows, views=["none"], detectors=[str(broken)], compare=[("cpu_small.one", "exploding.one")],
        floors=["metadata", "spectrum_lr"], conditions=["none"],
    )  # fmt: skip
    table = benchmark(changed, tmp_path / "run", source=f"genimage:{images}")
    kinds = table["detector"].str.split("@").list.first().unique().sort().to_list()
    assert kinds == ["cpu_small.one", "metadata.one", "spectrum_lr.one"]
    failures = {(row["step"], row["name"]): row["error"] for row in read_failures(tmp_path / "run")}
    assert "got 'absent'" in failures["train", "cpu_small.absent"]
    assert "0 real, 1 AI" in failures["train", "cpu_small.single"]
    assert "finite" in failures["train", "exploding.one"]
    assert "Did you mean" in failures["load", str(broken)]
    assert "exploding.one" in failures["compare", "cpu_small.one − exploding.one"]
    assert {name for step, name in failures if step == "train"} >= {"metadata.single", "spectrum_lr.single"}
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [row["name"] for row in settings["failures"]] == [name for _, name in failures]
    for failure, text in zip(settings["failures"], missing(settings["failures"]), strict=True):
        assert failure["name"] in text and failure["error"] in text
    told = capsys.readouterr().err
    assert all(f"failed: {step} {name}: {error}" in told for (step, name), error in failures.items())
    assert "failed: Expected" in write_report(tmp_path / "run").read_text().replace("<wbr>", "")

    mended = config(train=[ROW], views=["none"], conditions=["none"])
    benchmark(mended, tmp_path / "run", source=f"genimage:{images}")
    assert read_failures(tmp_path / "run") == [] and not (tmp_path / "run" / "failures.json").exists()


def test_exit_code_is_3_where_something_is_missing(source: str, tmp_path: Path) -> None:
    recipe, out = tmp_path / "r.yaml", tmp_path / "run"
    recipe.write_text(yaml.safe_dump(config(views=["none"], conditions=["none"]).model_dump(mode="json")))
    command = ["benchmark", "-c", str(recipe), "-o", str(out), source]
    dry = CliRunner().invoke(app, [*command, "--dry-run"])
    assert dry.exit_code == 0 and "Estimate for this machine" in dry.stdout and not out.exists()
    assert CliRunner().invoke(app, command).exit_code == 0
    some = CliRunner().invoke(app, [*command, "--set", "detectors=[nowhere]"])
    assert some.exit_code == 3 and "Avg Acc. (%)" in some.stdout
    assert some.stderr.splitlines()[-1].startswith("failed: load nowhere: Expected a detector folder, got nowhere")


def test_an_error_that_nobody_foresaw_stops_one_detector_only(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from synthscope.training import fit

    honest = fit.train

    def train(recipe: fit.TrainConfig, manifest: pl.DataFrame, out: Path) -> Path:
        if "two" in out.name:
            raise RuntimeError("CUDA out of memory")
        return honest(recipe, manifest, out)

    monkeypatch.setattr(fit, "train", train)
    rows = [ROW | {"subsets": ["*"]}]
    table = benchmark(config(train=rows, views=["none"], conditions=["none"]), tmp_path, source=source)
    assert table["train_set"].unique().to_list() == ["one"]
    (failure,) = read_failures(tmp_path)
    assert failure["name"] == "cpu_small.two" and "RuntimeError: CUDA out of memory" in str(failure["error"])
    assert "Traceback" in capsys.readouterr().err


def test_a_finished_run_does_no_work(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synthscope.data import audit, images
    from synthscope.scoring import score

    whole = config(floors=["metadata", "spectrum_lr"])
    table = benchmark(whole, tmp_path, source=source)
    times = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.name not in
             {"run.json", "predictions.parquet", "training.json"} and file.is_file()}  # fmt: skip

    def never(*_: object, **__: object) -> None:
        raise AssertionError("work was done again")

    for module, name in ((audit, "audit"), (score, "write_scores"), (images, "to_rgb")):
        monkeypatch.setattr(module, name, never)
    assert benchmark(whole, tmp_path, source=source).equals(table)
    assert times == {file: file.stat().st_mtime_ns for file in times} and len(times) > 20
    with pytest.raises(AssertionError, match="work was done again"):  # other resamples are other scores
        benchmark(whole.model_copy(update={"resamples": 101}), tmp_path, source=source)


def test_scores_of_another_hand_are_replaced(source: str, tmp_path: Path) -> None:
    small = config(views=["none"], conditions=["none"])
    benchmark(small, tmp_path, source=source)
    before = pl.read_parquet(tmp_path / "scores.parquet")
    write_scores(tmp_path, by="generator", n_resamples=100)
    benchmark(small, tmp_path, source=source)
    assert pl.read_parquet(tmp_path / "scores.parquet").equals(before)


def test_means_of_matrices_with_gaps_say_of_how_many() -> None:
    base = {"view": "none", "condition": "none", "metric": "accuracy", "n_real": 50, "n_ai": 50, "n_error": 0}
    rows = [
        base | {"detector": f"{name}@1", "test_set": test, "value": value}
        for name, values in {"a": (0.9, 0.7, 0.5), "b": (0.8, 0.6, None), "c": (None, None, None)}.items()
        for test, value in zip(("ADM", "glide", "VQDM"), values, strict=True)
    ]
    scores = conform(pl.DataFrame(rows, infer_schema_length=None), SCORES, "the scores")
    cells = {name: cells[-1] for name, cells in cross_generator_matrix(scores).rows}
    assert (cells["a"].value, cells["a"].mark) == (pytest.approx(0.7), "")
    assert (cells["b"].value, cells["b"].mark) == (pytest.approx(0.7), " (of 2)")
    assert cells["c"].value is None
    text = cross_generator_matrix(scores).to_text()
    assert "70.0 (of 2)" in text and text.count("–") == 1 + 4


@pytest.mark.parametrize("name", recipe_names("synthscope.benchmarking"))
def test_shipped_recipes_are_valid_down_to_their_training_recipes(name: str) -> None:
    from synthscope.training.config import TrainConfig

    recipe = load_recipe(BenchmarkConfig, name, package="synthscope.benchmarking")
    assert "none" in recipe.views and "none" in expand(recipe.conditions)  # the raw files always beside a view
    assert "aligned" in recipe.views or recipe.sandbox.formats == "aligned"
    for row in recipe.train:
        for scale in {recipe.scale, "xaigd"} if "{scale}" in row.recipe else {recipe.scale}:
            file = row.recipe.replace("{scale}", scale)
            load_recipe(TrainConfig, file, package="synthscope.training", overrides=row.overrides)
    assert recipe.against is None or recipe.against in {row.name for row in recipe.train}
