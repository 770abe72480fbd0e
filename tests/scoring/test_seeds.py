from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, ttest_rel

from synthscope.errors import UsageError
from synthscope.scoring.seeds import SEEDS, over_seeds, seed_of, t_interval
from synthscope.tables.seeds import seed_tables

FIGURES = {"plain": [0.5, 0.6, 0.7], "better": [0.7, 0.75, 0.95]}


def detection(figures: dict[str, list[float]] = FIGURES, metric: str = "balanced_accuracy") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"detector": f"{row}.all.seed{seed}@0{seed}", "test_set": "own", "view": "none", "condition": "none"}
            | {"metric": metric, "value": value}
            for row, values in figures.items()
            for seed, value in enumerate(values)
        ]
    )


def test_means_and_paired_differences_are_those_of_scipy() -> None:
    table = over_seeds({"detection": detection()}, against="plain", order=["better"])
    assert table.schema == SEEDS and table["row"].to_list() == ["better", "plain"]
    better, plain = table.rows(named=True)
    own = ttest_1samp(FIGURES["better"], 0).confidence_interval()
    assert (better["value"], better["ci_low"], better["ci_high"]) == pytest.approx((0.8, own.low, own.high))
    assert better["sd"] == pytest.approx(np.std(FIGURES["better"], ddof=1)) and better["n_seeds"] == 3
    apart = ttest_rel(FIGURES["better"], FIGURES["plain"]).confidence_interval()
    got = better["difference"], better["difference_low"], better["difference_high"]
    assert got == pytest.approx((0.2, apart.low, apart.high))
    assert plain["against"] is None and plain["difference"] is None
    assert better["about"] == "test_set=own"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.floats(-10, 10))
def test_a_constant_added_to_both_rows_changes_no_difference(values: list[float], constant: float) -> None:
    figures = {"a": values, "b": [value / 2 for value in values]}
    moved = {row: [value + constant for value in own] for row, own in figures.items()}
    before, after = (over_seeds({"detection": detection(f)}, against="b")["difference"][0] for f in (figures, moved))
    assert before == pytest.approx(after, abs=1e-9)


def test_rows_are_compared_on_the_seeds_that_both_have() -> None:
    figures = {"plain": [0.5, 0.6, 0.7], "better": [0.7, 0.75]}
    better = over_seeds({"detection": detection(figures)}, against="plain").row(1, named=True)
    assert better["n_seeds"] == 2 and better["difference"] == pytest.approx(0.175)


def test_one_seed_has_no_interval_and_a_missing_figure_no_mean() -> None:
    assert t_interval(np.array([0.5])) == (0.5, None, None, None)
    assert t_interval(np.array([0.5, np.nan])) == (None, None, None, None)
    table = detection().with_columns(
        value=pl.when(pl.col("detector").str.contains("seed1")).then(None).otherwise("value")
    )
    assert over_seeds({"detection": table})["value"].to_list() == [None, None]


def test_detectors_without_a_seed_are_left_out() -> None:
    assert seed_of("metadata.all@1") is None and seed_of("align.ADM.seed12@ff") == ("align.ADM", 12)
    assert over_seeds({"detection": detection().with_columns(detector=pl.lit("resnet50@1"))}).is_empty()
    assert over_seeds({}).is_empty()


def test_a_row_to_compare_with_must_be_there() -> None:
    with pytest.raises(UsageError, match="Expected a row to compare with, got 'plian'. .*plain"):
        over_seeds({"detection": detection()}, against="plian")


def test_tables_show_means_chance_and_differences() -> None:
    heat = [
        {"detector": f"{row}.all.seed{seed}@1", "explainer": "gradcam", "view": "none", "condition": condition}
        | {"generator": "all", "category": category, "level": None, "metric": metric, "value": value + seed / 100}
        | {"baseline_random": 0.1 if condition == "none" else None}
        for row, value in (("plain", 0.2), ("better", 0.4))
        for seed in (0, 1)
        for condition, metric in (("none", "relevance_mass"), ("jpeg:q=65", "stability_spearman"))
        for category in (None, "low-level-color")
    ]
    tables = {
        table.name: table
        for table in seed_tables(
            over_seeds({"detection": detection(), "explanation": pl.DataFrame(heat)}, against="plain")
        )
    }
    assert list(tables) == [
        "seeds_balanced_accuracy", "seeds_balanced_accuracy_difference", "seeds_gradcam", "seeds_gradcam_difference",
        "seeds_gradcam_jpeg_q_65", "seeds_gradcam_jpeg_q_65_difference",
    ]  # fmt: skip
    assert "80.0 [" in tables["seeds_balanced_accuracy"].to_text()
    assert "+20.0 [" in tables["seeds_balanced_accuracy_difference"].to_text()
    (plain, better, chance) = tables["seeds_gradcam"].rows
    assert [row[0] for row in (plain, better, chance)] == ["plain", "better", "(chance)"]
    assert [row[1][0].value for row in (plain, better, chance)] == pytest.approx([0.205, 0.405, 0.1])
    assert [name for name, _ in tables["seeds_gradcam_jpeg_q_65"].rows] == ["plain", "better"]  # no chance of stability
    ((name, cells),) = tables["seeds_gradcam_difference"].rows
    assert name == "better" and cells[0].value == pytest.approx(0.2)
