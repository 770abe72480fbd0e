"""Where marks stand: by hand, and within the plot whatever the numbers are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthscope.inspection.evidence import Answer
from synthscope.inspection.page.plot import MARGIN, plots
from tests.inspection import made_evidence as made


def test_marks_stand_where_their_logits_lie() -> None:
    one = made.detector(logit=0.0, reference=made.reference(quantiles={"q50": 2.0, "q90": 4.0, "other": 1e9}))
    evidence = made.evidence(detectors=(one,), stability=made.stability(one.id, [0.0, 1.0, 4.0], Answer.EVIDENCE))
    (plot,) = plots(evidence)
    width = 100 - 2 * MARGIN  # from 0, which is also 2 * q50 - q90, to 4
    assert [mark.x for mark in plot.marks] == pytest.approx([MARGIN, MARGIN + width / 4, MARGIN + width])
    assert [(line.share, line.x) for line in plot.lines] == [(50, MARGIN + width / 2), (90, MARGIN + width)]
    assert plot.here == MARGIN
    assert plot.bands == [(0.0, MARGIN + width / 2, 1), (MARGIN + width / 2, width / 2, 2)]


def test_a_mark_says_whether_the_answer_changed() -> None:
    (plot,) = plots(made.undecided_by_flip())
    assert [mark.changed for mark in plot.marks].count(True) == 4 and not plot.marks[0].changed


def test_each_detector_has_its_own_scale() -> None:
    first, second = plots(made.contradicting())
    assert first.lines and not second.lines
    assert {mark.delivery.detector for mark in second.marks} == {"residual@55aa55aa"}


@given(st.lists(st.floats(allow_nan=True) | st.none(), min_size=1, max_size=12))
def test_marks_stay_inside(logits: list[float | None]) -> None:
    one = made.detector(reference=None)
    evidence = made.evidence(detectors=(one,), stability=made.stability(one.id, logits, Answer.UNDECIDED))
    (plot,) = plots(evidence)
    assert all(mark.x is None or 0 <= mark.x <= 100 for mark in plot.marks)
