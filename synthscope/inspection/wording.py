"""Sentences about evidence that the page and the terminal share: counts instead of percentages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthscope.inspection.evidence import (
    Answer,
    Delivery,
    DetectorEvidence,
    Evidence,
    FileFacts,
    Reference,
    Region,
    ScopeCheck,
)
from synthscope.metrics.likelihood_ratio import SCALE, in_words

ORIGINAL = "none"  # the condition that leaves the file as it is
_OPENINGS = {
    Answer.EVIDENCE: ("Evidence of AI generation: ",),
    Answer.NONE_FOUND: ("No evidence of AI generation found. ", "No evidence found: ", "No evidence found. "),
    Answer.UNDECIDED: ("Undecided: ",),
    Answer.NOT_APPLICABLE: ("Not applicable: ",),
}


def number(value: float, digits: int = 2) -> str:
    """So many significant digits, never as a power of ten.

    >>> number(0.0039960), number(1.0), number(0.00001234)
    ('0.004', '1', '0.000012')
    """
    return np.format_float_positional(value, precision=digits, fractional=False, trim="-")


def signed(logit: float) -> str:
    """A logit with its sign.

    >>> signed(-1.234), signed(0.5)
    ('−1.23', '+0.50')
    """
    return f"{logit:+.2f}".replace("-", "−")


def headline(answer: Answer) -> str:
    """The answer as it stands over a page.

    >>> headline(Answer.NONE_FOUND)
    'No evidence found'
    """
    return answer.value[0].upper() + answer.value[1:]


def after_headline(evidence: Evidence) -> str:
    """The sentence less the answer that the headline has said already."""
    for opening in _OPENINGS[evidence.answer]:
        rest = evidence.sentence.removeprefix(opening)
        if rest and rest != evidence.sentence:
            return rest[0].upper() + rest[1:]
    return evidence.sentence


def file_line(file: FileFacts) -> str:
    """Format, size in pixels and bytes, as far as they are known.

    >>> file_line(FileFacts(name="a.jpg", format="JPEG", width=4000, height=3000, bytes=3_200_000))
    'JPEG, 4,000 × 3,000 pixels, 3.2 MB'
    """
    parts = [file.format or ""]
    if file.width and file.height:
        parts.append(f"{file.width:,} × {file.height:,} pixels")
    if file.bytes is not None:
        size = file.bytes / 1000
        parts.append(f"{size:,.0f} kB" if 1 <= size < 1000 else f"{size / 1000:,.1f} MB" if size >= 1000 else "< 1 kB")
    return ", ".join(filter(None, parts))


def at_least(p_value: float, n: int) -> int:
    """How many of ``n`` reference photographs score at least this: the inverse of the conformal p-value.

    >>> at_least((1 + 3) / 1001, 1000), at_least(1 / 201, 200)
    (3, 0)
    """
    return min(max(round(p_value * (n + 1)) - 1, 0), n)


def rank(detector: DetectorEvidence) -> str:
    """How the logit stands among the reference photographs."""
    if detector.reference is None:
        return "Not compared: this detector has no reference set. synthscope calibrate makes one of your photographs."
    if detector.p_value is None:
        return f"Not compared with the photographs of {detector.reference.name}."
    count, n = at_least(detector.p_value, detector.reference.n), detector.reference.n
    many = f"{count:,}" if count else "None"
    return f"{many} of {n:,} reference photographs score{'' if count > 1 else 's'} this high."


def level(detector: DetectorEvidence) -> str:
    """From which p-value on it counts as evidence, and the least that can be had."""
    if detector.level is None or detector.reference is None:
        return ""
    least = 1 / (detector.reference.n + 1)
    common = f", above {number(detector.common)} none" if detector.common is not None else ""
    return (
        f"p-values up to {number(detector.level)} are evidence{common}. With {detector.reference.n:,} photographs "
        f"none below {number(least)} can be had."
    )


def miss(detector: DetectorEvidence) -> str:
    """How many reference AI images score no higher than photographs may."""
    if detector.miss_rate is None:
        return ""
    n = detector.reference.n_ai if detector.reference else 0
    if not n:
        return f"The share of AI images missed at this level is {number(detector.miss_rate)}."
    return f"{round(detector.miss_rate * n):,} of {n:,} reference AI images are missed at this level."


def ratio(detector: DetectorEvidence) -> str:
    """The likelihood ratio, as a frequency and in the words of a scale; see :func:`costs`."""
    if detector.likelihood_ratio is None:
        return ""
    value, than = detector.likelihood_ratio, ("reference AI images", "reference photographs")
    if value < 1:
        value, than = 1 / value if value else float("inf"), than[::-1]
    words = in_words(detector.likelihood_ratio)
    return f"Such a logit is {number(value)} times as frequent among the {than[0]} as among the {than[1]}: {words}."


def costs(reference: Reference) -> str:
    """What likelihood ratios against a reference set are worth, and the scale of their words in full."""
    if reference.cllr_min is None:
        return ""
    fitted = "" if reference.cllr is None else f"{number(reference.cllr)} bits on images left out of the fit, and "
    scale = ", ".join(f"from {least:,} {word}" for least, word in SCALE)
    return (
        f"Likelihood ratios cost {fitted}at best {number(reference.cllr_min)}; ratios that say nothing cost 1. Words: "
        f"{scale} (ENFSI 2015; other scales have other words)."
    )


def sight(detector: DetectorEvidence) -> str:
    """What the detector sees of images, and how much of this one."""
    if detector.seen_share is None:
        return detector.sees
    seen = "all" if detector.seen_share >= 1 else f"{number(100 * detector.seen_share)} %"
    return f"{detector.sees.rstrip('.')}; {seen} of the pixels of this picture."


def counts(reference: Reference) -> str:
    """How many images of each kind a reference set holds, and how they were treated."""
    text = f"{reference.n:,} photographs, {reference.n_ai:,} AI images"
    if reference.view != "none":
        text += f", seen through {reference.view}"
    return f"{text}. For demonstration only: not proven on generators it has not seen." if reference.demo_only else text


def scope(check: ScopeCheck) -> str:
    """What one rule found, and what it gets wrong."""
    sides = (("measured", check.value), ("limit", check.limit))
    measured = ", ".join(f"{name} {number(value, 4)}" for name, value in sides if value is not None)
    parts = (check.sentence, f"[{measured}]" if measured else "", check.error_rate and f"Errors: {check.error_rate}")
    return " ".join(part for part in parts if part)


def region(one: Region) -> str:
    """Where a region lies and how much of the heatmap it holds.

    >>> region(Region(detector="d", explainer="e", polygon=((10, 20), (40, 20), (40, 80)), share=0.34))
    'x 10 to 40, y 20 to 80: 34 % of the relevance that speaks for AI'
    """
    xs, ys = [x for x, _ in one.polygon] or [0.0], [y for _, y in one.polygon] or [0.0]
    kind = f" ({one.category})" if one.category else ""
    where = f"x {min(xs):.0f} to {max(xs):.0f}, y {min(ys):.0f} to {max(ys):.0f}{kind}"
    return f"{where}: {100 * one.share:.0f} % of the relevance that speaks for AI"


def no_findings(evidence: Evidence) -> str:
    """What is said where nothing is told of the origin."""
    return "Nothing found." if evidence.settings.get("provenance", True) else "Nobody looked for it."


def deliveries(evidence: Evidence) -> dict[str, list[Delivery]]:
    """The deliveries of each detector, in their order."""
    found: dict[str, list[Delivery]] = {}
    for one in evidence.stability:
        found.setdefault(one.detector, []).append(one)
    return found


def stability(own: Sequence[Delivery]) -> str:
    """How many ways of delivery keep the answer to the file as it is; empty where that is not among them."""
    original = next((one for one in own if one.condition == ORIGINAL), None)
    others = [one for one in own if one is not original]
    if original is None or not others:
        return ""
    changed = [f"{one.label} ({one.answer})" for one in others if one.answer != original.answer]
    kept = f"{len(others) - len(changed)} of {len(others)} deliveries keep the answer “{original.answer}”."
    return f"{kept} Changed by: {'; '.join(changed)}." if changed else kept


def references(evidence: Evidence) -> list[Reference]:
    """The reference sets that were used, each once."""
    return list({one.reference.digest: one.reference for one in evidence.detectors if one.reference}.values())


def citation(evidence: Evidence) -> str:
    """One paragraph to copy into a mail: the file, the sentence, with what it was compared, and what it is not."""
    file = evidence.file
    which = f"{file.name} (SHA-256 {file.sha256})" if file.sha256 else file.name
    compared = "; ".join(f"{one.name}, {one.n:,} photographs, {one.date}, {one.digest}" for one in references(evidence))
    by = ", ".join(one.id for one in evidence.detectors)
    versions = ", ".join(f"{name} {version}" for name, version in evidence.versions.items() if name == "synthscope")
    parts = [f"{which}: {evidence.sentence}"]
    if by:
        parts.append(f"Detectors: {by}.")
    if compared:
        parts.append(f"Compared with: {compared}. Valid for photographs like those and no others.")
    parts.append(f"This is a measurement, not proof{f' ({versions})' if versions else ''}.")
    return " ".join(parts)
