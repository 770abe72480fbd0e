"""Seen and unseen test sets: values by hand, paired intervals by a plain bootstrap, and what has no rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from synthscope.report.page.html import write_report
from synthscope.schema import PREDICTIONS, conform
from synthscope.scoring.generalization import GENERALIZATION, generalization
from synthscope.scoring.score import score, write_scores
from synthscope.tables.generalization import generalization_tables
from synthscope.tables.printing import print_tables


def predictions(right: dict[str, list[int]], *, train_set: str | None, detector: str = "d@1") -> pl.DataFrame:
    """Verdicts of one detector: test set -> 1 where an image is judged right, real and AI in turn."""
    rows = []
    for subset, verdicts in right.items():
        for i, correct in enumerate(verdicts):
            label = i % 2
            rows.append({
                "path": f"/{subset}/{i:03}.png", "label": label, "subset": subset, "detector": detector,
                "generator": subset if label else "real", "train_set": train_set, "view": "none", "condition": "none",
                "logit": float(2 * int(label == correct) - 1), "threshold": 0.0,
            })  # fmt: skip
    return conform(pl.DataFrame(rows), PREDICTIONS, "test")


RIGHT = {"a": [1, 1, 1, 1, 1, 1, 1, 0], "b": [1, 1, 1, 1, 1, 0, 1, 0], "c": [1, 0, 1, 0, 1, 0, 0, 1]}


def test_means_and_gap_by_hand() -> None:
    table = generalization(predictions(RIGHT, train_set="a+b"), n_resamples=100)
    assert table.schema == GENERALIZATION
    rows = {row["part"]: row for row in table.filter(metric="accuracy").rows(named=True)}
    assert rows["seen"]["value"] == pytest.approx((7 / 8 + 6 / 8) / 2)
    assert rows["unseen"]["value"] == pytest.approx(4 / 8)
    assert rows["gap"]["value"] == pytest.approx((7 / 8 + 6 / 8) / 2 - 4 / 8)
    assert [rows[part]["test_sets"] for part in ("seen", "unseen", "gap")] == ["a+b", "c", None]
    assert [rows[part]["n_real"] for part in ("seen", "unseen", "gap")] == [8, 4, 12]
    turned = generalization(predictions(RIGHT, train_set="c"), n_resamples=100)
    assert turned.filter(metric="accuracy", part="gap")["value"].item() == pytest.approx(-rows["gap"]["value"])


def test_a_single_test_set_has_the_interval_of_the_scores() -> None:
    table = predictions(RIGHT, train_set="a+b")
    own = score(table, metrics=["accuracy"], n_resamples=100).filter(test_set="c").row(0, named=True)
    row = generalization(table, n_resamples=100).filter(metric="accuracy", part="unseen").row(0, named=True)
    assert (row["ci_low"], row["ci_high"]) == (own["ci_low"], own["ci_high"])


def test_the_interval_of_the_gap_is_that_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(1)
    right = {name: (rng.random(200) < rate).astype(int).tolist() for name, rate in {"a": 0.9, "b": 0.6}.items()}
    row = generalization(predictions(right, train_set="a")).filter(metric="accuracy", part="gap").row(0, named=True)
    differences = np.empty(4000)
    for r in range(4000):  # real and AI images of both test sets, resampled each by themselves
        a, b = (
            np.mean([rng.choice(right[name][label::2], 100).mean() for label in (0, 1)]) for name in ("a", "b")
        )  # fmt: skip
        differences[r] = a - b
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(np.quantile(differences, (0.025, 0.975)), abs=0.01)


def test_images_that_two_test_sets_share_are_drawn_together() -> None:
    """The same verdicts on the same files, as a seen and as an unseen test set: the gap is 0 in every draw."""
    one = predictions({"a": RIGHT["c"] * 5}, train_set="a")
    other = one.with_columns(subset=pl.lit("b"), path="/b" + pl.col("path"))
    both = pl.concat([one, other]).with_columns(group=pl.col("path").str.tail(7), generator=pl.lit("g"))
    row = generalization(both, n_resamples=200).filter(metric="accuracy", part="gap").row(0, named=True)
    assert (row["value"], row["ci_low"], row["ci_high"]) == (0.0, None, None)
    seen = generalization(both, n_resamples=200).filter(metric="accuracy", part="seen").row(0, named=True)
    assert seen["ci_low"] < seen["value"] < seen["ci_high"]


@pytest.mark.parametrize("train_set", [None, "elsewhere", "a+b+c"])
def test_detectors_without_both_parts_have_no_rows(train_set: str | None, tmp_path: Path) -> None:
    table = predictions(RIGHT, train_set=train_set)
    assert generalization(table, n_resamples=100).is_empty()
    table.write_parquet(tmp_path / "predictions.parquet")
    (tmp_path / "generalization.parquet").write_bytes(b"of other predictions")
    write_scores(tmp_path, n_resamples=100)
    assert not (tmp_path / "generalization.parquet").exists()


def test_rows_of_other_detectors_change_nothing() -> None:
    own = predictions(RIGHT, train_set="a+b")
    whole = pl.concat([own, predictions(RIGHT, train_set=None, detector="e@2")])
    assert generalization(whole, n_resamples=100).equals(generalization(own, n_resamples=100))


def test_tables_page_and_terminal_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = [predictions(RIGHT, train_set=sets, detector=f"d{sets}@1") for sets in ("a+b", "b+c", "a+c", "c")]
    pl.concat(tables).write_parquet(tmp_path / "predictions.parquet")
    write_scores(tmp_path, n_resamples=100)
    written = pl.read_parquet(tmp_path / "generalization.parquet")
    assert written.equals(generalization(tmp_path, n_resamples=100))
    (table,) = generalization_tables(written)
    assert [name for name, _ in table.rows] == ["c", "all but a", "all but b", "all but c"]
    assert table.columns == ("seen (1 to 2 sets)", "unseen (1 to 2 sets)", "seen less unseen")
    assert [round(100 * (cell.value or 0), 2) for cell in dict(table.rows)["all but c"]] == [81.25, 50.0, 31.25]
    for cells in dict(table.rows).values():
        assert (cells[2].mark == "*") == (not (cells[2].ci_low or 0) <= 0 <= (cells[2].ci_high or 0))
    around = written.with_columns(ci_low=pl.lit(-0.1), ci_high=pl.lit(0.4))
    assert {cells[2].mark for _, cells in generalization_tables(around)[0].rows} == {""}
    print_tables(tmp_path)
    assert "+31.2 [" in capsys.readouterr().out
    page = write_report(tmp_path).read_text()
    assert 'id="unseen"' in page and "+31.2 [" in page
    assert (tmp_path / "tables" / "generalization_accuracy.csv").is_file()
