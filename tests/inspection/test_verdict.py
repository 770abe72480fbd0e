"""When which answer is given, and in which words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthscope.config import validate
from synthscope.errors import UsageError
from synthscope.inspection.evidence import Answer, Delivery, DetectorEvidence, ScopeCheck
from synthscope.inspection.reference import ReferenceSet
from synthscope.inspection.verdict import Levels, combine, judge, settle

AI = tuple([float(x) for x in range(100, 140)] + [0.0] * 60)  # 60 of 100 look like photographs


def references(n: int = 1000, ai: tuple[float, ...] = AI, **changes: object) -> ReferenceSet:
    """Photographs with the logits 1 to n."""
    made = ReferenceSet(
        name="r", date="2026-11-30", weights_sha256="0" * 64, preprocessing="0" * 12,
        photographs=tuple(float(i) / 1000 for i in range(1, n + 1)), ai=ai,
    )  # fmt: skip
    return made.model_copy(update=changes)


@pytest.mark.parametrize(
    ("logit", "answer", "sentence"),
    [
        (2.0, Answer.EVIDENCE, "Evidence of AI generation: none of 1,000 reference photographs scores this high."),
        (1.0, Answer.EVIDENCE, "Evidence of AI generation: 1 of 1,000 reference photographs scores this high."),
        (0.992, Answer.EVIDENCE, "Evidence of AI generation: 9 of 1,000 reference photographs score this high."),
        (0.991, Answer.UNDECIDED, "Undecided: 10 of 1,000 reference photographs score this high, more than 1 % of them "
                                  "and no more than 10 %."),
        (0.902, Answer.UNDECIDED, None),
        (0.901, Answer.NONE_FOUND, "No evidence of AI generation found. Of 100 reference AI images this detector "
                                   "misses 60 % at this level."),
        (-5.0, Answer.NONE_FOUND, None),
    ],
)  # fmt: skip
def test_answers_by_p_value(logit: float, answer: Answer, sentence: str | None) -> None:
    verdict = judge(logit, references(), Levels())
    assert verdict.answer == answer
    assert sentence is None or verdict.sentence == sentence
    assert verdict.reasons == ()


def test_few_photographs_clip_the_level_and_it_is_said() -> None:
    verdict = judge(2.0, references(60), Levels())
    assert verdict.answer == Answer.EVIDENCE
    assert verdict.reasons == ("With 60 reference photographs nothing below 1.64 % can be said, so that is the level.",)
    assert judge(2.0, references(200), Levels(evidence=0.001)).reasons[0].startswith("With 200 reference")


def test_too_few_photographs_say_nothing_at_all() -> None:
    verdict = judge(2.0, references(9), Levels())
    assert (verdict.answer, verdict.sentence) == (
        Answer.UNDECIDED, "Undecided: 9 reference photographs are too few to say anything.",
    )  # fmt: skip
    assert judge(2.0, references(10), Levels()).answer == Answer.EVIDENCE


def test_without_references_nothing_is_decided() -> None:
    verdict = judge(99.0, None, Levels())
    assert verdict.answer == Answer.UNDECIDED and verdict.sentence.startswith("Undecided (not calibrated)")


def test_a_detector_that_is_not_proven_decides_nothing() -> None:
    verdict = judge(99.0, references(demo_only=True), Levels())
    assert verdict.sentence.startswith("Undecided (not proven on unseen generators)")


def test_no_evidence_needs_a_miss_rate() -> None:
    verdict = judge(0.5, references(ai=()), Levels())
    assert verdict.answer == Answer.UNDECIDED and "nobody knows how many" in verdict.sentence
    assert judge(2.0, references(ai=()), Levels()).answer == Answer.EVIDENCE


def test_no_evidence_of_a_detector_at_chance_means_nothing() -> None:
    at_chance = tuple(i / 1000 for i in range(1, 1001))
    verdict = judge(0.5, references(ai=at_chance), Levels())
    assert verdict.answer == Answer.UNDECIDED and verdict.sentence.endswith("which is not better than chance.")


def delivery(label: str, answer: Answer) -> Delivery:
    return Delivery(detector="d", condition=label, label=label, answer=answer)


@pytest.mark.parametrize(("logit", "opposite"), [(2.0, Answer.NONE_FOUND), (0.1, Answer.EVIDENCE)])
def test_an_answer_that_flips_is_undecided_and_says_where(logit: float, opposite: Answer) -> None:
    alone = judge(logit, references(), Levels())
    calm = [delivery("saved as JPEG", alone.answer), delivery("cropped", Answer.UNDECIDED)]
    kept = settle(alone, calm)
    assert kept.answer == alone.answer and "cropped" in kept.reasons[-1]
    flipped = settle(alone, [*calm, delivery("resized to 1,280 pixels", opposite)])
    assert flipped.answer == Answer.UNDECIDED
    assert flipped.sentence == "Undecided: the answer changes once the image is resized to 1,280 pixels."
    assert alone.sentence in flipped.reasons[-1]


def test_evidence_is_never_said_without_looking_at_stability() -> None:
    assert settle(judge(2.0, references(), Levels()), None).answer == Answer.UNDECIDED
    common = settle(judge(0.1, references(), Levels()), None)
    assert common.answer == Answer.NONE_FOUND and "not tried" in common.reasons[-1]


def said(name: str, answer: Answer, p: float | None = 0.5) -> DetectorEvidence:
    return DetectorEvidence(
        id=name, weights_sha256="0" * 64, architecture="a", answer=answer, sentence=f"{name} says so.",
        p_value=p, level=None if p is None else 0.01, preprocessing="0", sees="all",
    )  # fmt: skip


def test_contradicting_detectors_are_undecided() -> None:
    both = [said("a", Answer.EVIDENCE, 0.001), said("b", Answer.NONE_FOUND)]
    verdict = combine(both, ())
    assert verdict.answer == Answer.UNDECIDED and "contradict" in verdict.sentence
    assert verdict.reasons == ("a: a says so.", "b: b says so.")


def test_two_detectors_accuse_more_photographs_than_one() -> None:
    verdict = combine([said("a", Answer.EVIDENCE, 0.004), said("b", Answer.EVIDENCE, 0.002)], ())
    assert (verdict.answer, verdict.sentence) == (Answer.EVIDENCE, "b says so.")
    assert "2 detectors accuses up to 2 %" in verdict.reasons[-1]


def test_a_detector_without_references_changes_no_answer() -> None:
    for answer in (Answer.EVIDENCE, Answer.NONE_FOUND, Answer.UNDECIDED):
        assert combine([said("x", Answer.UNDECIDED, None), said("a", answer)], ()).answer == answer


def test_out_of_scope_comes_first() -> None:
    checks = [
        ScopeCheck(rule="size", applies=False, sentence="Large enough."),
        ScopeCheck(rule="screenshot", applies=True, sentence="This is a screenshot."),
    ]
    verdict = combine([said("a", Answer.EVIDENCE)], checks)
    assert (verdict.answer, verdict.sentence) == (
        Answer.NOT_APPLICABLE,
        "Not applicable: this is a screenshot.",
    )


def test_levels_are_in_order() -> None:
    with pytest.raises(UsageError, match=r"below 0\.1"):
        validate(Levels, {"evidence": 0.2}, "the options")


@given(
    st.floats(-3, 3),
    st.lists(st.floats(-2, 2), min_size=1, max_size=150),
    st.lists(st.floats(-2, 2), max_size=150),
    st.floats(0.001, 0.09),
)
def test_no_words_that_claim_more_than_they_can(
    logit: float, photographs: list[float], ai: list[float], level: float
) -> None:
    verdict = judge(logit, references(photographs=tuple(photographs), ai=tuple(ai)), Levels(evidence=level))
    for text in (verdict.sentence, *verdict.reasons):
        assert not re.search(r"\b(real|fake|probability|probably|genuine)\b", text)
        assert text.endswith(".")
    if verdict.answer == Answer.EVIDENCE:
        assert (1 + sum(r >= logit for r in photographs)) <= max(level * (len(photographs) + 1), 1) + 1e-9
