"""One row a recipe where test sets are left out in turn: by hand, paired, and what does not belong to such a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from synthscope.schema import PREDICTIONS, conform, write_table
from synthscope.scoring.left_out import FILE, LEFT_OUT, row_of
from synthscope.scoring.score import write_scores
from synthscope.tables.left_out import COSTS, left_out_table
from synthscope.tables.printing import print_tables
from tests.scoring.test_generalization import predictions

SETS = ("a", "b", "c")


def fold(left_out: str, right: dict[str, list[int]], *, row: str = "r", end: str = "", **columns: str) -> pl.DataFrame:
    """Verdicts of the detector that has not learnt from one set."""
    known = "+".join(name for name in SETS if name != left_out)
    table = predictions(right, train_set=known, detector=f"{row}.all_but_{left_out}{end}@{left_out}1234567")
    return conform(table.with_columns(**{name: pl.lit(value) for name, value in columns.items()}), PREDICTIONS, "test")


def verdicts(share: float, n: int = 8) -> list[int]:
    return [int(i < share * n) for i in range(n)]


def written(tables: list[pl.DataFrame], folder: Path) -> pl.DataFrame:
    write_table(pl.concat(tables), folder / "predictions.parquet")
    write_scores(folder, n_resamples=200)
    return pl.read_parquet(folder / FILE)


def test_rows_of_names() -> None:
    assert row_of("cpu_small.all_but_v1.5.aligned@0") == "cpu_small.aligned"
    assert row_of("metadata.all_but_x@0") == "metadata"
    assert row_of("cpu_small.all_but_x.view2.seed10") == "cpu_small.view2.seed10"
    assert row_of("cpu_small.all@0") is None and row_of("all_but_x@0") is None


def test_every_set_is_judged_by_the_detector_that_left_it_out(tmp_path: Path) -> None:
    """Right shares by fold (rows) and set: seen cells count in ``seen`` twice a set, the diagonal is ``unseen``."""
    shares = {"a": (0.5, 1.0, 0.75), "b": (1.0, 0.25, 1.0), "c": (0.75, 1.0, 0.625)}
    folds = [
        fold(name, dict(zip(SETS, map(verdicts, row), strict=True)))
        for name, row in shares.items()
    ]  # fmt: skip
    table = written(folds, tmp_path)
    assert table.schema == LEFT_OUT
    rows = {row["part"]: row for row in table.filter(metric="accuracy").rows(named=True)}
    matrix = np.array(list(shares.values()))
    unseen, seen = np.diag(matrix).mean(), matrix[~np.eye(3, dtype=bool)].mean()
    assert rows["unseen"]["value"] == pytest.approx(unseen) and rows["seen"]["value"] == pytest.approx(seen)
    assert rows["gap"]["value"] == pytest.approx(seen - unseen)
    assert rows["seen"]["n_real"] == rows["unseen"]["n_real"] == 12  # an image that two folds judge is one image
    assert {row["detector"] for row in rows.values()} == {"r"} and rows["unseen"]["test_sets"] == "a+b+c"


def test_the_interval_of_unseen_sets_is_that_of_a_plain_bootstrap(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    right = {
        name: (rng.random(120) < rate).astype(int).tolist() for name, rate in zip(SETS, (0.9, 0.6, 0.7), strict=True)
    }
    row = written([fold(name, right) for name in SETS], tmp_path)
    found = row.filter(metric="accuracy", part="unseen").row(0, named=True)
    draws = [
        np.mean([rng.choice(of[label::2], 60).mean() for of in map(np.array, right.values()) for label in (0, 1)])
        for _ in range(4000)
    ]
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(np.quantile(draws, (0.025, 0.975)), abs=0.012)


def test_the_mean_of_degradations_and_other_views(tmp_path: Path) -> None:
    told = {"view": "aligned", "train_view": "aligned"}
    clean = [fold(name, dict.fromkeys(SETS, verdicts(1.0)), end=".aligned", **told) for name in SETS]
    jpeg = [fold(name, {name: verdicts(0.5)}, end=".aligned", condition="jpeg:q=65", **told) for name in SETS]
    blur = [fold(name, {name: verdicts(0.75)}, end=".aligned", condition="blur:sigma=3", **told) for name in SETS]
    raw = [fold(name, {name: verdicts(0.25)}, end=".aligned", view="none", train_view="aligned") for name in SETS]
    table = written([*clean, *jpeg, *blur, *raw], tmp_path)
    unseen = table.filter(metric="accuracy", part="unseen", view="aligned")
    values = dict(unseen.select("condition", "value").iter_rows())
    assert values == pytest.approx({"none": 1.0, "jpeg:q=65": 0.5, "blur:sigma=3": 0.75, "mean": 0.625})
    assert unseen.filter(condition="mean")["n_ai"].item() == 12
    assert table.filter(part="gap", condition="mean").is_empty()  # no seen set was degraded
    costs = pl.DataFrame([("r.aligned", 2_000_000, 1.0, 4.0, 8.0)], schema=COSTS, orient="row")
    shown = left_out_table(table, costs)
    assert shown.columns[:4] == ("seen", "unseen", "unseen, raw", "unseen, degraded")
    assert [cell.value for cell in shown.rows[0][1]] == pytest.approx([1.0, 1.0, 0.25, 0.625, 2.0, 5.0, 0.5])


def test_the_best_on_unseen_sets_comes_first_and_floors_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"metadata": 1.0, "poor": 0.5, "good": 0.875}
    folds = [fold(name, dict.fromkeys(SETS, verdicts(share)), row=row) for row, share in rows.items() for name in SETS]
    table = written(folds, tmp_path)
    shown = left_out_table(table, pl.DataFrame(schema=COSTS))
    assert [name for name, _ in shown.rows] == ["good", "poor", "metadata (floor)"]
    assert shown.columns == ("seen", "unseen", "unseen, degraded")
    print_tables(tmp_path)
    assert "left out of training, one row a detector" in capsys.readouterr().out


def test_other_runs_have_no_such_table(tmp_path: Path) -> None:
    write_table(predictions({"a": [1, 0, 1, 1]}, train_set="a"), tmp_path / "predictions.parquet")
    write_table(pl.DataFrame({"stale": [1]}), tmp_path / FILE)
    write_scores(tmp_path, n_resamples=50)
    assert not (tmp_path / FILE).exists()
