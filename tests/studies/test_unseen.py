from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from synthscope.errors import SynthscopeError
from synthscope.studies.unseen import ALARMS, FOUND, SCORES, clears_bar, exceeded, relative, unseen

REFERENCE = np.arange(39.0)  # with this one, p-values are k / 40


Members = dict[str, list[float]]


def fold(name: str, photographs: Members, generators: Members, shift: float = 0.0) -> pl.DataFrame:
    rows = [("reference", 0, "seen", value) for value in REFERENCE]
    rows += [("test", 0, member, value) for member, values in photographs.items() for value in values]
    rows += [("test", 1, member, value) for member, values in generators.items() for value in values]
    table = pl.DataFrame(rows, schema=["part", "label", "member", "logit"], orient="row")
    names = {"candidate": "one", "view": "laundered", "fold": name, "path": "x"}
    named = table.with_columns(pl.col("logit") + shift, **{column: pl.lit(text) for column, text in names.items()})
    return named.select(SCORES.names()).cast(dict(SCORES))


def figure(figures: pl.DataFrame, metric: str, test_set: str = "all") -> dict[str, float]:
    return figures.filter(metric=metric, test_set=test_set).row(0, named=True)


def test_p_values_are_conformal_and_ties_count_against_evidence() -> None:
    part = fold("f", {"a": [38.0, 37.5, -1.0, 39.0]}, {"g": [0.0]})
    told = relative(part)
    assert told["p_value"].to_list() == pytest.approx([2 / 40, 2 / 40, 40 / 40, 1 / 40, 40 / 40])
    assert told["score"][0] == pytest.approx((38 - 19) / (28.5 - 9.5))


def test_alarms_are_counted_at_the_level_of_the_reference() -> None:
    figures = unseen(fold("f", {"a": [38.0, 5.0, 5.0, 5.0], "b": [36.9, 1.0]}, {"g": [0.0, 50.0]}))
    assert figure(figures, ALARMS)["value"] == pytest.approx(1 / 6)
    assert figure(figures, ALARMS, "a")["value"] == pytest.approx(1 / 4)
    assert figure(figures, ALARMS, "b")["value"] == 0
    assert figure(figures, ALARMS)["n_real"] == 6
    for test_set in ("all", "fold f", "g"):
        assert figure(figures, FOUND, test_set)["value"] == pytest.approx(1 / 2)
    assert figures.filter(test_set="g")["metric"].to_list() == ["auroc", "tpr_at_fpr_5pct", FOUND]


def test_folds_of_other_scales_are_comparable() -> None:
    rng = np.random.default_rng(0)
    near = fold("f", {"a": list(rng.normal(19, 5, 60))}, {"g": list(rng.normal(24, 5, 60))})
    far = fold("f2", {"b": list(rng.normal(19, 5, 60))}, {"h": list(rng.normal(24, 5, 60))}, shift=1000.0)
    together = figure(unseen(pl.concat([near, far])), "auroc")["value"]
    apart = [figure(unseen(part), "auroc")["value"] for part in (near, far)]
    assert together == pytest.approx(np.mean(apart), abs=0.05)


def test_an_interval_over_generators_is_wider_than_over_images() -> None:
    """Two generators of eight are seen plainly and the others not at all: what a new one brings is not known."""
    rng = np.random.default_rng(1)
    generators = {f"g{i}": list(rng.normal(60 if i < 2 else 19, 3, 50)) for i in range(8)}
    figures = unseen(fold("f", {f"s{i}": list(rng.normal(19, 3, 50)) for i in range(8)}, generators))
    whole, images = (figure(figures, "auroc", name) for name in ("all", "fold f"))
    assert whole["value"] == images["value"]
    assert whole["ci_high"] - whole["ci_low"] > 3 * (images["ci_high"] - images["ci_low"])


def test_the_bar_needs_both_figures_in_every_view() -> None:
    rng = np.random.default_rng(2)
    photographs = {f"s{i}": list(rng.uniform(0, 39, 40)) for i in range(8)}
    good = unseen(fold("f", photographs, {f"g{i}": list(rng.normal(45, 9, 40)) for i in range(8)}))
    chance = unseen(fold("f", photographs, {f"g{i}": list(rng.uniform(0, 39, 40)) for i in range(8)}))
    alarming = {f"s{i}": list(rng.uniform(30, 50, 40)) for i in range(8)}
    false = unseen(fold("f", alarming, {f"g{i}": list(rng.normal(70, 9, 40)) for i in range(8)}))
    assert clears_bar(good, "one") and not clears_bar(chance, "one") and not clears_bar(false, "one")
    assert not clears_bar(pl.concat([good, chance.with_columns(view=pl.lit("aligned"))]), "one")
    assert not clears_bar(good, "another")


def test_controls_are_ranked_in_every_view() -> None:
    rng = np.random.default_rng(3)
    shifts = (8.0, 0.0, 0.0, 20.0)

    def scored(name: str, shift: float) -> pl.DataFrame:
        part = fold("f", {"a": list(rng.normal(19, 5, 80))}, {"g": list(rng.normal(19 + shift, 5, 80))})
        return part.with_columns(candidate=pl.lit(name))

    own, *controls = (scored(f"c{i}", shift) for i, shift in enumerate(shifts))
    assert exceeded(own, "c0", pl.concat(controls)) == {"laundered": pytest.approx(2 / 4)}
    assert exceeded(own, "c0", pl.concat(controls[:2])) == {"laundered": pytest.approx(1 / 3)}


def test_too_few_reference_photographs_are_refused() -> None:
    part = fold("f", {"a": [1.0]}, {"g": [1.0]}).filter((pl.col("part") == "test") | (pl.col("logit") < 15))
    with pytest.raises(SynthscopeError, match="20 reference photographs or more in fold f, got 15"):
        relative(part)
