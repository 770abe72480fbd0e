"""From a logit to one of three answers: never "real", never "fake", never a bare percentage.

*Evidence* needs a p-value up to a level and to stay so under re-delivery; *no evidence* a common logit, a known miss
rate that is better than chance, and no re-delivery under which it would be evidence. Everything else is undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field, model_validator

from synthscope.config import Config
from synthscope.inspection.evidence import Answer, Delivery, DetectorEvidence, ScopeCheck
from synthscope.inspection.reference import ReferenceSet
from synthscope.metrics.conformal import attainable_level

NOT_CALIBRATED = (
    "Undecided (not calibrated): this detector has no reference photographs. Score some with synthscope calibrate."
)
NOT_PROVEN = "Undecided (not proven on unseen generators): this detector ships to show how inspection works."


class Levels(Config):
    """P-values at which answers begin, before few references raise them."""

    evidence: float = Field(default=0.01, gt=0, lt=0.5)  # up to this: evidence
    common: float = Field(default=0.1, gt=0, lt=1)  # above this: no evidence

    @model_validator(mode="after")
    def _in_order(self) -> Levels:
        if self.evidence >= self.common:
            raise ValueError(f"the level of evidence must be below {self.common}, the one from which logits are common")
        return self


class Verdict(NamedTuple):
    """An answer in words."""

    answer: Answer
    sentence: str
    reasons: tuple[str, ...] = ()


def judge(logit: float, reference: ReferenceSet | None, levels: Levels) -> Verdict:
    """The answer of one logit alone, as if it were stable.

    Args:
        logit: Of the image under one condition.
        reference: What it is compared with; None = nothing.
        levels: Where answers begin.
    """
    if reference is None:
        return Verdict(Answer.UNDECIDED, NOT_CALIBRATED)
    if reference.demo_only:
        return Verdict(Answer.UNDECIDED, NOT_PROVEN)
    n, p = len(reference.photographs), reference.p_value(logit)
    level, scored = attainable_level(levels.evidence, n), as_high(p, n)
    if level >= levels.common:
        return Verdict(Answer.UNDECIDED, f"Undecided: {n:,} reference photographs are too few to say anything.")
    clipped = f"With {n:,} reference photographs nothing below {percent(level)} can be said, so that is the level."
    reasons = (clipped,) if level > levels.evidence else ()
    if p <= level:
        return Verdict(Answer.EVIDENCE, f"Evidence of AI generation: {scored}.", reasons)
    if p <= levels.common:
        between = f"more than {percent(level)} of them and no more than {percent(levels.common)}"
        return Verdict(Answer.UNDECIDED, f"Undecided: {scored}, {between}.", reasons)
    return Verdict(*_uncommon(scored, reference, levels), reasons)


def _uncommon(scored: str, reference: ReferenceSet, levels: Levels) -> tuple[Answer, str]:
    miss = reference.miss_rate(levels.common)
    if miss is None:
        unknown = "without reference AI images nobody knows how many of them this detector misses"
        return Answer.UNDECIDED, f"Undecided: {scored}, which is no sign of AI generation, but {unknown}."
    misses = f"Of {len(reference.ai):,} reference AI images this detector misses {percent(miss)} at this level"
    if not reference.tells_apart(levels.common):
        return Answer.UNDECIDED, f"Undecided: {scored}. {misses}, which is not better than chance."
    return Answer.NONE_FOUND, f"No evidence of AI generation found. {misses}."


def settle(verdict: Verdict, deliveries: Sequence[Delivery] | None) -> Verdict:
    """The answer that stands once it was looked at under re-delivery.

    Args:
        verdict: Of the image as it is.
        deliveries: Of one detector; None = nobody looked, which is enough for no evidence alone.
    """
    opposite = {Answer.EVIDENCE: Answer.NONE_FOUND, Answer.NONE_FOUND: Answer.EVIDENCE}.get(verdict.answer)
    if opposite is None:
        return verdict
    if deliveries is None:
        untried = "Whether the answer survives re-delivery was not tried."
        if verdict.answer == Answer.NONE_FOUND:
            return verdict._replace(reasons=(*verdict.reasons, untried))
        return Verdict(Answer.UNDECIDED, f"Undecided: {untried.lower()}", (*verdict.reasons, verdict.sentence))
    if flips := [delivery.label for delivery in deliveries if delivery.answer == opposite]:
        others = (f"The same once it is {', or '.join(flips[1:])}.",) if flips[1:] else ()
        sentence = f"Undecided: the answer changes once the image is {flips[0]}."
        return Verdict(Answer.UNDECIDED, sentence, (*verdict.reasons, *others, f"As it is: {verdict.sentence}"))
    if weaker := [delivery.label for delivery in deliveries if delivery.answer == Answer.UNDECIDED]:
        told = f"It would be undecided once the image is {', or '.join(weaker)}."
        return verdict._replace(reasons=(*verdict.reasons, told))
    return verdict


def combine(detectors: Sequence[DetectorEvidence], scope: Sequence[ScopeCheck]) -> Verdict:
    """The answer about a file: that of its detectors, which are never fused, unless they contradict each other."""
    if outside := [check.sentence for check in scope if check.applies]:
        return Verdict(Answer.NOT_APPLICABLE, f"Not applicable: {_lower(outside[0])}", tuple(outside[1:]))
    said = {answer: [one for one in detectors if one.answer == answer] for answer in Answer}
    if said[Answer.EVIDENCE] and said[Answer.NONE_FOUND]:
        reasons = tuple(f"{one.id}: {one.sentence}" for one in detectors)
        return Verdict(Answer.UNDECIDED, "Undecided: the detectors contradict each other.", reasons)
    for answer in (Answer.EVIDENCE, Answer.NONE_FOUND, Answer.UNDECIDED):
        if said[answer]:
            first = min(said[answer], key=lambda one: (one.p_value is None, one.p_value or 0.0))
            return Verdict(answer, first.sentence, (*first.reasons, *_of_others(first, detectors)))
    return Verdict(Answer.UNDECIDED, "Undecided: no detector was asked.")


def _of_others(first: DetectorEvidence, detectors: Sequence[DetectorEvidence]) -> list[str]:
    asked = [one for one in detectors if one.level is not None]
    told = [f"{one.id}: {one.sentence}" for one in detectors if one.id != first.id]
    if len(asked) > 1 and first.answer == Answer.EVIDENCE:
        errs = percent(min(1.0, sum(one.level or 0.0 for one in asked)))
        told.append(f"Of photographs like the references, at least one of {len(asked)} detectors accuses up to {errs}.")
    return told


def as_high(p_value: float, n: int) -> str:
    """How many of ``n`` reference photographs score at least as high.

    >>> as_high(4 / 1001, 1000), as_high(1 / 201, 200), as_high(2 / 201, 200)
    ('3 of 1,000 reference photographs score this high', 'none of 200 reference photographs scores this high', \
'1 of 200 reference photographs scores this high')
    """
    count = round(p_value * (n + 1)) - 1
    verb = "scores" if count <= 1 else "score"
    return f"{format(count, ',') if count else 'none'} of {n:,} reference photographs {verb} this high"


def percent(share: float) -> str:
    """A share in percent, three digits.

    >>> percent(0.01), percent(1 / 61), percent(0.6)
    ('1 %', '1.64 %', '60 %')
    """
    return f"{100 * share:.3g} %"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
