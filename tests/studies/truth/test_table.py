"""Differences of twin worlds: by hand, against scipy and scikit-learn, and what must not change them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from synthscope.report.figures.truth import truth_figure
from synthscope.schema import PREDICTIONS, conform
from synthscope.scoring.heatmaps.summary import VALUES
from synthscope.studies.truth.table import compare, truth_scores
from synthscope.studies.truth.values import ARTIFACTS, FINGERPRINTS, TRUTH, UNTRAINED, accuracy_rows, image_values
from synthscope.studies.truth.verdicts import shown, shown_accuracy, verdicts


def ratios(values: np.ndarray, chance: float = 0.2) -> np.ndarray:
    """Plain scores, NaN = blank, as columns of RATIO."""
    known = ~np.isnan(values)
    return np.stack([values, known.astype(float), np.full(len(values), chance), np.ones(len(values))], 1)


def worlds(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> dict[str, np.ndarray]:
    return {ARTIFACTS: ratios(a), FINGERPRINTS: ratios(b), UNTRAINED: ratios(c)}


def quantities(tables: dict[str, np.ndarray], seed: int = 0) -> dict[str, dict[str, float]]:
    groups = [f"{twin:03}" for twin in range(len(tables[ARTIFACTS]))]
    return {row["quantity"]: row for row in compare(tables, groups, seed=seed)}


def test_by_hand() -> None:
    a, b = np.array([0.9, 0.5, 0.7, np.nan]), np.array([0.2, 0.6, np.nan, 0.1])
    found = quantities(worlds(a, b, np.array([0.2, 0.3, 0.2, 0.1])))
    assert found["artifacts"]["value"] == pytest.approx(0.7) and found["artifacts"]["n_images"] == 3
    assert found["fingerprints"]["value"] == pytest.approx(0.3) and found["lift_fingerprints"][
        "value"
    ] == pytest.approx(0.1)
    assert found["difference"]["value"] == pytest.approx(0.3)  # of the two pictures with both
    assert (found["difference"]["n_images"], found["difference"]["n_blank"]) == (2, 2)
    assert found["p_above"]["value"] == pytest.approx(3 / 4)
    assert found["learned"]["value"] == pytest.approx((0.7 + 0.2 + 0.5) / 3)
    assert found["chance"]["value"] == pytest.approx(0.2) and found["untrained"]["value"] == pytest.approx(0.2)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 40), st.integers(0, 10**6), st.floats(-0.5, 0.5))
def test_swapping_the_worlds_flips_the_sign(n: int, seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    a, b, c = rng.random(n).round(2) + shift, rng.random(n).round(2), rng.random(n)
    assume(np.ptp(a - b) > 0)
    one, other = quantities(worlds(a, b, c)), quantities(worlds(b, a, c))
    for name, sign, offset in (("difference", -1, 0), ("p_above", -1, 1)):
        assert other[name]["value"] == pytest.approx(sign * one[name]["value"] + offset)
        if one[name]["ci_low"] is not None:
            assert other[name]["ci_low"] == pytest.approx(sign * one[name]["ci_high"] + offset, abs=1e-9)
    assert other["artifacts"] == one["fingerprints"] | {"quantity": "artifacts"}
    assert one["p_above"]["value"] == pytest.approx(roc_auc_score([1] * n + [0] * n, np.concatenate([a, b])))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_shuffled_worlds_are_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(1, 0.3, 400), rng.normal(0, 0.3, 400)
    apart = quantities(worlds(a, b, b))["difference"]
    assert apart["ci_low"] > 0.9
    flip = rng.permutation(np.repeat([True, False], 200))
    mixed = quantities(worlds(np.where(flip, a, b), np.where(flip, b, a), b))["difference"]
    assert abs(mixed["value"]) < 0.1 and mixed["ci_low"] < 0 < mixed["ci_high"]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng, hits = np.random.default_rng(0), 0
    for seed in range(200):
        a, b = rng.normal(0.5, 0.2, 60), rng.normal(0.4, 0.2, 60)
        row = quantities(worlds(a, b, b), seed)["difference"]
        hits += row["ci_low"] <= 0.1 <= row["ci_high"]
    assert 180 <= hits <= 199  # 95 %, a little less for 60 pictures


def test_pictures_of_a_group_are_drawn_together_in_all_worlds() -> None:
    rng = np.random.default_rng(0)
    once = worlds(*rng.normal([[0.5], [0.4], [0.2]], 0.2, (3, 20)))
    five = {name: np.repeat(table, 5, axis=0) for name, table in once.items()}
    names = [f"{twin:02}" for twin in range(20)]
    single, together, apart = (
        {row["quantity"]: row for row in compare(tables, groups)}
        for tables, groups in ((once, names), (five, np.repeat(names, 5)), (five, [f"{i:03}" for i in range(100)]))
    )
    for name, row in single.items():
        for figure in ("value", "ci_low", "ci_high"):
            assert together[name][figure] == pytest.approx(row[figure])
        if name != "chance":
            assert apart[name]["ci_high"] - apart[name]["ci_low"] < 0.6 * (row["ci_high"] - row["ci_low"])


def test_without_any_score_there_is_no_number() -> None:
    nothing = np.full(3, np.nan)
    found = quantities(worlds(nothing, np.array([0.1, 0.2, 0.3]), nothing))
    for name in ("artifacts", "difference", "p_above", "learned", "lift_untrained", "chance"):
        assert found[name]["value"] is None and found[name]["ci_low"] is None and found[name]["n_blank"] == 3
    assert found["fingerprints"]["value"] == pytest.approx(0.2)


def heatmap_rows() -> pl.DataFrame:
    """Two images of 10 x 10 with 20 marked pixels; of the second heatmap nothing is positive."""
    common = {"detector": "d@1", "explainer": "e", "layer": "l", "generator": "g", "n_instances": 1}
    rows = []
    for number, (value, counts) in enumerate([(0.6, (6, 4, 14)), (float("nan"), (0, 0, 20))]):
        image = common | {"path": f"{number}.png"}
        edges = {"baseline_random": 0.2, "baseline_edges": 0.3}
        rows.append(image | edges | {"metric": "relevance_mass", "value": value})
        rows.append(image | edges | {"metric": "relevance_mass", "value": 0.9, "category": "low-level-color"})
        rows.append(image | {"metric": "micro", "pixels": 100} | dict(zip(("tp", "fp", "fn"), counts, strict=True)))
    table = pl.DataFrame(rows, schema=VALUES)
    return table.with_columns(twin="path")


def test_ratios_of_pixels_add_up_to_the_pooled_measure() -> None:
    table = image_values(heatmap_rows())
    mass = table.filter(measure="relevance_mass", explainer="e").sort("twin")
    assert mass["value"].to_list() == [0.6, None] and mass["weight"].to_list() == [1.0, 0.0]
    edges = table.filter(explainer="edges")
    assert edges["value"].to_list() == [0.3, 0.3] and set(edges["measure"]) == {"relevance_mass"}
    pooled = {
        measure: table.filter(measure=measure).select(
            value=(pl.col("value").fill_null(0) * pl.col("weight")).sum() / pl.col("weight").sum(),
            chance=(pl.col("chance").fill_null(0) * pl.col("chance_weight")).sum() / pl.col("chance_weight").sum(),
        ).row(0)
        for measure in ("micro_iou", "micro_precision", "micro_recall", "micro_f1")
    }  # fmt: skip
    assert pooled["micro_iou"] == pytest.approx((6 / 44, 2 / 48))  # 10 of 100 pixels taken, 20 marked: 2 expected
    assert pooled["micro_precision"] == pytest.approx((6 / 10, 2 / 10))
    assert pooled["micro_recall"] == pytest.approx((6 / 40, 2 / 40))
    assert pooled["micro_f1"] == pytest.approx((12 / 50, 4 / 50))


def made(seeds: int, shift: float, jitter: float) -> pl.DataFrame:
    """30 twins; world A lies ``shift`` above B, in each seed moved by up to ``jitter``."""
    rng, rows = np.random.default_rng(1), []
    for seed in range(seeds):
        for world, mean in ((ARTIFACTS, 0.2 + shift + jitter * (seed - 0.5)), (FINGERPRINTS, 0.2), (UNTRAINED, 0.2)):
            for twin, value in enumerate(rng.normal(mean, 0.05, 30)):
                known = "r", seed, world, f"d@{seed}", "e", "l", str(twin), "g", str(twin), twin < 20, "relevance_mass"
                rows.append((*known, value, 1.0, 0.2, 1.0))
    return pl.DataFrame(rows, schema=TRUTH, orient="row")


@pytest.mark.parametrize(
    ("shift", "jitter", "verdict"),
    [(0.3, 0.02, "yes"), (-0.3, 0.02, "reversed"), (0.0, 0.4, "no"), (0.15, 0.3, "no")],
)
def test_verdicts_need_every_seed(shift: float, jitter: float, verdict: str) -> None:
    scores = truth_scores(made(2, shift, jitter))
    table = verdicts(scores)
    assert table.height == 2 and set(table["images"]) == {"all", "right"} and set(table["tells_apart"]) == {verdict}
    row = table.filter(images="right").row(0, named=True)
    assert row["n_images"] == 20 and row["n_seeds"] == 2
    single = scores.filter(pl.col("seed").is_not_null(), images="all", quantity="difference")["value"]
    mean = scores.filter(pl.col("seed").is_null(), images="all", quantity="difference").row(0, named=True)
    half = 12.706204736 * single.std() / np.sqrt(2)
    assert mean["value"] == pytest.approx(single.mean()) and mean["ci_high"] == pytest.approx(single.mean() + half)


def test_chance_is_told_apart_from_luck_and_from_places_that_attract() -> None:
    values = made(1, 0.3, 0.0)
    assert verdicts(truth_scores(values))["fingerprints_score"].to_list() == ["at chance"] * 2
    attracted = values.with_columns(value=pl.col("value") + 0.1)
    row = verdicts(truth_scores(attracted)).row(0, named=True)
    assert row["fingerprints_score"] == row["untrained_score"] == "above" and row["tells_apart"] == "yes"


def test_accuracy_and_text_and_figure() -> None:
    labels, logits = [0, 0, 0, 0, 1, 1], [-1.0, -1, -1, 1, 1, -1]
    table = pl.DataFrame({"label": labels, "logit": logits, "detector": "d", "threshold": 0.0, "path": list("abcdef")})
    rows = accuracy_rows(conform(table, PREDICTIONS, "t"))
    assert dict(rows.select("metric", "value").iter_rows()) == pytest.approx(
        {"real_accuracy": 0.75, "ai_accuracy": 0.5, "balanced_accuracy": 0.625}
    )
    assert (rows["ci_low"] < rows["value"]).all() and set(rows["n_real"]) == {4}
    named = rows.with_columns(recipe=pl.lit("r"), seed=pl.lit(0), world=pl.lit(ARTIFACTS))
    assert "62.5 [" in shown_accuracy(named)["balanced_accuracy"][0]
    told = verdicts(truth_scores(made(1, 0.3, 0.0)))
    assert shown(told).height == 1 and "[0." in shown(told)["difference"][0]
    named = pl.concat([named, named.with_columns(world=pl.lit(FINGERPRINTS), value=pl.lit(1.0))])
    figure = truth_figure(told, named)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == [f"{told['difference'][0]:+.2f}*"]
    assert "r, balanced accuracy 62.5 % with artifacts, 100.0 %" in figure.axes[0].get_title(loc="left")
    marked = told.with_columns(fingerprints_score=pl.lit("above"), tells_apart=pl.lit("no"))
    assert truth_figure(marked, named).axes[0].texts[0].get_text().endswith("\nf")
    assert len(truth_figure(told.clear(), named).axes) == 0
