"""Where the marks of the stability plot stand: percentages of its width, so that it fits every screen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from synthscope.inspection import wording
from synthscope.inspection.evidence import Delivery, DetectorEvidence, Evidence

MARGIN = 6.0  # percent on either side
ROOM = 35.0  # percent between two words


@dataclass(frozen=True)
class Mark:
    """One row of the plot."""

    delivery: Delivery
    x: float | None  # percent; None = no logit
    changed: bool  # another answer than the file as it is


@dataclass(frozen=True)
class Line:
    """A quantile of the reference photographs' logits."""

    x: float  # percent
    share: int  # of 100 photographs that score below


@dataclass(frozen=True)
class Plot:
    """The deliveries of one detector before the photographs that it was compared with."""

    detector: str
    sentence: str
    marks: tuple[Mark, ...]
    lines: tuple[Line, ...]  # from left to right
    here: float | None  # percent: the logit of the file as it is

    @property
    def labelled(self) -> list[Line]:
        """The first line and, where there is room for its words, the last."""
        ends = {line.share: line for line in (*self.lines[:1], *self.lines[-1:])}
        return [line for line in ends.values() if line is self.lines[0] or line.x - self.lines[0].x > ROOM]

    @property
    def bands(self) -> list[tuple[float, float, int]]:
        """Left end, width and shade (1 = most photographs) of what lies below each line."""
        ends = [0.0, *(line.x for line in self.lines)]
        return [(left, round(right - left, 2), shade) for shade, (left, right) in enumerate(pairwise(ends), 1)]


def plots(evidence: Evidence) -> list[Plot]:
    """A plot for each detector whose image was delivered in several ways."""
    by_id = {one.id: one for one in evidence.detectors}
    return [_plot(name, own, by_id.get(name)) for name, own in wording.deliveries(evidence).items()]


def _plot(name: str, own: list[Delivery], detector: DetectorEvidence | None) -> Plot:
    reference = detector.reference if detector else None
    quantiles = {
        int(key[1:]): value
        for key, value in (reference.quantiles if reference else {}).items()
        if re.fullmatch(r"q[1-9]\d?", key)
    }
    original = next((one for one in own if one.condition == wording.ORIGINAL), None)
    logit = original.logit if original else detector.logit if detector else None
    values = [*(one.logit for one in own), *quantiles.values(), logit]
    if {50, 90} <= quantiles.keys():
        values.append(2 * quantiles[50] - quantiles[90])  # room for the lower half, whose end is not known
    known = [value for value in values if value is not None and isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)

    def place(value: float | None) -> float | None:
        if value is None or not isfinite(value):
            return None
        share = (value - low) / (high - low) if high > low else 0.5
        return round(MARGIN + (100 - 2 * MARGIN) * share, 2)

    marks = (Mark(one, place(one.logit), original is not None and one.answer != original.answer) for one in own)
    lines = (Line(x, share) for share, value in sorted(quantiles.items()) if (x := place(value)) is not None)
    return Plot(name, wording.stability(own), tuple(marks), tuple(lines), place(logit))
