"""The lead of a report says the worst news first, and no news that isn't."""

from __future__ import annotations

import polars as pl
import pytest

from synthscope.report.page.answer import answer
from synthscope.schema import SCORES, conform


def scores(*rows: dict) -> pl.DataFrame:
    plain = {
        "detector": "resnet50@11111111", "test_set": "adm", "view": "none", "condition": "none",
        "metric": "balanced_accuracy", "value": 0.8, "ci_low": 0.7, "ci_high": 0.9, "n_real": 200, "n_ai": 200,
        "higher_is_better": True,
    }  # fmt: skip
    return conform(pl.DataFrame([plain | row for row in rows], infer_schema_length=None), SCORES, "test")


def lead(*rows: dict) -> str:
    return " ".join(answer(scores(*rows))).replace("\xa0", " ")


@pytest.mark.parametrize("metric", ["balanced_accuracy", "auroc"])
def test_no_detector_above_chance_comes_first(metric: str) -> None:
    best = {"metric": metric, "value": 0.52, "ci_low": 0.47, "ci_high": 0.57}
    other = {"metric": metric, "detector": "npr@2", "value": 0.51, "ci_low": 0.46, "ci_high": 0.56}
    text = lead(best, other)
    assert text.startswith(
        "No detector is above chance on raw images of ADM. On ADM, raw images, resnet50 has the best"
    )
    assert "exchanged" not in text and "guessing" not in text
    assert lead(best | {"ci_low": 0.5}).startswith("No detector is above chance")
    assert lead(best | {"ci_low": None, "ci_high": None, "value": 0.5}).startswith("No detector is above chance")
    assert not lead(best | {"ci_low": 0.501}).startswith("No detector")
    assert not lead(best | {"ci_low": None, "ci_high": None}).startswith("No detector")
    sure = lead(best, other | {"ci_low": 0.505, "value": 0.515})
    assert sure.startswith("On ADM, raw images, resnet50 has") and "n guessing" not in sure.partition("follows")[2]
    assert "200 AI), which cannot be told from guessing." in sure.partition("follows")[0]


def test_below_chance_and_the_mean_of_several_test_sets() -> None:
    below = {"value": 0.3, "ci_low": 0.2, "ci_high": 0.4}
    rows = [below | {"test_set": test} for test in ("adm", "glide", "mean")]
    assert lead(*rows).startswith(
        "No detector is above chance on raw images. Even the best lies below it: labels may be exchanged. "
        "Averaged over 2 test sets of raw images, resnet50"
    )


def test_accuracy_has_no_chance_of_a_half() -> None:
    rows = {"metric": "accuracy", "value": 0.5, "ci_low": 0.4, "ci_high": 0.6}
    assert lead(rows).startswith("On ADM, raw images, resnet50 reaches")


def test_a_degradation_that_raises_accuracy_is_not_the_worst() -> None:
    better = [{"condition": "jpeg:q=30", "value": 0.85}, {"condition": "lr:64", "value": 0.8}]
    text = lead({}, *better)
    assert "No degradation lowers it: under lr:64 it has 80.0 % (" in text and "on clean images 80.0 %." in text
    assert "worst degradation" not in text
    worse = lead({}, *better, {"condition": "blur:sigma=3", "value": 0.79})
    assert "The worst degradation, blur:sigma=3, takes it from 80.0 % on clean images to 79.0 %" in worse
    assert "No degradation" not in worse


def test_the_worst_is_one_that_lowers_its_own_test_set() -> None:
    rows = [{"test_set": "adm", "value": 0.6}, {"test_set": "adm", "value": 0.62, "condition": "lr:64"},
            {"test_set": "glide", "value": 0.95}, {"test_set": "glide", "value": 0.7, "condition": "lr:64"},
            {"test_set": "vqdm", "value": 0.55}]  # fmt: skip
    assert "The worst degradation, lr:64, takes it from 95.0 % on clean images to 70.0 %" in lead(*rows)


def test_other_views_at_chance_are_said() -> None:
    rows = [{}, {"view": "aligned", "value": 0.51, "ci_low": 0.45, "ci_high": 0.57}]
    text = lead(*rows)
    assert text.startswith("On ADM, raw images") and "On aligned images the best is resnet50 with 51.0 %" in text
    assert text.partition("On aligned images")[2].startswith(" the best is resnet50 with 51.0 % (95 % interval 45.0–57")
    assert "200 AI), which cannot be told from guessing." in text.partition("On aligned images")[2]
