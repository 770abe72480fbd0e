"""Effects of erasing against SciPy and hand-computed means."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from synthscope.studies.erasure.scores import FEWEST, erasure_scores, sign_flip_p
from synthscope.studies.erasure.study import ERASURE


def table(n: int = 40, seed: int = 0, *, category: str | None = None, shift: float = 1.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    logit = rng.normal(1, 2, n)
    rows = [
        {
            "path": f"{i}.png", "sha256": f"{i}", "view": "none", "detector": "d", "fill": "mean", "threshold": 0.5,
            "category": category, "logit": z, "logit_artifact": z - shift - rng.normal(),
            "logits_benign": (z - rng.normal(0, 1, 3)).tolist(),
        }
        for i, z in enumerate(logit)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=ERASURE)


def metric(scores: pl.DataFrame, name: str) -> dict[str, float]:
    return scores.filter(metric=name).row(0, named=True)


def test_values_and_intervals_against_numpy_and_scipy() -> None:
    given_table = table()
    scores = erasure_scores(given_table)
    z, a = given_table["logit"].to_numpy().astype(float), given_table["logit_artifact"].to_numpy().astype(float)
    b = np.array(given_table["logits_benign"].to_list(), float)
    difference = (z - a) - (z - b.mean(1))
    expected = {
        "drop_artifact": (z - a).mean(),
        "drop_benign": (z[:, None] - b).mean(),
        "difference": difference.mean(),
    }
    expected |= {"difference_sd": difference.mean() / z.std(ddof=1), "drop_artifact_sd": (z - a).mean() / z.std(ddof=1)}
    flips = (z > 0.5) != (a > 0.5)
    benign = ((z > 0.5)[:, None] != (b > 0.5)).mean(1)
    expected |= {"flips_artifact": flips.mean(), "flips_benign": benign.mean()}
    expected |= {"flips_difference": flips.mean() - benign.mean()}
    assert set(scores["metric"]) == set(expected)
    for name, value in expected.items():
        assert metric(scores, name)["value"] == pytest.approx(value), name

    def ratio(d: np.ndarray, z: np.ndarray, axis: int = -1) -> np.ndarray:
        return d.mean(axis) / z.std(axis, ddof=1)

    for name, data, statistic in (("difference", (difference,), np.mean), ("difference_sd", (difference, z), ratio)):
        reference = stats.bootstrap(
            data, statistic, paired=len(data) == 2, method="percentile", n_resamples=4000, rng=np.random.default_rng(1)
        ).confidence_interval
        row = metric(scores, name)
        width = reference.high - reference.low
        assert row["ci_low"] == pytest.approx(reference.low, abs=0.1 * width)
        assert row["ci_high"] == pytest.approx(reference.high, abs=0.1 * width)
    assert scores.equals(erasure_scores(given_table)) and not scores.equals(erasure_scores(given_table, seed=1))
    p_of = {row["metric"]: row["p_value"] for row in scores.iter_rows(named=True) if row["p_value"] is not None}
    assert set(p_of) == {"difference", "flips_difference"} and p_of["difference"] < 0.01


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 10), st.floats(0, 1.5))
def test_p_values_against_all_sign_flips(seed: int, n: int, shift: float) -> None:
    values = np.random.default_rng(seed).normal(shift, 1, n).round(1)
    every = (1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)) @ values
    exact = (np.abs(every) >= abs(values.sum()) - 1e-9).mean()
    p = sign_flip_p(values, seed=0)
    assert abs(p - exact) < 5 * np.sqrt(exact * (1 - exact) / 9999) + 2e-4
    assert sign_flip_p(-values, seed=0) == pytest.approx(p, abs=1e-12)


def test_p_values_are_uniform_where_nothing_happens() -> None:
    rng = np.random.default_rng(0)
    p = [sign_flip_p(rng.normal(0, 1, 30), seed=i, n_permutations=199) for i in range(300)]
    assert stats.kstest(p, "uniform").pvalue > 0.01 and min(p) >= 1 / 200


def test_images_count_once_and_rare_categories_are_left_out() -> None:
    once = table()
    assert erasure_scores(pl.concat([once, once])).equals(erasure_scores(once))
    few, enough = (table(n, category=name) for n, name in ((FEWEST - 1, "few"), (FEWEST, "enough")))
    lost = table(1, seed=5).with_columns(sha256=pl.lit("x"), error=pl.lit("unreadable"))
    crowded = table(2, seed=6).with_columns(sha256=pl.format("c{}", "sha256"), excluded=pl.lit("more than half"))
    scores = erasure_scores(pl.concat([once, few, enough, lost, crowded]))
    assert scores["category"].unique().to_list() in ([None, "enough"], ["enough", None])
    whole = scores.filter(pl.col("category").is_null())
    assert (whole["n"].unique().to_list(), whole["n_excluded"].unique().to_list()) == ([40], [2])
    assert scores["n_error"].unique().to_list() == [1]
    assert erasure_scores(lost).is_empty() and erasure_scores(crowded).is_empty()


@settings(max_examples=20, deadline=None)
@given(st.floats(-5, 5), st.floats(0.1, 10))
def test_other_units_of_the_logit_change_nothing_that_compares_detectors(shift: float, scale: float) -> None:
    def moved(column: pl.Expr) -> pl.Expr:
        return column * scale + shift

    plain = table()
    other = plain.with_columns(
        moved(pl.col("logit")), moved(pl.col("logit_artifact")), moved(pl.col("threshold")),
        pl.col("logits_benign").list.eval(moved(pl.element())),
    )  # fmt: skip
    a, b = erasure_scores(plain), erasure_scores(other.select(pl.col(c).cast(t) for c, t in ERASURE.items()))
    for name in ("difference_sd", "drop_artifact_sd"):
        assert metric(b, name)["value"] == pytest.approx(metric(a, name)["value"], rel=1e-4)
        assert metric(b, name)["ci_low"] == pytest.approx(metric(a, name)["ci_low"], rel=1e-3, abs=1e-4)
    assert metric(b, "difference")["value"] == pytest.approx(scale * metric(a, "difference")["value"], rel=1e-4)
    assert metric(b, "difference")["p_value"] == pytest.approx(metric(a, "difference")["p_value"], abs=5e-3)


def copies(given_table: pl.DataFrame, n: int = 4, *, group: pl.Expr) -> pl.DataFrame:
    """The table ``n`` times under other bytes, with the same logits."""
    return pl.concat([given_table.with_columns(sha256=pl.format(f"{i}-{{}}", "path"), group=group) for i in range(n)])


def test_images_of_a_group_are_drawn_and_flipped_together() -> None:
    once = table(shift=0.25)
    single = erasure_scores(once.drop("group"))  # as earlier runs lie on disk
    together = erasure_scores(copies(once, group=pl.col("sha256")))
    apart = erasure_scores(copies(once, group=pl.lit(None, pl.String)))
    assert together["n"].unique().to_list() == [160]
    for row in single.filter(~pl.col("metric").str.ends_with("_sd")).iter_rows(named=True):
        four = metric(together, row["metric"])
        for name in ("value", "ci_low", "ci_high"):
            assert four[name] == pytest.approx(row[name])
        if row["p_value"] is not None:
            assert four["p_value"] == pytest.approx(row["p_value"], abs=0.02)
    one, many = metric(together, "difference"), metric(apart, "difference")
    assert many["p_value"] < one["p_value"] / 3 and many["ci_high"] - many["ci_low"] < 0.7 * (
        one["ci_high"] - one["ci_low"]
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 8))
def test_p_values_against_all_flips_of_whole_groups(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n, 3 * n)
    values = rng.normal(0.4, 1, 3 * n).round(1)
    signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    exact = (np.abs(signs[:, groups] @ values) >= abs(values.sum()) - 1e-9).mean()
    p = sign_flip_p(values, [f"g{i}" for i in groups], seed=0)
    assert abs(p - exact) < 5 * np.sqrt(exact * (1 - exact) / 9999) + 2e-4


def test_p_values_are_uniform_where_a_group_shares_its_drop() -> None:
    rng = np.random.default_rng(0)
    groups = [str(i) for i in range(25) for _ in range(8)]
    p = []
    for i in range(200):
        values = np.repeat(rng.normal(0, 1, 25), 8) + rng.normal(0, 0.5, 200)
        p.append([sign_flip_p(values, names, seed=i, n_permutations=199) for names in (groups, None)])
    together, apart = np.array(p).T
    assert stats.kstest(together, "uniform").pvalue > 0.01
    assert (apart <= 0.05).mean() > 0.3  # the control: one sign an image finds what is not there
