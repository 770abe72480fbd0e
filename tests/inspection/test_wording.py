"""Counts in sentences are those of the numbers, and no sentence promises more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthscope.inspection import limits, wording
from synthscope.inspection.evidence import Answer
from tests.inspection import made_evidence as made


@given(st.integers(1, 100_000), st.data())
def test_the_count_is_the_one_that_the_p_value_came_from(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, n))
    assert wording.at_least((1 + count) / (n + 1), n) == count


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (3, "3 of 1,000 reference photographs score this high."),
        (1, "1 of 1,000 reference photographs scores this high."),
        (0, "None of 1,000 reference photographs scores this high."),
    ],
)
def test_a_p_value_is_told_as_photographs(count: int, sentence: str) -> None:
    assert wording.rank(made.detector(p_value=(1 + count) / 1001)) == sentence


def test_without_a_reference_set_nothing_is_compared() -> None:
    one = made.not_calibrated().detectors[0]
    assert "no reference set" in wording.rank(one)
    assert wording.level(one) == wording.miss(one) == wording.ratio(one) == ""


def test_level_and_misses_are_told_with_their_n() -> None:
    one = made.detector(level=0.01, miss_rate=0.6, reference=made.reference(n=200, n_ai=640))
    assert wording.level(one) == "p-values up to 0.01 are evidence. With 200 photographs none below 0.005 can be had."
    assert wording.miss(one) == "384 of 640 reference AI images are missed at this level."


def test_a_small_likelihood_ratio_speaks_for_photographs() -> None:
    text = "Such a logit is 4 times as frequent among the reference photographs as among the reference AI images: "
    text += "weak support for a photograph."
    assert wording.ratio(made.detector(likelihood_ratio=0.25)) == text


@pytest.mark.parametrize(
    ("make", "rest"),
    [
        (made.evidence, "3 of 1,000 reference photographs score this high."),
        (made.none_found, "Of 800 reference AI images this detector misses 60 % at this level."),
        (made.undecided_by_flip, "Resizing to 1,280 pixels changes the answer."),
        (made.not_applicable, "This is a screenshot."),
        (made.not_calibrated, "Undecided (not calibrated): this detector has no reference photographs."),
    ],
)
def test_the_headline_is_not_said_twice(make: made.Make, rest: str) -> None:
    assert wording.after_headline(make()) == rest


def test_stability_counts_what_keeps_the_answer_and_names_what_does_not() -> None:
    text = wording.stability(made.undecided_by_flip().stability)
    assert text.startswith("7 of 11 deliveries keep the answer “evidence of AI generation”. Changed by: ")
    assert "JPEG of quality 50 (no evidence found)" in text and "resized to 1,280 pixels (undecided)" in text
    assert wording.stability(made.undecided_by_flip().stability[1:]) == "", "nothing to compare with"


def test_the_copied_sentence_stands_alone() -> None:
    text = wording.citation(made.evidence())
    for part in ("harbour at dusk.jpg", "9c" * 32, "3 of 1,000", "clip_linear@1a2b3c4d", "0f1e2d3c4b5a", "not proof"):
        assert part in text


def test_limits_never_speak_of_how_likely_it_is() -> None:
    said = " ".join((limits.HEATMAPS, limits.ABSENCE, limits.P_VALUE, *limits.LIMITS, *map(wording.headline, Answer)))
    assert not {"real", "fake", "probability"} & set(said.lower().replace(".", " ").split())
