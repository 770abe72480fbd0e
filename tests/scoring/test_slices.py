"""Worst groups and classes: cases by hand, and intervals by other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from synthscope.report.page.html import write_report
from synthscope.schema import MANIFEST, PREDICTIONS, conform
from synthscope.scoring.score import write_scores
from synthscope.scoring.slices import CLASSES, WORST, class_accuracy, worst_groups
from synthscope.tables.printing import print_tables
from synthscope.tables.slices import class_tables, worst_group_tables

Verdicts = dict[tuple[str, int], list[int]]  # (test set, label) -> 1 where an image is judged right


def predictions(verdicts: Verdicts, **columns: object) -> pl.DataFrame:
    rows = []
    for (subset, label), right in verdicts.items():
        for i, correct in enumerate(right):
            rows.append({
                "path": f"/{subset}/{label}/{i:03}.png", "label": label, "subset": subset, "detector": "d@1",
                "generator": subset if label else "real", "view": "none", "condition": "none",
                "logit": float(2 * int(label == correct) - 1), "threshold": 0.0,
            } | columns)  # fmt: skip
    return conform(pl.DataFrame(rows), PREDICTIONS, "test")


def ones(right: int, n: int) -> list[int]:
    return [1] * right + [0] * (n - right)


GROUPS: Verdicts = {("a", 0): ones(9, 10), ("a", 1): ones(16, 20), ("b", 0): ones(10, 10), ("b", 1): ones(3, 10)}


def test_the_lowest_group_by_hand() -> None:
    table = worst_groups(predictions(GROUPS), n_resamples=200)
    assert table.schema == WORST
    (row,) = table.rows(named=True)
    assert (row["test_set"], row["label"], row["value"], row["n"]) == ("b", 1, 0.3, 10)
    assert row["mean"] == pytest.approx((0.9 + 0.8 + 1.0 + 0.3) / 4) and row["n_groups"] == 4
    assert row["ci_low"] < 0.3 < row["ci_high"]


def test_the_interval_is_that_of_the_minimum_in_every_draw() -> None:
    rng = np.random.default_rng(3)
    verdicts = {(s, y): (rng.random(150) < 0.75).astype(int).tolist() for s in "abc" for y in (0, 1)}
    (row,) = worst_groups(predictions(verdicts)).rows(named=True)
    minima = np.array([
        min(rng.choice(right, len(right)).mean() for right in verdicts.values()) for _ in range(4000)
    ])  # fmt: skip
    low, high = np.quantile(minima, (0.025, 0.975))
    assert row["ci_low"] == pytest.approx(low, abs=0.01)
    assert row["ci_high"] == pytest.approx(max(high, row["value"]), abs=0.01)


def test_a_group_without_images_is_none_and_certainty_is_not_claimed() -> None:
    (row,) = worst_groups(predictions({("a", 1): ones(10, 10), ("b", 0): ones(5, 5)}), n_resamples=100).rows(named=True)
    assert (row["test_set"], row["label"], row["value"], row["n_groups"]) == ("a", 1, 1.0, 2)
    bounds = binomtest(10, 10).proportion_ci(method="wilson")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((bounds.low, 1.0))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6), min_size=2, max_size=6))
def test_it_is_a_minimum_whatever_the_order(groups: list[list[int]]) -> None:
    table = predictions({(f"s{i // 2}", i % 2): right for i, right in enumerate(groups)})
    (row,) = worst_groups(table, n_resamples=20).rows(named=True)
    rates = [np.mean(right) for right in groups]
    assert row["value"] == min(rates) <= row["mean"] and row["mean"] == pytest.approx(np.mean(rates))
    assert row["ci_low"] <= row["value"] <= row["ci_high"]
    shuffled = table.sample(fraction=1, shuffle=True, seed=1)
    assert worst_groups(shuffled, n_resamples=20).equals(worst_groups(table, n_resamples=20))


def classed(rows: dict[tuple[int | None, int], tuple[int, int]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Predictions and manifest: (class, label) -> (right, n)."""
    tables, images = [], []
    for (index, label), (right, n) in rows.items():
        tables.append(predictions({(f"of{index}", label): ones(right, n)}, subset="a"))
        synset = None if index is None else f"n{index:08}"
        images += [{"path": path, "class_index": index, "synset": synset} for path in tables[-1]["path"]]
    return pl.concat(tables), conform(pl.DataFrame(images), MANIFEST, "test")


def test_classes_by_hand() -> None:
    table, manifest = classed({(7, 0): (10, 12), (7, 1): (3, 10), (8, 0): (10, 10), (8, 1): (9, 9), (None, 1): (1, 4)})
    classes = class_accuracy(table, manifest)
    assert classes.schema == CLASSES
    seven, eight, without = classes.rows(named=True)
    bounds = binomtest(13, 22).proportion_ci(method="wilson")
    assert (seven["value"], seven["ci_low"], seven["ci_high"]) == pytest.approx((13 / 22, bounds.low, bounds.high))
    assert (seven["real_accuracy"], seven["ai_accuracy"]) == pytest.approx((10 / 12, 3 / 10))
    assert (eight["class_index"], eight["n_real"], eight["n_ai"], eight["value"]) == (8, 10, 9, None)
    assert (without["class_index"], without["n_ai"], without["value"]) == (None, 4, None)
    assert class_accuracy(table, manifest.with_columns(class_index=None, synset=None)).is_empty()


def test_images_of_one_group_count_once_in_the_interval() -> None:
    table, manifest = classed({(7, 0): (10, 10), (7, 1): (10, 10)})
    (row,) = class_accuracy(table.with_columns(group=pl.col("path").str.tail(7)), manifest).rows(named=True)
    assert row["ci_low"] == pytest.approx(binomtest(10, 10).proportion_ci(method="wilson").low)


def test_the_ends_of_many_classes_and_what_was_left_out() -> None:
    rows = {(index, label): (10 + index, 30) for index in range(12) for label in (0, 1)}
    table, manifest = classed(rows | {(50, 1): (2, 2)})
    (shown,) = class_tables(class_accuracy(table, manifest))
    assert [name for name, _ in shown.rows] == [f"d: n{i:08} (30 + 30)" for i in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)]
    assert "Left out: 1 of 13 classes with fewer than 10 images of a label, 0 images without a class." in shown.notes
    few, manifest = classed({(i, label): (10 + i, 30) for i in range(3) for label in (0, 1)})
    assert len(class_tables(class_accuracy(few, manifest))[0].rows) == 3


def test_tables_page_and_terminal_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, manifest = classed({(7, 0): (10, 12), (7, 1): (3, 10)})
    degraded = table.with_columns(condition=pl.lit("jpeg:q=30"))
    pl.concat([table, degraded]).write_parquet(tmp_path / "predictions.parquet")
    manifest.write_parquet(tmp_path / "manifest.parquet")
    write_scores(tmp_path, n_resamples=100)
    worst = pl.read_parquet(tmp_path / "worst_groups.parquet")
    assert worst.equals(worst_groups(tmp_path, n_resamples=100))
    assert pl.read_parquet(tmp_path / "class_accuracy.parquet").equals(class_accuracy(tmp_path, manifest))
    (shown,) = worst_group_tables(worst)
    assert [name for name, _ in shown.rows] == ["d", "d, jpeg:q=30"]
    assert shown.text(shown.rows[0][1][0]).endswith("] (a, AI, n = 10)")
    print_tables(tmp_path)
    told = capsys.readouterr().out
    assert "Worst-group accuracy" in told and "(a, AI, n = 10)" in told and "d, jpeg:q=30" not in told
    page = write_report(tmp_path).read_text()
    assert 'id="slices"' in page and "n00000007 (12 + 10)" in page
    assert {"worst_groups.csv", "class_accuracy.md"} <= {file.name for file in (tmp_path / "tables").iterdir()}
