"""Scores of small tables that can be checked by hand, and what must never change them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics import detection
from synthscope.metrics.calibration import ece
from synthscope.metrics.intervals import auroc_interval, wilson
from synthscope.schema import DIFFERENCES, PREDICTIONS, SCORES, conform
from synthscope.scoring.differences import compare
from synthscope.scoring.score import score, write_scores

FAST = {"n_resamples": 50}
CONDITIONS = "none", "jpeg:q=65", "blur:sigma=3"


def predictions(
    *, seed: int = 0, n: int = 24, detectors: tuple[str, ...] = ("a@1", "b@2"), **columns: object
) -> pl.DataFrame:
    """Two subsets of n images, half of them AI, under three conditions."""
    rng, rows = np.random.default_rng(seed), []
    for subset in ("ADM", "glide"):
        for i in range(n):
            label = i % 2
            shared = rng.normal(label * 1.2)
            for detector in detectors:
                for condition in CONDITIONS:
                    rows.append({
                        "path": f"/{subset}/{i:03d}.png", "label": label, "subset": subset, "detector": detector,
                        "generator": subset if label else "real", "condition": condition, "view": "none",
                        "threshold": 0.25, "logit": shared + rng.normal() * 0.4, "train_set": "ADM",
                    } | columns)  # fmt: skip
    return conform(pl.DataFrame(rows), PREDICTIONS, "test")


def one(scores: pl.DataFrame, **where: str) -> dict:
    rows = scores.filter(**where).rows(named=True)
    assert len(rows) == 1, (where, len(rows))
    return rows[0]


def test_values_are_those_of_the_plain_metrics() -> None:
    table = predictions()
    scores = score(table, **FAST)
    assert scores.schema == SCORES
    part = table.filter(subset="glide", detector="b@2", condition="jpeg:q=65")
    y, z = part["label"].to_numpy(), part["logit"].to_numpy().astype(float)
    where = {"test_set": "glide", "detector": "b@2", "condition": "jpeg:q=65"}
    for name, metric in detection.METRICS.items():
        row = one(scores, metric=name, **where)
        assert row["value"] == pytest.approx(metric(y, z, p=None, threshold=0.25), abs=1e-12)
        assert row["ci_low"] <= row["value"] <= row["ci_high"] or name == "ece"  # resampling adds to ECE
        assert (row["n_real"], row["n_ai"], row["n_error"]) == (12, 12, 0)
        assert row["higher_is_better"] == metric.higher_is_better
    assert one(scores, metric="accuracy", **where)["threshold"] == 0.25
    assert one(scores, metric="auroc", **where)["threshold"] is None
    rate = one(scores, metric="tpr_at_fpr_10pct", **where)
    assert rate["value"] == pytest.approx(np.mean(z[y == 1] > rate["threshold"]))


def test_the_threshold_is_strict_and_can_be_replaced() -> None:
    table = predictions().with_columns(logit=pl.lit(0.25, pl.Float32))
    assert score(table, metrics=["ai_accuracy"], **FAST)["value"].to_list() == [0.0] * 24
    replaced = score(table, metrics=["ai_accuracy"], threshold=0.2, **FAST)
    assert replaced["value"].to_list() == [1.0] * 24 and set(replaced["threshold"]) == {0.2}


def test_stored_probabilities_are_used() -> None:
    table = predictions(p_ai=0.5)
    assert set(score(table, metrics=["brier"], **FAST)["value"]) == {0.25}
    part = predictions().filter(subset="ADM", detector="a@1", condition="none")
    row = one(score(predictions(), metrics=["ece"], **FAST), test_set="ADM", detector="a@1", condition="none")
    p = 1 / (1 + np.exp(-part["logit"].to_numpy().astype(float)))
    assert row["value"] == pytest.approx(ece(part["label"].to_numpy(), p))


def test_means_are_unweighted_and_their_intervals_paired() -> None:
    scores = score(predictions(), metrics=["accuracy", "auroc"], **FAST)
    for metric in ("accuracy", "auroc"):
        rows = scores.filter(detector="a@1", metric=metric)
        value = {(row["test_set"], row["condition"]): row["value"] for row in rows.rows(named=True)}
        assert value["mean", "none"] == pytest.approx((value["ADM", "none"] + value["glide", "none"]) / 2)
        assert value["ADM", "mean"] == pytest.approx((value["ADM", "jpeg:q=65"] + value["ADM", "blur:sigma=3"]) / 2)
        assert value["mean", "mean"] == pytest.approx((value["ADM", "mean"] + value["glide", "mean"]) / 2)
    assert one(scores, detector="a@1", metric="auroc", test_set="mean", condition="none")["n_real"] == 24
    assert one(scores, detector="a@1", metric="auroc", test_set="ADM", condition="mean")["n_real"] == 12
    # a degradation that changes nothing leaves the interval of the mean as wide as that of one condition
    same = predictions(detectors=("a@1",)).with_columns(pl.col("logit").first().over("path", "detector"))
    scores = score(same, metrics=["auroc"], **FAST)
    row, mean = (one(scores, test_set="ADM", condition=name) for name in ("jpeg:q=65", "mean"))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((mean["ci_low"], mean["ci_high"]))


def test_means_only_where_a_column_covers_all() -> None:
    table = predictions().filter(~((pl.col("detector") == "b@2") & (pl.col("subset") == "glide")))
    table = table.filter(
        ~((pl.col("detector") == "a@1") & (pl.col("condition") == "blur:sigma=3") & (pl.col("subset") == "ADM"))
    )
    scores = score(table, metrics=["accuracy"], **FAST)
    means = {(row["detector"], row["test_set"], row["condition"]) for row in scores.rows(named=True)
             if "mean" in (row["test_set"], row["condition"])}  # fmt: skip
    assert means == {
        ("a@1", "mean", "none"),
        ("a@1", "mean", "jpeg:q=65"),
        ("a@1", "glide", "mean"),
        ("b@2", "ADM", "mean"),
    }
    alone = score(table.filter(subset="ADM", condition="none"), metrics=["accuracy"], **FAST)
    assert set(alone["test_set"]) == {"ADM"} and set(alone["condition"]) == {"none"}


def test_a_mean_over_two_of_three_test_sets_is_not_given() -> None:
    third = predictions().filter(subset="ADM", detector="a@1").with_columns(subset=pl.lit("VQDM"))
    third = third.with_columns(path="/VQDM" + pl.col("path"))
    scores = score(pl.concat([predictions(), third]), metrics=["accuracy"], **FAST)
    assert set(scores.filter(test_set="mean")["detector"]) == {"a@1"}


def test_generators_of_one_test_set_keep_their_shares() -> None:
    # one generator lies above all real images, the other below: within strata nothing varies
    table = predictions().with_columns(
        generator=pl.when(pl.col("label") == 0).then(pl.lit("real")).otherwise("subset"),
        logit=pl.when(pl.col("label") == 0).then(0.0).when(pl.col("subset") == "ADM").then(1.0).otherwise(-1.0),
        subset=pl.lit("both"),
    )
    rows = score(table, metrics=["average_precision", "auroc"], **FAST)["metric", "value", "ci_low", "ci_high"].rows()
    assert {row[2:] for row in rows if row[0] == "average_precision"} == {(None, None)}
    assert {row[1:] for row in rows if row[0] == "auroc"} == {(0.5, *auroc_interval(0.5, 24, 24))}  # from n alone


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_row_order_does_not_matter(seed: int) -> None:
    table = predictions()
    names = ["auroc", "accuracy", "ece", "eer"]
    expected = score(table, metrics=names, **FAST)
    assert score(table.sample(fraction=1, shuffle=True, seed=seed), metrics=names, **FAST).equals(expected)


def test_real_images_without_a_subset_belong_to_every_set() -> None:
    table = predictions()
    shared = table.filter(pl.col("label") == 0, pl.col("subset") == "ADM").with_columns(subset=pl.lit(None, pl.String))
    ai = table.filter(pl.col("label") == 1).with_columns(logit=pl.lit(0.1, pl.Float32))  # all alike: only reals vary
    scores = score(pl.concat([ai, shared]), metrics=["auroc"], **FAST)
    both = [one(scores, test_set=name, detector="a@1", condition="none") for name in ("ADM", "glide", "mean")]
    assert both[0]["value"] == both[1]["value"] and both[0]["n_real"] == 12
    # the same images in both sets: their mean is no more certain than each
    assert both[2]["ci_low"] == pytest.approx(both[0]["ci_low"]) and both[2]["ci_high"] == pytest.approx(
        both[0]["ci_high"]
    )


def test_by_generator_takes_all_real_images() -> None:
    scores = score(predictions(), by="generator", metrics=["auroc"], **FAST)
    assert set(scores["test_set"]) == {"ADM", "glide", "mean"}
    assert one(scores, test_set="glide", detector="a@1", condition="none")["n_real"] == 24
    assert set(score(predictions(), by="split", metrics=["auroc"], **FAST)["test_set"]) == {"all"}


def test_errors_are_left_out_and_counted() -> None:
    table = predictions()
    broken = (pl.col("path") == "/ADM/000.png") & (pl.col("detector") == "a@1")
    table = table.with_columns(
        logit=pl.when(broken).then(None).otherwise("logit"), error=pl.when(broken).then(pl.lit("truncated"))
    )
    scores = score(table, metrics=["auroc"], **FAST)
    row = one(scores, test_set="ADM", detector="a@1", condition="none")
    assert (row["n_real"], row["n_ai"], row["n_error"]) == (11, 12, 1)
    assert one(scores, test_set="ADM", detector="b@2", condition="none")["n_error"] == 0
    nothing = score(table.with_columns(error=pl.lit("gone")), **FAST)
    assert nothing["value"].null_count() == nothing.height > 0 and set(nothing["n_ai"]) == {0}


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_gives_its_accuracy_and_nulls(label: int) -> None:
    scores = score(predictions().filter(label=label), **FAST)
    value = {
        row["metric"]: row for row in scores.filter(test_set="ADM", detector="a@1", condition="none").rows(named=True)
    }
    own, other = ("real_accuracy", "ai_accuracy")[:: 1 - 2 * label]
    assert value[own]["value"] == value["accuracy"]["value"] is not None
    for name in (other, "balanced_accuracy", "auroc", "eer", "tpr_at_fpr_1pct", "average_precision"):
        assert value[name]["value"] is value[name]["ci_low"] is value[name]["ci_high"] is None
    assert value[own]["n_real" if label else "n_ai"] == 0


def test_difference_is_paired() -> None:
    table = predictions(n=80)
    difference = compare(table, "a", "b@2", metric="auroc", n_resamples=200)
    assert difference.schema == DIFFERENCES and set(difference["detector"]) == {"a@1 − b@2"}
    scores = score(table, metrics=["auroc"], n_resamples=200)
    for where in ({"test_set": "ADM", "condition": "none"}, {"test_set": "mean", "condition": "mean"}):
        a, b, d = (
            one(t, **where, **k)
            for t, k in ((scores, {"detector": "a@1"}), (scores, {"detector": "b@2"}), (difference, {}))
        )
        assert d["value"] == pytest.approx(a["value"] - b["value"])
        assert d["ci_low"] <= d["value"] <= d["ci_high"]
        unpaired = np.hypot(a["ci_high"] - a["ci_low"], b["ci_high"] - b["ci_low"])
        assert d["ci_high"] - d["ci_low"] < 0.8 * unpaired
    back = compare(table, "b", "a", metric="auroc", n_resamples=200)
    assert back["value"].to_list() == pytest.approx([-value for value in difference["value"]])


def test_difference_uses_the_images_of_both() -> None:
    table = predictions()
    missing = (pl.col("detector") == "b@2") & pl.col("path").is_in(["/ADM/000.png", "/ADM/001.png"])
    row = one(compare(table.filter(~missing), "a", "b", **FAST), test_set="ADM", condition="none")
    assert (row["n_real"], row["n_ai"]) == (11, 11)
    same = pl.concat([table.filter(detector="a@1"), table.filter(detector="a@1").with_columns(detector=pl.lit("c@3"))])
    zero = compare(same, "a", "c", metric="eer", **FAST)
    assert set(zero["value"]) == {0.0} and set(zero["ci_low"]) == set(zero["ci_high"]) == {None}


def test_rates_of_one_test_set_have_wilson_intervals_even_when_all_are_right() -> None:
    table = predictions().with_columns(logit=pl.when(pl.col("label") == 1).then(1.0).otherwise(-1.0).cast(pl.Float32))
    scores = score(table, metrics=["real_accuracy", "balanced_accuracy", "auroc"], **FAST)
    real, balanced, auroc = (
        one(scores.filter(metric=name), test_set="ADM", detector="a@1", condition="none")
        for name in ("real_accuracy", "balanced_accuracy", "auroc")
    )
    assert (real["value"], real["ci_low"], real["ci_high"]) == (1.0, pytest.approx(wilson(12, 12)[0]), 1.0)
    assert balanced["ci_low"] == pytest.approx(1 - math.sqrt(2) / 2 * (1 - wilson(12, 12)[0]))
    assert (auroc["value"], auroc["ci_low"], auroc["ci_high"]) == (1.0, *auroc_interval(1.0, 12, 12))


def test_run_folders(tmp_path: Path) -> None:
    predictions().write_parquet(tmp_path / "predictions.parquet")
    table = write_scores(tmp_path, compare=[("a", "b")], **FAST)
    assert pl.read_parquet(tmp_path / "scores.parquet").equals(table)
    assert table.equals(score(tmp_path / "predictions.parquet", **FAST))
    differences = pl.read_parquet(tmp_path / "differences.parquet")
    assert set(differences["metric"]) == {"balanced_accuracy"}
    assert set(differences["kind"]) == {"detectors", "conditions"}
    write_scores(tmp_path, **FAST)
    assert set(pl.read_parquet(tmp_path / "differences.parquet")["kind"]) == {"conditions"}
    predictions().filter(condition="none").write_parquet(tmp_path / "predictions.parquet")
    write_scores(tmp_path, **FAST)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "generalization.parquet",
        "predictions.parquet",
        "scores.parquet",
        "worst_groups.parquet",
    ]
    with pytest.raises(SynthscopeError, match="synthscope predict"):
        score(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: pl.concat([t, t.head(1)]), "one prediction for each image"),
        (lambda t: t.with_columns(logit=pl.lit(float("nan"), pl.Float32)), "finite logit"),
        (lambda t: t.with_columns(logit=pl.lit(None, pl.Float32)), "finite logit"),
        (lambda t: t.with_columns(label=pl.lit(None, pl.Int8)), r"got none for \d+ of \d+ \(first: .* predict --csv"),
        (lambda t: t.with_columns(label=pl.lit(2, pl.Int8)), "label 0 or 1"),
        (lambda t: t.with_columns(p_ai=pl.lit(1.5, pl.Float32)), "p_ai in 0..1"),
        (lambda t: t.with_columns(threshold=pl.int_range(pl.len()).cast(pl.Float32)), "one threshold"),
        (lambda t: t.with_columns(label=(pl.int_range(pl.len()) % 2).cast(pl.Int8)), "one label"),
        (lambda t: t.with_columns(subset=pl.lit("mean")), "called mean"),
        (lambda t: t.with_columns(subset=pl.when(pl.col("subset") == "ADM").then("subset")), "a subset for every AI"),
        (lambda t: t.with_columns(path=pl.lit(None, pl.String)), "a path and a detector"),
        (lambda t: t.clear(), "empty table"),
    ],
)
def test_tables_that_cannot_be_scored_are_a_sentence(change, words: str) -> None:
    with pytest.raises(SynthscopeError, match=rf"^Expected (?=.*{words}).*got .*\. .*\.$"):
        score(change(predictions()), **FAST)


def test_unknown_names_suggest() -> None:
    with pytest.raises(UsageError, match="auroc"):
        score(predictions(), metrics=["aurok"])
    with pytest.raises(UsageError, match="subset"):
        score(predictions(), by="subsets")
    with pytest.raises(UsageError, match="a@1"):
        compare(predictions(), "c", "b")
    with pytest.raises(UsageError, match="two detectors"):
        compare(predictions(), "a", "a@1")


def test_recipes_of_one_protocol_are_one_view() -> None:
    table = predictions()
    views = pl.when(pl.col("label") == 1).then(pl.lit("jpeg:q=96")).otherwise(pl.lit("none"))
    apart = score(table.with_columns(view=views, protocol=pl.lit("aligned")), **FAST)
    assert apart["view"].unique().to_list() == ["aligned"]
    assert apart.drop("view").equals(score(table, **FAST).drop("view"))
    both = pl.concat([table, table.with_columns(view=pl.lit("jpeg:q=50"))])
    assert set(score(both, **FAST)["view"]) == {"none", "jpeg:q=50"}
