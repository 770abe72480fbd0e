"""The files of an index: in which order, with what in each column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from synthscope.inspection.evidence import Answer, DetectorEvidence, Evidence


@dataclass(frozen=True)
class Row:
    """One inspected file, as the caller names it."""

    evidence: Evidence
    page: str  # path of its page, from the index on, with forward slashes
    thumbnail: str = ""  # data: URI or path likewise; empty = none


@dataclass(frozen=True)
class Entry:
    """One inspected file, as the index shows it."""

    place: int  # 1 = most evidence
    evidence: Evidence
    link: str
    thumbnail: str
    p_value: float | None
    logit: float | None


def listing(rows: Iterable[Row]) -> list[Entry]:
    """Most evidence first: by p-value, files that were compared with nothing by logit, then those out of scope."""
    found = sorted(((_strongest(row.evidence), row) for row in rows), key=lambda pair: _order(*pair))
    return [
        Entry(
            place=place,
            evidence=row.evidence,
            link=_beside(row.page),
            thumbnail=row.thumbnail if row.thumbnail.startswith("data:image/") else _beside(row.thumbnail),
            p_value=one.p_value if one else None,
            logit=one.logit if one else None,
        )
        for place, (one, row) in enumerate(found, 1)
    ]


def _beside(path: str) -> str:
    """A path as an address that never leaves the machine.

    >>> _beside("a b#1.html"), _beside("//host/javascript:x"), _beside("")
    ('./a%20b%231.html', './//host/javascript%3Ax', '')
    """
    return f"./{quote(path)}" if path else ""


def _strongest(evidence: Evidence) -> DetectorEvidence | None:
    """The detector whose p-value is least, or whose logit is greatest where none has any."""
    return min(evidence.detectors, key=lambda one: (*_score(one), one.id), default=None)


def _score(one: DetectorEvidence) -> tuple[float, float]:
    return 2.0 if one.p_value is None else one.p_value, float("inf") if one.logit is None else -one.logit


def _order(one: DetectorEvidence | None, row: Row) -> tuple[bool, float, float, str, str]:
    refused = row.evidence.answer is Answer.NOT_APPLICABLE
    return refused, *(_score(one) if one else (3.0, 0.0)), row.evidence.file.name, row.page
