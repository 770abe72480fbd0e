"""Paired differences of views and conditions by hand, their families, and their p-values under a simulated null."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom, ttest_1samp

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.multiplicity import benjamini_hochberg, holm
from synthscope.schema import DIFFERENCES, PREDICTIONS, SCORES, conform
from synthscope.scoring.differences import as_differences, compare, differences, in_families
from synthscope.scoring.score import score

FAST = {"n_resamples": 60}
CONDITIONS = "none", "jpeg:q=65", "blur:sigma=3"


def predictions(n: int = 20, *, detectors: tuple[str, ...] = ("a@1", "b@2"), seed: int = 0) -> pl.DataFrame:
    """Shared photographs without a subset in the raw view; in the view aligned they stand once in each test set."""
    rng, rows = np.random.default_rng(seed), []
    shown = {"raw": [None], "aligned": ["ADM", "glide"]}
    for view, name in (("raw", None), ("aligned", "aligned")):
        for condition in CONDITIONS:
            for detector in detectors:
                pictures = [(f"/{s}/{i}.png", 1, s) for s in ("ADM", "glide") for i in range(n)]
                pictures += [(f"/real/{i}.png", 0, s) for s in shown[view] for i in range(n)]
                for path, label, subset in pictures:
                    rows.append({
                        "path": path, "label": label, "subset": subset, "generator": subset if label else "real",
                        "detector": detector, "condition": condition, "protocol": name, "view": "none",
                        "logit": (2 * label - 1) * (1.0 if view == "raw" else 0.4) + rng.normal(),
                    })  # fmt: skip
    return conform(pl.DataFrame(rows, infer_schema_length=None), PREDICTIONS, "test")


def one(table: pl.DataFrame, **where: str) -> dict:
    rows = table.filter(**where).rows(named=True)
    assert len(rows) == 1, (where, len(rows))
    return rows[0]


def test_views_are_compared_on_the_images_that_stand_in_both() -> None:
    table = predictions()
    left_out = pl.col("path").is_in(["/ADM/0.png", "/ADM/1.png", "/real/5.png"]) & (pl.col("protocol") == "aligned")
    table = table.filter(~left_out.fill_null(False))
    found = differences(table, metric="ai_accuracy", **FAST).filter(kind="views")
    assert found.schema == DIFFERENCES and set(found["view"]) == {"none − aligned"}
    row = one(found, test_set="ADM", detector="a@1", condition="none")
    assert (row["a"], row["b"], row["n_real"], row["n_ai"]) == ("none", "aligned", 19, 18)
    mine = table.filter((pl.col("detector") == "a@1"), pl.col("condition") == "none", pl.col("label") == 1)
    mine = mine.filter(pl.col("path").is_in([f"/ADM/{i}.png" for i in range(2, 20)]))
    right = {name: part["logit"] > 0 for (name,), part in mine.group_by("protocol")}
    assert row["value"] == pytest.approx(right[None].mean() - right["aligned"].mean())
    assert row["ci_low"] <= row["value"] <= row["ci_high"]
    mean = one(found, test_set="mean", detector="a@1", condition="mean")
    single = found.filter(pl.col("test_set") != "mean", pl.col("condition").is_in(CONDITIONS[1:]), detector="a@1")
    assert mean["value"] == pytest.approx(single["value"].mean()) and single.height == 4


@pytest.mark.parametrize("metric", ["balanced_accuracy", "auroc", "ece"])
def test_differences_are_those_of_the_scores_and_no_wider_than_unpaired(metric: str) -> None:
    table = predictions(40)
    scores, found = score(table, metrics=[metric], **FAST), differences(table, metric=metric, **FAST)
    for test_set in ("ADM", "mean"):
        where = {"detector": "b@2", "test_set": test_set}
        clean, jpeg, mean = (one(scores, **where, view="none", condition=c) for c in ("none", "jpeg:q=65", "mean"))
        for other in (jpeg, mean):
            row = one(found, **where, view="none", condition=f"none − {other['condition']}")
            assert row["value"] == pytest.approx(clean["value"] - other["value"])
            assert (row["kind"], row["a"], row["b"]) == ("conditions", "none", other["condition"])
        aligned = one(scores, **where, view="aligned", condition="none")
        row = one(found, **where, view="none − aligned", condition="none")
        assert row["value"] == pytest.approx(clean["value"] - aligned["value"])


def test_a_view_that_changes_nothing_differs_nowhere() -> None:
    raw = predictions().filter(pl.col("protocol").is_null())
    same = pl.concat([raw, raw.with_columns(protocol=pl.lit("aligned"))])
    found = differences(same, **FAST).filter(kind="views")
    assert set(found["value"]) == {0.0} and set(found["p_value"]) == {1.0} and found["ci_low"].null_count() > 0


def test_images_that_fail_under_one_condition_are_left_out_of_both_and_counted() -> None:
    failed = (pl.col("path") == "/ADM/3.png") & (pl.col("condition") == "jpeg:q=65") & pl.col("protocol").is_null()
    table = predictions().with_columns(error=pl.when(failed).then(pl.lit("too small")))
    found = differences(table, **FAST).filter(kind="conditions", view="none", test_set="ADM", detector="a@1")
    jpeg, blur = (one(found, b=name) for name in CONDITIONS[1:])
    assert (jpeg["n_ai"], jpeg["n_error"], blur["n_ai"], blur["n_error"]) == (19, 1, 20, 0)


def test_detectors_without_a_partner_have_no_row_and_nothing_to_compare_no_rows() -> None:
    table = predictions()
    alone = table.filter((pl.col("detector") == "a@1") | pl.col("protocol").is_null())
    assert set(differences(alone, **FAST).filter(kind="views")["detector"]) == {"a@1"}
    assert differences(table.filter(pl.col("protocol").is_null(), condition="none"), **FAST).is_empty()
    assert differences(table.filter(pl.col("protocol").is_null(), condition="none"), **FAST).schema == DIFFERENCES
    apart = table.filter((pl.col("detector") == "a@1") == pl.col("path").str.contains("[02468].png"))
    assert compare(apart, "a", "b", **FAST).is_empty()
    with pytest.raises(UsageError, match="auroc"):
        differences(table, metric="aurok")


def test_families_are_those_of_the_tables() -> None:
    table = in_families(pl.concat([compare(predictions(), "a", "b", **FAST), differences(predictions(), **FAST)]))
    families = [
        table.filter(kind="detectors", view="none"),
        table.filter(kind="views", condition="none"),
        table.filter(kind="conditions", test_set="mean"),
        table.filter(pl.col("test_set") != "mean", kind="conditions"),
    ]
    for family in families:
        assert family["p_holm"].to_list() == pytest.approx(holm(family["p_value"]).tolist())
        assert family["q_bh"].to_list() == pytest.approx(benjamini_hochberg(family["p_value"]).tolist())
    assert [family.height for family in families] == [12, 6, 12, 24]
    shuffled = in_families(table.drop("p_holm", "q_bh").sample(fraction=1, shuffle=True, seed=1).pipe(_whole))
    keys = ["kind", "detector", "test_set", "view", "condition"]
    assert shuffled.sort(keys).equals(table.sort(keys))


def _whole(table: pl.DataFrame) -> pl.DataFrame:
    return conform(table, DIFFERENCES, "test")


def test_files_without_p_values_are_read() -> None:
    old = as_differences(compare(predictions(), "a", "b", **FAST).select(SCORES.names()), "old.parquet")
    assert old.schema == DIFFERENCES and set(old["kind"]) == {"detectors"} and old["p_value"].null_count() == len(old)
    assert set(old["a"]) == {"a@1"} and set(old["b"]) == {"b@2"}
    with pytest.raises(SynthscopeError, match=r"wrong\.parquet"):
        as_differences(pl.DataFrame({"n_real": ["x"]}), "wrong.parquet")


def null_worlds(worlds: int, *, prompts: int = 30, drawn: int = 4, grouped: bool = True, seed: int = 0) -> pl.DataFrame:
    """Test sets with two detectors of equal accuracy. A prompt is easy or hard for both, and favours one of them in all
    images that were drawn from it."""
    rng = np.random.default_rng(seed)
    shape = np.array([worlds, 2, prompts, drawn, 2])
    common, favour, image = (rng.normal(size=shape[:n]) for n in (3, 3, 4))
    tilt = favour[..., None, None] * np.array([0.8, -0.8])
    right = 0.8 + common[..., None, None] + tilt + image[..., None] + 0.5 * rng.normal(size=shape)
    world, label, prompt, i, detector = (axis.ravel() for axis in np.indices(shape))
    table = pl.DataFrame({"world": world, "label": label, "prompt": prompt, "i": i, "detector": detector})
    table = table.with_columns(
        logit=pl.Series(right.ravel()) * (2 * pl.col("label") - 1),
        path=pl.format("/{}/{}/{}/{}.png", "world", "label", "prompt", "i"),
        group=pl.format("{} {} {}", "world", "label", "prompt") if grouped else pl.lit(None, pl.String),
        subset=pl.format("world {}", "world"),
        detector=pl.format("d{}", "detector"),
    )
    return conform(table, PREDICTIONS, "test")


def rejected(metric: str, trials: int, **world: bool | int) -> int:
    """How many p-values of so many worlds are below 0.05."""
    found = compare(null_worlds(trials, **world), "d0", "d1", metric=metric, n_resamples=200)
    return found.filter(pl.col("test_set") != "mean", pl.col("p_value") < 0.05).height


@pytest.mark.parametrize("metric", ["balanced_accuracy", "auroc"])
def test_under_the_null_five_of_a_hundred_p_values_are_below_five_hundredths(metric: str) -> None:
    low, high = binom.interval(0.99, 200, 0.05)
    assert low <= rejected(metric, 200) <= high
    assert rejected(metric, 200, grouped=False) > 1.5 * high  # the control: images of a prompt counted as independent


def test_few_groups_do_not_reject_more_often() -> None:
    assert rejected("balanced_accuracy", 200, prompts=8) <= binom.interval(0.99, 200, 0.05)[1]


def test_one_image_a_group_gives_the_paired_t_test() -> None:
    table = null_worlds(1, prompts=200, drawn=1, grouped=False).filter(label=1)
    row = one(compare(table, "d0", "d1", metric="ai_accuracy", n_resamples=8000))
    right = [(table.filter(detector=d)["logit"] > 0).cast(pl.Float64).to_numpy() for d in ("d0", "d1")]
    assert row["p_value"] == pytest.approx(ttest_1samp(right[0] - right[1], 0).pvalue, rel=0.05)
