from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, ttest_1samp, ttest_rel

from synthscope.errors import UsageError
from synthscope.metrics.multiplicity import holm
from synthscope.metrics.significance import smallest_detectable
from synthscope.schema import conform
from synthscope.scoring.families import with_adjusted
from synthscope.scoring.seed_families import family_of
from synthscope.scoring.seeds import SEEDS, over_seeds, seed_of, t_interval
from synthscope.tables.seeds import seed_tables

RESULTS = Path(__file__).parents[2] / "results" / "xaigd"
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
    assert better["p_value"] == pytest.approx(ttest_rel(FIGURES["better"], FIGURES["plain"]).pvalue)
    assert better["p_holm"] == better["q_bh"] == better["p_value"]  # one comparison
    spread = float(np.std(np.subtract(FIGURES["better"], FIGURES["plain"]), ddof=1))
    assert better["smallest_detectable"] == pytest.approx(smallest_detectable(spread, 3))
    assert plain["against"] is None and plain["difference"] is None and plain["p_value"] is None
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


def test_p_values_are_adjusted_for_the_differences_of_one_table() -> None:
    draws = np.random.default_rng(0).normal(0.5, 0.1, (4, 6)) + np.array([0, 0.3, 0.1, 0.0])[:, None]
    figures = dict(zip(("plain", "far", "near", "same"), draws.tolist(), strict=True))
    tables = {"detection": pl.concat([detection(figures), detection(figures, "auroc"), detection(figures, "brier")])}
    found = over_seeds(tables, against="plain").filter(pl.col("row") != "plain")
    p = [ttest_rel(figures[row], figures["plain"]).pvalue for row in ("far", "near", "same")]
    for metric in ("balanced_accuracy", "auroc"):
        rows = found.filter(metric=metric)
        assert rows["p_value"].to_list() == pytest.approx(p)
        assert rows["p_holm"].to_list() == pytest.approx(holm(p).tolist())
        assert rows["q_bh"].to_list() == pytest.approx(false_discovery_control(p).tolist())
    brier = found.filter(metric="brier")  # which no table shows
    assert brier["p_value"].to_list() == pytest.approx(p) and brier["p_holm"].null_count() == 3


@pytest.mark.parametrize("name", ["e3", "e4", "e5", "e6", "e7", "e8"])
def test_a_family_is_what_a_table_shows(name: str) -> None:
    stored = conform(pl.read_parquet(RESULTS / f"{name}.parquet"), SEEDS, name)
    compared = stored.filter(pl.col("difference").is_not_null()).with_columns(p_value=pl.lit(0.01))
    families = [family_of(*row) for row in compared.select("table", "about", "metric").iter_rows()]
    sizes = Counter(family for family in families if family is not None)
    tables = seed_tables(with_adjusted(compared, pl.Series(families, dtype=pl.String)))
    shown = []
    for table in (table for table in tables if table.signed):
        marks = [cell.mark for _, cells in table.rows for cell in cells if cell.value is not None]
        shown.append(len(marks))
        assert f"for the {len(marks)} comparisons" in " ".join(table.notes)
        assert {mark == "*" for mark in marks} == {len(marks) * 0.01 <= 0.05}
    assert shown and sorted(sizes.values()) == sorted(shown)


def test_tables_of_earlier_versions_have_no_marks() -> None:
    new = over_seeds({"detection": detection()}, against="plain")
    old = new.drop("p_value", "p_holm", "q_bh", "smallest_detectable")
    (table,) = (table for table in seed_tables(old) if table.signed)
    assert "score again" in " ".join(table.notes) and table.rows[0][1][0].mark == ""


def test_null_results_say_what_would_have_been_seen() -> None:
    figures = {"plain": [0.5, 0.6, 0.7, 0.8], "better": [0.7, 0.81, 0.9, 1.0], "like": [0.5, 0.65, 0.66, 0.81]}
    seeds = over_seeds({"detection": detection(figures)}, against="plain")
    (table,) = (table for table in seed_tables(seeds) if table.signed)
    (better,), (like,) = (cells for _, cells in table.rows)
    sees = 100 * smallest_detectable(float(np.std([0, 0.05, -0.04, 0.01], ddof=1)), 4)
    assert better.mark == "*" and like.mark == f" (sees {sees:.1f})"
    assert "four of five experiments" in table.to_text()


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
