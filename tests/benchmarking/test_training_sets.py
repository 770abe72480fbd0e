"""Leaving one generator or family out: what is trained on, what it is called, and a whole small benchmark."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.rows import trainings
from synthscope.benchmarking.run import benchmark
from synthscope.benchmarking.training_sets import TrainingSet, families_of, training_sets
from synthscope.config import load_recipe
from synthscope.data.manifest import load_manifest
from synthscope.errors import UsageError
from synthscope.report.page.html import write_report
from synthscope.sandbox.generators import FAMILIES, GENERATORS, fit_generators
from synthscope.tables.benchmark import cross_generator_matrix
from synthscope.tables.wording import by_training, row_names, trained_on
from tests.benchmarking.tiny_worlds import ROW, VIEW, build_world, config

SUBSETS = "a", "b", "c", "d"
PAIRS = {"first": ["a", "b"], "second": ["c"], "third": ["d"], "absent": ["x"]}


def made(wanted: list[str], families: dict[str, list[str]] | None = None) -> tuple[list[TrainingSet], dict[str, str]]:
    failures: dict[str, str] = {}
    found = training_sets(wanted, SUBSETS, families or {}, lambda name, error: failures.update({name: str(error)}))
    return found, failures


def test_words_and_names_become_sets() -> None:
    found, failures = made(["leave_one_out"])
    assert not failures and found == [
        TrainingSet("all_but_a", ("b", "c", "d")),
        TrainingSet("all_but_b", ("a", "c", "d")),
        TrainingSet("all_but_c", ("a", "b", "d")),
        TrainingSet("all_but_d", ("a", "b", "c")),
    ]
    found, failures = made(["b", "all", "*", "leave_family_out"], PAIRS)
    assert not failures
    assert [(one.name, one.subsets) for one in found] == [
        ("b", ("b",)), ("all", None), ("a", ("a",)), ("c", ("c",)), ("d", ("d",)),
        ("all_but_first", ("c", "d")), ("all_but_second", ("a", "b", "d")), ("all_but_third", ("a", "b", "c")),
    ]  # fmt: skip
    found, _ = made(["leave_one_out", "leave_family_out"], PAIRS)  # families of one subset are not trained twice
    assert [one.name for one in found[4:]] == ["all_but_first"]


def test_what_there_is_not_is_told() -> None:
    found, failures = made(["leave_one_ou", "a"])
    assert [one.name for one in found] == ["a"] and "Did you mean leave_one_out" in failures["leave_one_ou"]
    assert "got none. Add families" in made(["leave_family_out"])[1]["leave_family_out"]
    missing = made(["leave_family_out"], {"first": ["a", "b"], "second": ["c"]})[1]["leave_family_out"]
    assert "subset 'd', got none" in missing
    twice = made(["leave_family_out"], PAIRS | {"third": ["c", "d"]})[1]["leave_family_out"]
    assert "subset 'c', got second and third" in twice
    assert "got whole" in made(["leave_family_out"], {"whole": list(SUBSETS)})[1]["leave_family_out"]


def test_real_images_of_what_is_left_out_are_left_out_too() -> None:
    rows = [(f"{subset}{label}", subset, label) for subset in ("a", "b", None) for label in (0, 1)]
    images = pl.DataFrame(rows, schema=["path", "subset", "label"], orient="row")
    chosen = TrainingSet("all_but_a", ("b",))
    assert chosen.of(images)["path"].to_list() == ["b0", "b1", "None0"]  # real ones of every subset stay
    assert chosen.train_set(images) == "b" and TrainingSet("all").train_set(images) == "a+b"
    assert TrainingSet("all").of(images).equals(images)
    assert chosen.others(images)["path"].to_list() == ["a0", "a1", "None0"]
    assert TrainingSet("all").others(images).is_empty()


def test_trained_in_one_view_degraded_where_nothing_was_learnt(tmp_path: Path) -> None:
    source = build_world(tmp_path / "images")
    recipe = config(
        train=[ROW | {"subsets": ["leave_one_out"]}], views=[VIEW, "none"], train_views=[VIEW], degrade="unseen",
        costs=True,
    )  # fmt: skip
    table = benchmark(recipe, tmp_path / "run", source=source)
    names = table["detector"].str.split("@").list.first().unique().sort().to_list()
    assert names == ["cpu_small.all_but_one.view1", "cpu_small.all_but_two.view1"]
    degraded = table.filter(pl.col("condition") != "none").select("train_set", "subset", "view").unique()
    assert sorted(degraded.iter_rows()) == [("one", "two", VIEW), ("two", "one", VIEW)]
    assert set(table.filter(condition="none").select("subset", "view").unique().iter_rows()) == {
        (subset, view) for subset in ("one", "two") for view in (VIEW, "none")
    }
    rows = pl.read_parquet(tmp_path / "run" / "left_out.parquet")
    assert set(rows["detector"]) == {"cpu_small.view1"} and set(rows["part"]) == {"seen", "unseen", "gap"}
    costs = pl.read_parquet(tmp_path / "run" / "costs.parquet").row(0, named=True)
    assert costs["detector"] == "cpu_small.view1" and costs["parameters"] > 1000
    assert min(costs["preprocess_ms"], costs["forward_ms"], costs["resnet50_ms"]) > 0
    page = write_report(tmp_path / "run").read_text()
    unseen = page.partition('id="unseen"')[2].partition("</section>")[0]
    assert "On test sets that were left out of training" in unseen and "data:image/svg+xml" in unseen
    with pytest.raises(ValidationError, match="name views of"):
        config(views=["none", VIEW], train_views=[VIEW])


def test_families_of_the_sandbox_are_its_kinds_of_decoders() -> None:
    assert tuple(name for names in FAMILIES.values() for name in names) == GENERATORS
    decoders = fit_generators(0, 32)
    kinds = {family: {type(decoders[name]) for name in names} for family, names in FAMILIES.items()}
    assert all(len(kind) == 1 for kind in kinds.values()) and len(set.union(*kinds.values())) == len(FAMILIES)
    assert families_of(["latent_v1", "vq", "latent_v2"], {}) == {
        "latent": ["latent_v1", "latent_v2"],
        "quantised": ["vq"],
    }
    with pytest.raises(UsageError, match="got none. Add families"):
        families_of(["vq", "ADM"], {})


def test_the_families_of_genimage_are_those_of_its_folders() -> None:
    from tests.tables.test_benchmark import FOLDERS

    recipe = load_recipe(BenchmarkConfig, "genimage_leave_one_out", package="synthscope.benchmarking")
    assert sorted(name for names in recipe.families.values() for name in names) == sorted(FOLDERS.values())
    assert families_of(list(FOLDERS.values()), recipe.families).keys() == recipe.families.keys()


def test_rows_are_named_and_ordered_by_what_was_left_out() -> None:
    tests = ["VQDM", "ADM", "BigGAN", "stable_diffusion_v_1_4"]
    sets = ["+".join(sorted(set(tests) - {name})) for name in tests]
    rows = [{"detector": f"r.{i}@1", "train_set": name, "train_view": "none"} for i, name in enumerate([*sets, "ADM"])]
    names, corner = row_names(list(by_training(rows)), {"none": "raw"}, tests)
    assert corner == "trained on"
    assert names == ["ADM", "all but SD V1.4", "all but ADM", "all but VQDM", "all but BigGAN"]
    assert trained_on("ADM+VQDM", tests) == "ADM + VQDM"  # not more than were left out
    assert trained_on("+".join(tests), tests) == "VQDM + ADM + BigGAN + SD V1.4"


def test_a_small_benchmark_that_leaves_one_out(tmp_path: Path) -> None:
    source = build_world(tmp_path / "images", ("one", "two", "three"))
    recipe = config(
        train=[ROW | {"subsets": ["leave_one_out", "leave_family_out"]}], views=["none"], conditions=["none"],
        families={"f": ["one", "two"], "g": ["three"]}, floors=["metadata"],
    )  # fmt: skip
    planned = {run.name: run for run in trainings(recipe, load_manifest(source).filter(split="train"), [])}
    assert list(planned) == [f"cpu_small.all_but_{name}" for name in ("one", "three", "two", "f")]  # g is three alone
    table = benchmark(recipe, tmp_path / "run", source=source)
    trained = dict(table.select(pl.col("detector").str.split("@").list.first(), "train_set").unique().iter_rows())
    assert trained == {
        f"{kind}.all_but_{left_out}": train_set
        for kind in ("cpu_small", "metadata")
        for left_out, train_set in
        {"one": "three+two", "two": "one+three", "three": "one+two", "f": "three"}.items()
    }  # fmt: skip
    assert set(table["subset"]) == {"one", "two", "three"}  # the one left out is tested, too
    scores = pl.read_parquet(tmp_path / "run" / "scores.parquet")
    one_out = scores.filter(~pl.col("detector").str.contains(r"all_but_[fg]"))
    assert [name for name, _ in cross_generator_matrix(one_out).rows] == [
        *(f"all but {name}" for name in ("one", "three", "two")),
        *(f"all but {name}, metadata (floor)" for name in ("one", "three", "two")),
    ]
