"""Evidence as plain text for a terminal, in the order of the page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from synthscope.inspection import limits, wording
from synthscope.inspection.evidence import DetectorEvidence, Evidence, Reference
from synthscope.runtime.told import printable

WIDTH = 100  # characters of a line
KEY = 14  # characters of a name before its value
LONGEST = 500  # characters of a value


def evidence_text(evidence: Evidence) -> str:
    """The evidence in lines of about 100 characters: no colours, no control characters of the file's.

    Args:
        evidence: Of one file.

    Returns:
        Text that ends with a line end.
    """
    file = evidence.file
    lines = [*_wrapped(file.name, indent=0), *_wrapped(wording.file_line(file), indent=0), ""]
    lines += [wording.headline(evidence.answer).upper(), *_wrapped(wording.after_headline(evidence), indent=0)]
    lines += _bullets(reason for reason in evidence.reasons if reason != evidence.sentence)
    for title, body in (
        ("Where the evidence lies", _heatmaps(evidence)),
        ("Stability", _stability(evidence)),
        ("What the file says of its origin", _provenance(evidence)),
        ("Each detector", [line for one in evidence.detectors for line in _detector(one)]),
        ("Compared with", [line for one in wording.references(evidence) for line in _reference(one)]),
        ("Method, versions and limits", _method(evidence)),
        ("To copy", _wrapped(wording.citation(evidence))),
    ):
        if body:
            lines += ["", title, *body]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _heatmaps(evidence: Evidence) -> list[str]:
    lines = []
    for one in evidence.heatmaps:
        where = one.overlay if one.overlay and not one.overlay.startswith("data:") else "not stored as a file"
        lines += _pair(one.explainer, f"{one.detector}, {one.layer}: {where}. {one.trust}")
    for region in evidence.regions:
        lines += _pair("region", f"{region.detector}, {region.explainer}: {wording.region(region)}")
    return [*lines, *_wrapped(f"{limits.NOT_PROOF} {limits.HEATMAPS}")] if lines else []


def _stability(evidence: Evidence) -> list[str]:
    lines = []
    for detector, own in wording.deliveries(evidence).items():
        lines += _wrapped(f"{detector}: {wording.stability(own)}")
        for one in own:
            logit = "–" if one.logit is None else wording.signed(one.logit)
            lines.append(f"    {printable(one.label)[:54]:<54} {logit:>8}  {one.answer}")
    return lines


def _provenance(evidence: Evidence) -> list[str]:
    lines = []
    for one in evidence.provenance:
        signed = " (verified)" if one.verified else f" (signature: {one.signature})" if one.signature else ""
        lines += _pair(one.source, f"{one.claim}{signed}")
        for name, value in one.detail.items():
            lines += _pair("", f"{name}: {value}")
    return [*(lines or _wrapped(wording.no_findings(evidence))), *_wrapped(limits.ABSENCE)]


def _detector(one: DetectorEvidence) -> Iterator[str]:
    yield from _wrapped(f"{one.id}: {one.sentence}")
    facts = {
        "answer": one.answer,
        "logit": "" if one.logit is None else wording.signed(one.logit),
        "p-value": "" if one.p_value is None else wording.number(one.p_value),
        "photographs": wording.rank(one),
        "level": wording.level(one),
        "misses": wording.miss(one),
        "likelihood": wording.ratio(one),
        "sees": wording.sight(one),
        "input": one.preprocessing,
        "weights": f"{one.architecture}, SHA-256 {one.weights_sha256}",
    }
    for name, value in facts.items():
        if value:
            yield from _pair(name, value, indent=4)
    yield from _bullets((reason for reason in one.reasons if reason != one.sentence), indent=4)


def _reference(one: Reference) -> Iterator[str]:
    yield from _wrapped(f"{one.name}, {one.date}, {one.digest}: {wording.counts(one)}")
    if one.sources:
        yield from _pair("sources", ", ".join(one.sources), indent=4)
    if told := wording.costs(one):
        yield from _pair("ratios", told, indent=4)


def _method(evidence: Evidence) -> list[str]:
    lines = []
    for check in evidence.scope:
        lines += _pair(check.rule, wording.scope(check))
    for title, table in (("settings", evidence.settings), ("versions", evidence.versions)):
        if table:
            lines += _pair(title, ", ".join(f"{name} {value}" for name, value in table.items()))
    return [*lines, *_bullets((limits.P_VALUE, *limits.LIMITS))]


def _wrapped(text: str, *, indent: int = 2, first: str = "") -> list[str]:
    """Lines of a text; ``first`` stands before the first one, in the indent."""
    short = printable(text if len(text) <= LONGEST else f"{text[:LONGEST]} …")
    margin = " " * indent
    return textwrap.wrap(short, WIDTH, initial_indent=first or margin, subsequent_indent=margin, break_on_hyphens=False)


def _pair(name: str, value: str, *, indent: int = 2) -> list[str]:
    head = f"{' ' * indent}{printable(name)[:KEY]:<{KEY}} "
    return _wrapped(str(value), indent=len(head), first=head) or [head.rstrip()]


def _bullets(texts: Iterable[str], *, indent: int = 2) -> list[str]:
    return [line for text in texts for line in _wrapped(text, indent=indent + 2, first=f"{' ' * indent}- ")]
