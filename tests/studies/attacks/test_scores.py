"""Rates against counts by hand; thresholds, the images that choose a chain, and the chain that is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.intervals import wilson
from synthscope.report.figures.attacks import attacks_figure
from synthscope.schema import PREDICTIONS, conform
from synthscope.studies.attacks.plan import Attacks, caught, threshold_at
from synthscope.studies.attacks.scores import ATTACKS, attack_scores
from synthscope.studies.attacks.search import choose_chains, draw_chains
from synthscope.studies.attacks.study import ATTACKED
from synthscope.studies.attacks.table import attack_tables


def rows(attack: str, logits: list[float | None], *, part: str = "report", **fields: Any) -> list[dict[str, Any]]:
    """Images 0, 1, … of a detector whose threshold is 1; no logit is an error."""
    common = {"detector": "d@1", "view": "aligned", "recipe": "none", "attack": attack, "by": "", "budget": 0}
    common |= {"condition": "none", "part": part, "threshold": 1.0, "generated": 9, "caught": 5}
    return [
        common | {"sha256": f"{part}{i}", "group": f"g{i}", "logit": logit} | {"error": "no" if logit is None else None}
        | fields
        for i, logit in enumerate(logits)
    ]  # fmt: skip


def table(*parts: list[dict[str, Any]]) -> pl.DataFrame:
    return conform(pl.DataFrame([row for part in parts for row in part], infer_schema_length=None), ATTACKED, "t")


def one(scores: pl.DataFrame, **where: Any) -> dict[str, Any]:
    return scores.row(by_predicate=pl.all_horizontal(pl.col(k) == v for k, v in where.items()), named=True)


def test_rates_controls_distances_and_false_alarms_are_those_counted_by_hand() -> None:
    pgd = rows("pgd", [0.0, 1.0, 1.5, None], budget=2, psnr=40.0, ssim=0.9)
    pgd[0] |= {"psnr": 34.0, "ssim": None}
    found = attack_scores(
        table(
            rows("none", [2.0, 2.0, 2.0, 2.0], ssim=1.0),
            rows("noise", [2.0, 0.5, 2.0, 2.0], budget=2),
            pgd,
            rows("plain", [0.5, 2.0, 2.0, 2.0], by="jpeg:q=75"),
            rows("none", [0.0, 0.0, 0.0, 1.5], part="photographs"),
            rows("plain", [1.5, 1.0, 2.5, 0.0], part="photographs", by="jpeg:q=75"),
        ),
        false_alarms=0.25,
    )
    assert found.schema == ATTACKS and found["attack"].to_list() == ["none", "noise", "pgd", "plain"]
    row = one(found, attack="pgd")  # 0 and 1 are at the threshold 1 or below, of three that could be attacked
    assert (row["success"], row["n"], row["n_error"], row["groups"], row["caught"]) == (2 / 3, 3, 1, 3, 5)
    assert row["control"] == "noise" and row["difference"] == pytest.approx(1 / 3)  # noise misses image 1, too
    assert (row["psnr"], row["psnr_worst"], row["ssim"]) == (pytest.approx((34 + 40 + 40) / 3), 34.0, 0.9)
    assert row["false_alarms"] is None and row["n_real"] is None
    plain = one(found, attack="plain")
    assert (plain["success"], plain["control"], plain["difference"]) == (0.25, "none", 0.25)
    assert (plain["false_alarms"], plain["n_real"]) == (0.5, 4)  # 1.5 and 2.5; 1.0 is at the threshold
    assert one(found, attack="none")["false_alarms"] == 0.25
    untouched = one(found, attack="none")
    assert (untouched["ci_low"], untouched["ci_high"]) == pytest.approx(wilson(0, 4))
    text = attack_tables(found)[0].to_text()
    assert "PGD, ± 2" in text and "1 attacks on images failed" in text and "Few: fewer than 30" in text
    assert attacks_figure(found).get_axes()


def test_images_of_one_group_are_drawn_together() -> None:
    logits = [0.0] * 20 + [2.0] * 20
    apart, together = rows("plain", list(logits)), rows("plain", list(logits))
    for i, row in enumerate(together):
        row["group"] = f"g{i // 10}"
    widths = []
    for part in (apart, together):
        row = attack_scores(table(part), false_alarms=0.05).row(0, named=True)
        assert row["success"] == 0.5
        widths.append(row["ci_high"] - row["ci_low"])
    assert widths[0] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 40), abs=0.05) and widths[1] > 1.8 * widths[0]


def test_each_condition_has_the_control_of_its_own() -> None:
    found = attack_scores(
        table(
            rows("none", [2.0, 2.0]),
            rows("none", [2.0, 0.0], condition="jpeg:q=90"),
            rows("plain", [0.0, 0.0], by="blur:sigma=1"),
            rows("plain", [0.0, 0.0], by="blur:sigma=1", condition="jpeg:q=90"),
        ),
        false_alarms=0.05,
    ).filter(attack="plain")
    assert found["difference"].to_list() == [1.0, 0.5]


def predictions(photographs: list[float], generated: list[float], **fields: Any) -> pl.DataFrame:
    logits = [*photographs, *generated]
    made = pl.DataFrame({"sha256": [f"{i}" for i in range(len(logits))], "logit": logits})
    made = made.with_columns(label=(pl.int_range(pl.len()) >= len(photographs)).cast(pl.Int8), detector=pl.lit("d@1"))
    return conform(made.with_columns(path="/" + pl.col("sha256"), **fields), PREDICTIONS, "t")


def test_the_threshold_lets_the_asked_share_of_photographs_through_and_no_more() -> None:
    logits = [float(i) for i in range(40)]
    assert threshold_at(logits, 0.05, "v") == 37.0  # 38 and 39 of 40
    assert threshold_at([5.0] * 3 + [1.0] * 17, 0.05, "v") == 5.0  # ties: none rather than three
    assert threshold_at(logits, 0.29, "v") == 28.0  # 11.6 of 40 are 11
    table = caught(predictions(logits, [36.0, 37.0, 38.5, 50.0]), 0.05)
    assert table.filter(label=1)["logit"].to_list() == [38.5, 50.0] and table.filter(label=0).height == 40
    assert set(table["generated"]) == {4} and set(table["caught"]) == {2} and set(table["view"]) == {"none"}
    with pytest.raises(SynthscopeError, match="20 photographs or more for 0.05 false alarms, got 19"):
        caught(predictions(logits[:19], [50.0]), 0.05)
    with pytest.raises(SynthscopeError, match="AI images that d@1 catches at 0.05 false alarms, got none of 2"):
        caught(predictions(logits, [1.0, 37.0]), 0.05)


def test_the_chain_that_most_images_are_missed_under_is_chosen_then_the_lower_logit() -> None:
    def tried(chain: str, logits: list[float]) -> list[dict[str, Any]]:
        return [
            {"detector": "d", "view": "v", "by": chain, "logit": logit, "clean": 3.0, "threshold": 1.0}
            for logit in logits
        ]

    three = pl.DataFrame([*tried("a", [0.0, 2.0]), *tried("b", [1.0, 0.9]), *tried("c", [1.0, 0.5])])
    choice = choose_chains(three)
    assert choice.rows() == [
        ("d", "v", "c", 1.0, pytest.approx(2.25), 2, True),
        ("d", "v", "b", 1.0, pytest.approx(2.05), 2, False),
        ("d", "v", "a", 0.5, 2.0, 2, False),
    ]
    assert choose_chains(three.clear()).is_empty()


def test_drawn_chains_are_different_and_within_their_limits() -> None:
    chains = draw_chains(200, seed=1)
    assert len(set(chains)) == 200 and chains[:5] != draw_chains(5, seed=2)
    limits = {"sigma": (0.3, 4), "q": (75, 95), "scale": (0.7, 0.95), "red": (0.9, 1.1), "blue": (0.9, 1.1)}
    for chain in chains:
        steps = chain.split("|")
        assert 1 <= len(steps) <= 3 and len({step.partition(":")[0] for step in steps}) == len(steps)
        for name, _, value in (pair.partition("=") for step in steps for pair in step.partition(":")[2].split(",")):
            if value:
                assert limits[name][0] <= float(value) <= limits[name][1], chain


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"budgets": (0, 2)}, "budgets of 1 to 64 grey levels, each once, got 0,2"),
        ({"budgets": (2, 2)}, "each once, got 2,2"),
        ({"queries": -1}, "queries of at least 0, got -1"),
        ({"false_alarms": 5.0}, "a fraction, not percent"),
    ],
)
def test_numbers_that_make_no_sense_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Attacks(**fields).check()
