"""Correlated generators: GenImage's published Table 2 must give the figures of its Fig. 3 (b)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from synthscope.errors import SynthscopeError, UsageError
from synthscope.studies.correlation import (
    Transfer,
    correlate,
    correlation_rows,
    correlation_table,
    notes,
    read_transfer,
    tree,
)
from tests.report.made_runs import make_predictions, make_scores

TABLE_2 = """train_set,Midjourney,SD V1.4,SD V1.5,ADM,GLIDE,Wukong,VQDM,BigGAN,avg
Midjourney,98.8,76.4,76.9,64.1,78.9,71.4,52.5,50.1,71.1
SD V1.4,54.9,99.9,99.7,53.5,61.9,98.2,56.6,52.0,72.1
SD V1.5,54.4,99.8,99.9,52.7,60.1,98.5,56.9,51.3,71.7
ADM,58.6,53.1,53.2,99.0,97.1,53.0,61.5,88.3,70.4
GLIDE,50.7,50.0,50.1,56.0,99.9,50.3,51.0,74.0,60.2
Wukong,54.5,99.7,99.6,51.4,58.3,99.9,58.7,50.9,71.6
VQDM,50.1,50.0,50.0,50.7,60.1,50.2,99.9,66.8,59.7
BigGAN,49.9,49.9,49.9,50.6,68.4,49.9,50.6,99.9,58.6
"""
FIG_3 = {
    ("SD V1.4", "SD V1.5"): 1.00, ("SD V1.4", "Wukong"): 1.00, ("ADM", "GLIDE"): 0.67, ("GLIDE", "BigGAN"): 0.46,
    ("ADM", "BigGAN"): 0.35, ("Midjourney", "ADM"): 0.24, ("Midjourney", "SD V1.4"): 0.14,
    ("Midjourney", "Wukong"): 0.07, ("Midjourney", "BigGAN"): -0.38, ("SD V1.4", "BigGAN"): -0.81,
    ("Wukong", "BigGAN"): -0.79, ("SD V1.4", "GLIDE"): -0.59, ("SD V1.4", "ADM"): -0.30,
}  # fmt: skip


@pytest.fixture
def table_2(tmp_path: Path) -> Transfer:
    (tmp_path / "t.csv").write_text(TABLE_2)
    return read_transfer(tmp_path / "t.csv")


def test_published_table(table_2: Transfer) -> None:
    assert table_2.values.shape == (8, 8) and table_2.values[0, 0] == 0.988
    correlation = correlate(table_2)
    r = {(row["a"], row["b"]): row["r"] for row in correlation_rows(correlation).iter_rows(named=True)}
    assert len(r) == 28
    assert {pair: round(r[pair], 2) for pair in FIG_3} == FIG_3
    order, links = tree(correlation) or ([], np.empty(0))
    first = [correlation.columns[i] for i in links[:2, :2].astype(int).ravel() if i < 8]
    assert sorted(first) == ["SD V1.4", "SD V1.5", "Wukong"]  # the family joins before all others
    assert sorted(order) == list(range(8))
    text = correlation_table(correlation, table_2).to_text()
    assert "8 training rows" in text and "-0.808" in text


def test_published_tables_that_ship(table_2: Transfer) -> None:
    from importlib.resources import files

    file = files("synthscope.tables") / "published" / "genimage_table2.csv"
    if not file.is_file():
        pytest.skip("no published tables in this installation")
    assert np.array_equal(read_transfer(str(file)).values, table_2.values)


def test_intervals_against_scipy(table_2: Transfer) -> None:
    correlation = correlate(table_2)
    for i, j in ((0, 3), (1, 7), (3, 4)):
        theirs = pearsonr(table_2.values[:, i], table_2.values[:, j])
        interval = theirs.confidence_interval(0.95)
        assert correlation.r[i, j] == pytest.approx(theirs.statistic)
        assert (correlation.low[i, j], correlation.high[i, j]) == pytest.approx((interval.low, interval.high))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 5), st.floats(-1, 1))
def test_symmetry_scale_and_row_order(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((6, 4))
    names = list("abcd")
    plain = correlate(Transfer(list("uvwxyz"), names, values)).r
    moved = correlate(Transfer(list("uvwxyz"), names, (scale * values + shift)[rng.permutation(6)])).r
    assert np.allclose(plain, plain.T) and np.allclose(plain, moved) and np.allclose(np.diag(plain), 1)


def test_missing_cells_constant_columns_and_few_rows() -> None:
    rng = np.random.default_rng(1)
    values = rng.random((6, 4))
    values[:3, 1], values[:, 2] = np.nan, 0.5
    correlation = correlate(Transfer(list("uvwxyz"), list("abcd"), values))
    assert correlation.n[0, 1] == 3 and correlation.n[0, 3] == 6
    assert correlation.r[0, 1] == pytest.approx(np.corrcoef(values[3:, 0], values[3:, 1])[0, 1])
    assert np.isnan(correlation.low[0, 1]) and np.isnan(correlation.r[2]).all()
    order, _ = tree(correlation) or ([], None)
    assert sorted(order) == [0, 1, 3]
    assert "No correlation for c" in " ".join(notes(correlation))
    few = correlate(Transfer(list("uvw"), list("ab"), rng.random((3, 2))))
    assert notes(few) == ["With 3 training rows, fewer than 4, correlations mean nothing."]
    assert tree(correlate(Transfer(["u"], list("ab"), rng.random((1, 2))))) is None
    with pytest.raises(UsageError, match="two test sets"):
        correlate(Transfer(["u"], ["a"], rng.random((1, 1))))


def test_run_folder(tmp_path: Path) -> None:
    detectors: dict[str, str | None] = {f"d{i}@{i:08}": None for i in range(4)}
    scores = make_scores(make_predictions(tmp_path, detectors=detectors)).with_columns(train_view=pl.lit("none"))
    scores.write_parquet(tmp_path / "scores.parquet")
    transfer = read_transfer(tmp_path, metric="auroc", view="none")
    assert transfer.rows == ["d0", "d1", "d2", "d3"] and transfer.columns == ["Midjourney", "SD V1.4", "ADM"]
    wanted = scores.filter(detector="d2@00000002", test_set="ADM", metric="auroc", view="none", condition="none")
    assert transfer.values[2, 2] == wanted["value"].item()
    with pytest.raises(UsageError, match="got none"):  # all were trained on raw images
        read_transfer(tmp_path, view="jpeg:q=96")


def test_mistakes_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(SynthscopeError, match="got nothing"):
        read_transfer(tmp_path)
    (tmp_path / "t.csv").write_text("name,a,b\nx,120,3\n")
    with pytest.raises(SynthscopeError, match="percentages"):
        read_transfer(tmp_path / "t.csv")
    (tmp_path / "scores.parquet").write_text("no")
    with pytest.raises(SynthscopeError, match="Parquet"):
        read_transfer(tmp_path)
