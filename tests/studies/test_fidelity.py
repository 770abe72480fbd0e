"""Artifact ratio and NIQE against logits: known relations are found, images are measured once, files tell all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy import stats
from typer.testing import CliRunner

from synthscope.annotations import image_masks, load_annotations
from synthscope.cli.analyze import analyze
from synthscope.data.manifest import load_manifest
from synthscope.errors import SynthscopeError
from synthscope.metrics.fidelity import NiqeModel
from synthscope.metrics.intervals import wilson
from synthscope.sandbox import build_sandbox
from synthscope.schema import PREDICTIONS, conform
from synthscope.studies.fidelity import images as fidelity_images
from synthscope.studies.fidelity.images import IMAGES, measure_images
from synthscope.studies.fidelity.study import FIDELITY, GROUPS, LEVELS, clean_predictions, fidelity, write_fidelity
from synthscope.studies.fidelity.table import fidelity_tables

FAST = {"permutations": 199, "resamples": 100}


def tables(seed: int = 0, generators: int = 8, each: int = 20) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Predictions of ``good@1``, whose logit follows PAR, and of ``blind@2``, whose logit is noise; and the images."""
    rng, n = np.random.default_rng(seed), generators * each
    ratio = np.maximum(rng.normal(0.05, 0.08, n), 0)
    names = [f"g{i % generators}" for i in range(n)]
    columns = {"path": [f"/{i}.png" for i in range(n)], "generator": names, "par": ratio, "niqe": rng.normal(4, 1, n)}
    images = pl.DataFrame(columns).with_columns(view=pl.lit("none"))
    rows = images.select("path", "generator", "view").with_columns(label=1, condition=pl.lit("none"), threshold=0.0)
    good = rows.with_columns(detector=pl.lit("good@1"), logit=pl.Series(50 * ratio + 0.1 * rng.normal(size=n) - 1))
    blind = rows.with_columns(detector=pl.lit("blind@2"), logit=pl.Series(rng.normal(size=n)))
    degraded = good.with_columns(condition=pl.lit("jpeg:q=30"), logit=-pl.col("logit"))
    real = good.head(5).with_columns(label=0, path="/real" + pl.col("path"), generator=pl.lit("real"))
    return conform(pl.concat([good, blind, degraded, real]), PREDICTIONS, "t"), conform(images, IMAGES, "t")


def one(table: pl.DataFrame, **where: Any) -> dict[str, Any]:
    return table.filter(**where).row(0, named=True)


def test_known_relations_are_found() -> None:
    predictions, images = tables()
    table = fidelity(predictions, images, **FAST)
    assert table.schema == FIDELITY and table.height == 2 * (12 + 3)
    for level in LEVELS:
        row = one(table, detector="good@1", against="par", of="logit", level=level, metric="spearman")
        assert row["value"] > 0.9 and row["p_value"] == 1 / 200 and (row["ci_low"] or 1) > 0.5
        assert row["n"] == (8 if level == "generator" else 160)
        noise = one(table, detector="blind@2", against="par", of="logit", level=level, metric="spearman")
        assert noise["p_value"] > 0.01 and noise["ci_low"] < 0 < noise["ci_high"]
    own = predictions.filter(detector="good@1", condition="none", label=1)
    joined = own.join(images, on="path")
    row = one(table, detector="good@1", against="niqe", of="correct", level="image", metric="spearman")
    assert row["value"] == pytest.approx(stats.spearmanr(joined["niqe"], joined["logit"] > 0).statistic)
    means = joined.group_by("generator").agg(pl.col("par").mean(), right=(pl.col("logit") > 0).mean())
    row = one(table, detector="good@1", against="par", of="correct", level="generator", metric="spearman")
    assert row["value"] == pytest.approx(stats.spearmanr(means["par"], means["right"]).statistic)


def test_copies_of_a_file_are_one_image() -> None:
    predictions, images = (table.with_columns(sha256=pl.col("path")) for table in tables())
    times = [pl.format(f"/{i}{{}}", "path") for i in range(5)]
    copies = [pl.concat([table.with_columns(path=path) for path in times]) for table in (predictions, images)]
    apart = [table.with_columns(sha256=pl.col("path")) for table in copies]
    once, five, many = (fidelity(*pair, **FAST) for pair in ((predictions, images), copies, apart))
    images_alone = pl.col("level") != "generator"
    value, width = (
        [table.filter(images_alone).select(of).to_series().to_numpy() for table in (once, five, many)]
        for of in (pl.col("value"), pl.col("ci_high") - pl.col("ci_low"))
    )
    assert value[1] == pytest.approx(value[0], abs=0.02, nan_ok=True)
    assert width[1] == pytest.approx(width[0], rel=0.1, abs=0.02, nan_ok=True)
    assert np.nanmedian(width[2] / width[0]) < 0.6  # the control: each copy an image
    noise = {"detector": "blind@2", "level": "image", "against": "niqe", "of": "logit", "metric": "spearman"}
    assert one(five, **noise)["p_value"] == pytest.approx(one(once, **noise)["p_value"], abs=0.15)


def test_generators_that_differ_in_both_make_no_correlation_within() -> None:
    predictions, images = tables(generators=2, each=100)
    shift = pl.when(pl.col("generator") == "g1").then(10.0).otherwise(0.0)
    predictions = predictions.filter(detector="blind@2").with_columns(logit=pl.col("logit") + shift.cast(pl.Float32))
    images = images.with_columns(niqe=pl.col("niqe") + shift)
    found = {
        row["level"]: row
        for row in fidelity(predictions, images, **FAST).filter(against="niqe", of="logit").rows(named=True)
    }
    assert found["image"]["value"] > 0.6 and found["image"]["p_value"] == 1 / 200
    assert abs(found["image_within_generator"]["value"]) < 0.2 < found["image_within_generator"]["p_value"] * 10
    assert found["generator"]["p_value"] == 1 and found["generator"]["critical"] is None


def test_recalls_and_newcombes_interval() -> None:
    n = 150
    rows = {"path": [f"/{i}" for i in range(n)], "label": 1, "detector": "d@1", "threshold": 0.5, "generator": "g"}
    right = [True] * 56 + [False] * 14 + [True] * 48 + [False] * 32  # 56/70 and 48/80: Newcombe 1998, table II (a)
    predictions = conform(pl.DataFrame(rows | {"logit": [1.0 if r else 0.5 for r in right]}), PREDICTIONS, "t")
    images = conform(pl.DataFrame({"path": rows["path"], "view": "none", "par": [0.1] * 70 + [0.0] * 80}), IMAGES, "t")
    found = {row["metric"]: row for row in fidelity(predictions, images, **FAST).rows(named=True)}
    assert [found[metric]["n"] for metric in GROUPS] == [80, 70, 150]
    assert (found["recall_clean"]["ci_low"], found["recall_clean"]["ci_high"]) == pytest.approx(wilson(48, 80))
    difference = found["recall_difference"]
    assert (difference["value"], difference["ci_low"], difference["ci_high"]) == pytest.approx(
        (0.2, 0.0524, 0.3339), abs=5e-5
    )
    empty = {
        r["metric"]: r for r in fidelity(predictions, images.with_columns(par=pl.lit(0.2)), **FAST).rows(named=True)
    }
    assert empty["recall_clean"]["value"] is None and empty["recall_clean"]["n"] == 0
    assert empty["recall_difference"]["value"] is None and empty["spearman"]["value"] is None
    assert "–" in fidelity_tables(fidelity(predictions, images.with_columns(par=pl.lit(0.2)), **FAST))[1].to_text()


def test_rows_may_come_in_any_order_and_twice_is_an_error() -> None:
    predictions, images = tables()
    mixed = fidelity(predictions.sample(fraction=1, shuffle=True, seed=1), images.reverse(), **FAST)
    plain = fidelity(predictions, images, **FAST)
    assert mixed.drop("value", "critical").equals(plain.drop("value", "critical"))
    np.testing.assert_allclose(mixed["value"], plain["value"], atol=1e-12)
    with pytest.raises(SynthscopeError, match="one prediction for each image"):
        fidelity(pl.concat([predictions, predictions.with_columns(precision=pl.lit("bf16"))]), images, **FAST)
    with pytest.raises(SynthscopeError, match="measured AI images"):
        fidelity(predictions, images.with_columns(path="/else" + pl.col("path")), **FAST)


def test_tables_say_how_little_few_generators_show() -> None:
    correlations, recalls = fidelity_tables(fidelity(*tables(), permutations=9999, resamples=50))
    text = correlations.to_text()
    assert "With 8 generators p cannot fall below 0.0001, and only |rho| from 0.74 reaches 0.05." in text
    assert "good, logit" in text and "160 images of 8 generators" in text and "+1.000*" in text
    assert [name for name, _ in recalls.rows] == ["blind", "good"] and "PAR > 0" in recalls.to_text()
    text = fidelity_tables(fidelity(*tables(generators=3), **FAST))[0].to_text()
    assert "With 3 generators p cannot fall below 0.33, so their means can show nothing." in text


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    build_sandbox(root, size=64, classes=3, train=1, val=4, workers=1, artifacts=0.5, layouts="genimage")
    return root / "genimage"


def made_run(world: Path, run: Path, *, view: str = "none") -> tuple[pl.DataFrame, pl.DataFrame]:
    """A run folder with predictions drawn at random for the test images, and the annotations."""
    images = load_manifest(f"genimage:{world}").filter(split="val")
    logits = np.random.default_rng(0).normal(size=images.height)
    table = images.with_columns(
        detector=pl.lit("d@1"), logit=pl.Series(logits), threshold=0.0, condition=pl.lit("none"), view=pl.lit(view)
    )
    run.mkdir(parents=True)
    predictions = conform(table, PREDICTIONS, "t")
    predictions.write_parquet(run / "predictions.parquet")
    return predictions, load_annotations(world / "annotations.parquet")


def test_images_are_measured_as_defined_and_once(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictions, annotations = made_run(world, tmp_path / "run")
    table = write_fidelity(tmp_path / "run", annotations)
    assert pl.read_parquet(tmp_path / "run" / "fidelity.parquet").equals(table) and set(table["n"]) > {32, 8}
    images = pl.read_parquet(tmp_path / "run" / "fidelity_images.parquet")
    assert images.schema == IMAGES and images.height == 32 and set(images["patch"]) == {16}
    assert (images["par"] == 0).any() and (images["par"] > 0).any() and images["niqe"].null_count() == 0
    (stored,) = (tmp_path / "run").glob("niqe-*.npz")
    model = NiqeModel.load(stored)
    assert model.images == predictions.filter(label=0)["path"].n_unique()
    for row in images.sample(6, seed=0).rows(named=True):
        rgb = np.array(Image.open(row["path"]).convert("RGB"))
        assert row["par"] == image_masks(annotations.filter(path=row["path"]), *rgb.shape[:2]).mean()
        assert row["niqe"] == pytest.approx(model.score(rgb))

    def fail(*_: object) -> None:
        raise AssertionError("measured again")

    with monkeypatch.context() as patched:
        patched.setattr(fidelity_images, "_measure", fail)
        patched.setattr(NiqeModel, "fit", fail)
        assert write_fidelity(tmp_path / "run", annotations).equals(table)
    # a run that was stopped measures what is missing; new annotations are measured anew
    images.head(26).write_parquet(tmp_path / "run" / "fidelity_images.parquet")
    measured = []
    original = fidelity_images._measure
    monkeypatch.setattr(fidelity_images, "_measure", lambda *job: (measured.append(job[0]["path"]), original(*job))[1])
    assert write_fidelity(tmp_path / "run", annotations).equals(table) and len(measured) == 6
    path = images.filter(pl.col("par") > 0)["path"][0]
    cleared = pl.concat([annotations.filter(pl.col("path") != path), annotations.filter(path=path).head(1).with_columns(
        region=pl.lit(None, pl.Int32))])  # fmt: skip
    write_fidelity(tmp_path / "run", cleared)
    after = pl.read_parquet(tmp_path / "run" / "fidelity_images.parquet")
    assert measured[6:] == [path] and after.filter(path=path)["par"][0] == 0 and after.height == 32


def test_par_and_niqe_are_those_of_the_view(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    annotations = load_annotations(annotated(tmp_path / "a.png", [[0, 0], [24, 0], [24, 39], [0, 39]], tmp_path))
    rows = {"path": str(tmp_path / "a.png"), "sha256": None, "generator": "g"}
    views = ["none", "crop:size=20"]
    images = pl.DataFrame(
        [rows | {"recipe": view, "view": view} for view in views], schema_overrides={"sha256": pl.String}
    )
    table = measure_images(images, images.clear(), annotations, out=tmp_path)
    assert dict(table.select("view", "par").rows()) == {"none": 25 / 60, "crop:size=20": 5 / 20}


def annotated(image: Path, polygon: list[list[float]], folder: Path) -> Path:
    row = {
        "path": str(image),
        "region": 1,
        "gt_kind": "polygon",
        "polygons": [[[float(v) for v in p] for p in polygon]],
    }
    pl.DataFrame([row]).write_parquet(folder / "annotations.parquet")
    return folder / "annotations.parquet"


def test_recipes_of_one_protocol_are_one_view(world: Path, tmp_path: Path) -> None:
    predictions, annotations = made_run(world, tmp_path / "run")
    jpeg = pl.when(pl.col("label") == 1).then(pl.lit("jpeg:q=90")).otherwise(pl.lit("none"))
    predictions.with_columns(view=jpeg, protocol=pl.lit("aligned")).write_parquet(
        tmp_path / "run" / "predictions.parquet"
    )
    table = write_fidelity(tmp_path / "run", annotations)
    assert set(table["view"]) == {"aligned"} and table.height == 15
    images = pl.read_parquet(tmp_path / "run" / "fidelity_images.parquet")
    assert set(images["view"]) == {"jpeg:q=90"} and images["niqe"].null_count() == 0
    assert set(clean_predictions(predictions)["recipe"]) == {"none"}


def test_without_photographs_niqe_is_left_out(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predictions, annotations = made_run(world, tmp_path / "run")
    photographs = load_manifest(f"genimage:{world}").filter(split="val", label=0)
    predictions.filter(label=1).write_parquet(tmp_path / "run" / "predictions.parquet")
    table = write_fidelity(tmp_path / "run", annotations)
    assert "NIQE is left out. Expected more than 36 sharp patches" in capsys.readouterr().err
    assert table.filter(against="niqe")["value"].null_count() == 6 and set(table.filter(against="niqe")["n"]) == {0}
    assert "NIQE" in fidelity_tables(table)[0].to_text()
    given = write_fidelity(tmp_path / "run", annotations, out=tmp_path / "out", real=photographs)
    assert given.filter(against="niqe", of="logit")["value"].null_count() == 0
    assert (tmp_path / "out" / "fidelity.parquet").is_file()


def test_unreadable_images_are_listed_and_tried_again(world: Path, tmp_path: Path) -> None:
    predictions, annotations = made_run(world, tmp_path / "run")
    copy = tmp_path / "copy.jpg"
    victim = predictions.filter(label=1)["path"][0]
    moved = pl.col("path").replace(victim, str(copy))
    predictions.with_columns(moved).write_parquet(tmp_path / "run" / "predictions.parquet")
    annotations.with_columns(moved).write_parquet(tmp_path / "a.parquet")
    copy.write_bytes(b"no image")
    command = ["fidelity", str(tmp_path / "run"), "--annotations", str(tmp_path / "a.parquet")]
    result = CliRunner().invoke(analyze, command)
    assert result.exit_code == 3 and "copy.jpg" in result.stderr and "31 images of 8 generators" in result.stdout
    copy.write_bytes(Path(victim).read_bytes())
    result = CliRunner().invoke(analyze, command)
    assert result.exit_code == 0 and "32 images of 8 generators" in result.stdout
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"fidelity.parquet", "fidelity_images.parquet", "fidelity.png", "fidelity.svg"} < written
    real = ["--real", f"genimage:{world}", "-o", str(tmp_path / "out")]
    assert CliRunner().invoke(analyze, [*command, *real]).exit_code == 0
    assert (tmp_path / "out" / "fidelity.png").is_file()


def test_nothing_to_measure(world: Path, tmp_path: Path) -> None:
    _, annotations = made_run(world, tmp_path / "run")
    with pytest.raises(SynthscopeError, match="annotated AI images"):
        write_fidelity(tmp_path / "run", annotations.with_columns(path="/else" + pl.col("path")))
    with pytest.raises(SynthscopeError, match="synthscope predict"):
        write_fidelity(tmp_path, annotations)
