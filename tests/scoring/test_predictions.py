"""Predictions of any number: read piece by piece, in units as small tables are, replicated to within a stated error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthscope.metrics import replicates
from synthscope.metrics.detection import METRICS
from synthscope.metrics.intervals import bootstrap, percentile_interval
from synthscope.metrics.resampling import units_of
from synthscope.schema import PREDICTIONS, conform, growing_parquet
from synthscope.scoring import columns
from synthscope.scoring.score import write_scores
from synthscope.scoring.units import units_of_rows

SEVERAL = [f"many{i}" for i in range(25)]  # groups that stand in two cells, enough for a stratum of their own


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["g", "h", "é", "Z", "zz", "1"])), min_size=1))
def test_units_of_tables_are_those_of_lists(rows: list[tuple[str, str]]) -> None:
    rows = rows + [(cell, group) for group in SEVERAL[: 5 * len(rows)] for cell in "ab"]
    cells, groups = zip(*rows, strict=True)
    expected, found = units_of(cells, groups), units_of_rows(pl.DataFrame({"cell": cells, "group": groups}))
    assert (found.names, found.sizes) == (expected.names, expected.sizes)
    assert found.stratum.tolist() == expected.stratum.tolist() and found.number.tolist() == expected.number.tolist()


def made(seed: int = 0) -> pl.DataFrame:
    """Predictions in groups, under two conditions, some of them errors or absent."""
    rng, rows = np.random.default_rng(seed), []
    for i in range(80):
        label, subset = i % 2, None if i % 10 == 0 else f"s{i % 3}"
        for detector in ("a@1", "b@2"):
            for condition in ("none", "jpeg:q=65"):
                error = "broken" if rng.random() < 0.05 else None
                rows.append({
                    "path": f"/{i}.png", "sha256": f"{i // 2}", "label": label, "subset": subset, "error": error,
                    "group": f"g{i // 4}" if i % 3 else None, "generator": f"s{i % 3}" if label else "real",
                    "detector": detector, "train_set": "s0", "condition": condition, "threshold": 0.25,
                    "logit": None if error else rng.normal(label), "view": "none",
                })  # fmt: skip
    return conform(pl.DataFrame(rows, infer_schema_length=None), PREDICTIONS, "test").filter(pl.col("path") != "/9.png")


def test_pieces_of_any_size_and_rows_in_any_order_score_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, files = made(), []
    table = table.with_columns(subset=pl.when(label=1).then(pl.col("subset").fill_null("s0")).otherwise("subset"))
    shuffled = table.sample(fraction=1, shuffle=True, seed=1)
    for name, rows in {"whole": table, "pieces": table, "shuffled": shuffled}.items():
        (tmp_path / name).mkdir()
        rows.write_parquet(tmp_path / name / "predictions.parquet")
        monkeypatch.setattr(columns, "ROWS_AT_ONCE", 1 << 20 if name == "whole" else 7)
        write_scores(tmp_path / name, n_resamples=100, compare=[("a", "b")])
        files.append({file.name: file.read_bytes() for file in (tmp_path / name).glob("*.parquet")})
        del files[-1]["predictions.parquet"]
    assert files[0] == files[1] == files[2] and set(files[0]) >= {"scores.parquet", "differences.parquet"}


def test_neighbours_counted_together_move_intervals_by_hardly_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, n, names = np.random.default_rng(0), 30_000, list(METRICS)
    labels = rng.random(n) < 0.4
    logits = rng.normal(1.5 * labels - 0.75)
    logits[::7] = np.round(logits[::7], 1)  # ties
    how = {"metrics": names, "n_resamples": 300}
    exact = bootstrap(labels, logits, **how)
    monkeypatch.setattr(replicates, "MOST", 1000)
    near = bootstrap(labels, logits, **how)
    assert not np.array_equal(exact, near)
    spread = exact.std(axis=1)
    assert (np.abs(near - exact).std(axis=1) < 0.05 * spread).all()
    (low, high), (near_low, near_high) = percentile_interval(exact), percentile_interval(near)
    assert (np.abs([near_low - low, near_high - high]) < 0.05 * (high - low)).all()
    one = replicates.Column(labels, logits, p=1 / (1 + np.exp(-logits)), threshold=0.0, metrics=names)
    whole = one(np.ones((n, 1), np.uint8))[:, 0]
    plain = [METRICS[name](labels, logits, p=1 / (1 + np.exp(-logits)), threshold=0.0) for name in names]
    assert whole == pytest.approx(plain, abs=1e-12)


def test_a_growing_table_has_the_same_bytes_in_any_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthscope.schema.ROW_GROUP", 50)
    table, found = made(), []
    for step in (1, 33, 1000):
        with growing_parquet(tmp_path / f"{step}.parquet", PREDICTIONS) as write:
            for rows in table.iter_slices(step):
                write(rows)
        found.append((tmp_path / f"{step}.parquet").read_bytes())
    assert found[0] == found[1] == found[2] and pl.read_parquet(tmp_path / "1.parquet").equals(table)
    with pytest.raises(ValueError, match="no"), growing_parquet(tmp_path / "1.parquet", PREDICTIONS) as write:
        write(table)
        raise ValueError("no")
    assert (tmp_path / "1.parquet").read_bytes() == found[0]
