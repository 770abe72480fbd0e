"""Images that are not independent: intervals count groups. Coverage is simulated; one image a group is the control."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from synthscope.metrics.intervals import auroc_interval, percentile_interval
from synthscope.schema import conform
from synthscope.scoring.differences import compare
from synthscope.scoring.heatmaps.summary import VALUES, summarise_values
from synthscope.scoring.score import score

SETS, UIDS = 4, 60


def world(rng: np.random.Generator, sd: float, *, grouped: bool = True) -> pl.DataFrame:
    """Four generators drew the same 60 prompts; logits share an effect of the prompt, with the real image too."""
    effect = rng.normal(0, sd, UIDS)
    rows = []
    for uid in range(UIDS):
        cells = [(0, None)] + [(1, f"g{s}") for s in range(SETS)]
        for label, subset in cells:
            logit = (1 if label else -1) * 0.8 + effect[uid] + rng.normal()
            rows.append((f"{subset}/{uid}.png", label, subset or "real", subset, f"u{uid}" if grouped else None, logit))
    table = pl.DataFrame(rows, schema=["path", "label", "generator", "subset", "group", "logit"], orient="row")
    return table.with_columns(detector=pl.lit("d@1"), condition=pl.lit("none"), view=pl.lit("none"))


def truth(sd: float) -> float:
    """Balanced accuracy of a threshold at 0 between N(-0.8, 1 + sd²) and N(0.8, 1 + sd²)."""
    from math import erf, sqrt

    return 0.5 * (1 + erf(0.8 / sqrt(2 * (1 + sd**2))))


def coverage(sd: float, metric: str, value: float, *, grouped: bool = True, n: int = 120) -> dict[str, float]:
    """Share of simulated data sets whose interval holds ``value``, for one test set and for their mean."""
    hits = dict.fromkeys(("g0", "mean"), 0)
    for seed in range(n):
        table = world(np.random.default_rng(seed), sd, grouped=grouped)
        for row in score(table, metrics=[metric], n_resamples=300, seed=seed).to_dicts():
            if row["test_set"] in hits:
                hits[row["test_set"]] += row["ci_low"] <= value <= row["ci_high"]
    return {name: count / n for name, count in hits.items()}


@pytest.mark.parametrize("sd", [0.0, 1.0, 2.0])
def test_intervals_of_sets_and_means_cover_with_any_effect_of_the_prompt(sd: float) -> None:
    found = coverage(sd, "ai_accuracy", truth(sd))
    assert found["g0"] >= 0.90 and found["mean"] >= 0.89, found  # 0.95 less 2.5 to 3 standard errors of 120 trials
    if sd == 2.0:  # the control: without groups the mean over generators covers far less
        assert coverage(sd, "ai_accuracy", truth(sd), grouped=False)["mean"] < 0.85


def test_balanced_accuracy_of_pairs_covers_and_is_not_needlessly_wide() -> None:
    found = coverage(2.0, "balanced_accuracy", truth(2.0), n=80)
    assert found["g0"] >= 0.88 and found["mean"] >= 0.88, found
    table = world(np.random.default_rng(0), 2.0)
    width = {}
    for grouped in (True, False):
        rows = score(table if grouped else table.with_columns(group=pl.lit(None)), metrics=["balanced_accuracy"])
        (row,) = rows.filter(test_set="g0").to_dicts()
        width[grouped] = row["ci_high"] - row["ci_low"]
    assert width[True] < width[False]  # a prompt's effect moves both classes of a pair, and cancels in their mean


def test_copies_of_a_file_are_one_image() -> None:
    table = world(np.random.default_rng(1), 1.0, grouped=False).with_columns(sha256=pl.col("path"))
    copies = pl.concat([table, *(table.with_columns(path=pl.format("copy{}/{}", pl.lit(i), "path")) for i in range(3))])
    for metric in ("balanced_accuracy", "ai_accuracy", "auroc"):
        one, four = (
            score(t, metrics=[metric], n_resamples=500).filter(test_set="g0").row(0, named=True)
            for t in (table, copies)
        )
        assert one["value"] == pytest.approx(four["value"])
        assert four["ci_high"] - four["ci_low"] == pytest.approx(one["ci_high"] - one["ci_low"], rel=0.1)


def test_a_photograph_in_several_sets_is_drawn_once_for_all() -> None:
    """The mean over sets that hold the very same images has the interval of one of them."""
    one = world(np.random.default_rng(2), 1.0, grouped=False).filter(
        pl.col("subset").is_null() | (pl.col("subset") == "g0")
    )
    real = one.filter(label=0)
    sets = pl.concat(
        [one.filter(label=1).with_columns(subset=pl.lit(f"s{i}"), sha256=pl.col("path")) for i in range(3)]
        + [real.with_columns(subset=pl.lit(f"s{i}"), sha256=pl.col("path")) for i in range(3)]
    )
    scores = score(sets, metrics=["auroc"], n_resamples=400)
    intervals = scores.select("test_set", "value", "ci_low", "ci_high").rows()
    assert len(intervals) == 4
    assert np.ptp(np.array([row[1:] for row in intervals]), axis=0) == pytest.approx(0)


def test_the_auroc_of_a_separated_set_has_an_interval_over_its_groups() -> None:
    n = 40
    table = pl.DataFrame(
        {"path": [f"/{i}.png" for i in range(n)], "label": np.arange(n) % 2, "detector": "d@1", "subset": "a",
         "group": [f"{i // 4}" for i in range(n)]}
    ).with_columns(logit=pl.col("label") * 2.0 - 1)  # fmt: skip
    row = score(table, metrics=["auroc"]).row(0, named=True)
    low, high = auroc_interval(1.0, 10, 10)  # ten groups, each with images of both classes
    assert (row["value"], row["ci_low"], row["ci_high"]) == (1.0, low, high)


def test_the_mean_of_perfect_sets_has_an_interval() -> None:
    table = world(np.random.default_rng(0), 0.0, grouped=False)
    perfect = table.with_columns(logit=pl.col("label") * 2.0 - 1)
    scores = score(perfect, metrics=["balanced_accuracy"])
    sets, mean = scores.filter(pl.col("test_set") != "mean"), scores.filter(test_set="mean").row(0, named=True)
    assert mean["value"] == 1 and mean["ci_high"] == 1
    assert mean["ci_low"] == pytest.approx(sets["ci_low"].mean()) and mean["ci_low"] < 0.98
    both = pl.concat([perfect, perfect.with_columns(detector=pl.lit("e@1"))])
    assert compare(both, "d", "e")["ci_low"].null_count() > 0  # a difference of 0 in every image says nothing of others


def test_percentiles_are_those_of_the_replicates() -> None:
    low, high = percentile_interval(np.linspace(0, 1, 1001)[None])
    assert (low[0], high[0]) == pytest.approx((0.025, 0.975))


PROMPTS = 40


def heatmap_world(rng: np.random.Generator, sd: float, *, grouped: bool = True) -> pl.DataFrame:
    """A measure of images that four generators drew of the same prompts, around 0."""
    effect = rng.normal(0, sd, PROMPTS)
    rows = [
        (f"{g}/{uid}.png", f"u{uid}" if grouped else None, f"g{g}", "relevance_mass", effect[uid] + rng.normal())
        for uid in range(PROMPTS)
        for g in range(SETS)
    ]
    columns = {name: VALUES[name] for name in ("path", "group", "generator", "metric", "value")}
    return conform(pl.DataFrame(rows, columns, orient="row"), VALUES, "values")


def heatmap_coverage(sd: float, *, grouped: bool = True, n: int = 120) -> dict[str, float]:
    """Share of simulated data sets whose interval holds 0, for one generator and for all images."""
    hits = dict.fromkeys(("g0", "all"), 0)
    for seed in range(n):
        table = heatmap_world(np.random.default_rng(seed), sd, grouped=grouped)
        for row in summarise_values(table, seed=seed).to_dicts():
            if row["generator"] in hits:
                hits[row["generator"]] += row["ci_low"] <= 0 <= row["ci_high"]
    return {name: count / n for name, count in hits.items()}


@pytest.mark.parametrize("sd", [0.0, 1.0, 2.0])
def test_means_of_heatmap_measures_cover_with_any_effect_of_the_prompt(sd: float) -> None:
    found = heatmap_coverage(sd)
    assert found["g0"] >= 0.88 and found["all"] >= 0.88, found  # a percentile interval of 40 prompts covers about 0.94
    if sd:  # the control: drawn image by image
        assert heatmap_coverage(sd, grouped=False, n=80)["all"] < 0.8


def test_copies_of_an_image_change_no_heatmap_score() -> None:
    table = heatmap_world(np.random.default_rng(0), 1.0, grouped=False).with_columns(group=pl.col("path"))
    pixels = np.random.default_rng(1).integers(1, 99, (3, table.height))
    micro = table.with_columns(pl.Series(name, of) for name, of in zip(("tp", "fp", "fn"), pixels, strict=True))
    table = pl.concat([table, micro.with_columns(metric=pl.lit("micro"), value=pl.lit(None, pl.Float64))])
    copies = pl.concat([table.with_columns(path=pl.format(f"{i}/{{}}", "path")) for i in range(5)])
    shown = ["metric", "generator", "value", "ci_low", "ci_high"]
    one, five = (summarise_values(rows).select(shown) for rows in (table, copies))
    assert one.height == 5 * 5 and one["ci_low"].null_count() == 0
    assert_frame_equal(one, five, check_row_order=False)
