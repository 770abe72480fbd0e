"""Nothing that a figure says is cut at its edge or by an ellipsis."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from synthscope.report.figures import predictions as curves
from synthscope.report.figures import scores as figures
from synthscope.report.figures.style import lines, new_figure, note, styled
from synthscope.report.heatmaps.figure import heatmaps_figure
from synthscope.report.heatmaps.overlays import Panel
from tests.report.made_runs import make_audit, make_predictions, make_scores

NAMES = {f"resnet50.a_long_name_of_a_training_set.{view}.seed0@1": "ADM" for view in ("aligned", "laundered")}
CONDITIONS = ("none", "crop:size=128,grid=16|jpeg:q=96")


def words(figure: Figure) -> str:
    """All that a figure says, without white space; every text lies inside it."""
    figure.draw_without_rendering()
    said = []
    for text in figure.findobj(Text):
        if text.get_visible() and re.search("[^\\W\\d]", text.get_text()):  # ticks may lie outside
            box = text.get_window_extent()
            assert box.x0 >= -1 and box.x1 <= figure.bbox.width + 1, text.get_text()
            said.append("".join(text.get_text().split()))
    return "\n".join(said)


@pytest.mark.parametrize("drawn", ["interval", "degradation", "matrix", "audit", "roc", "reliability", "logits"])
def test_long_names_and_notes_are_written_out(drawn: str) -> None:
    rows = make_predictions(Path("/x"), detectors=NAMES, subsets=["ADM"], conditions=CONDITIONS, views=("none",))
    scores = make_scores(rows)
    figure = {
        "interval": lambda: figures.interval_figure(scores), "degradation": lambda: figures.degradation_figure(scores),
        "matrix": lambda: figures.matrix_figure(scores), "audit": lambda: figures.audit_figure(make_audit()),
        "roc": lambda: curves.roc_figure(rows), "reliability": lambda: curves.reliability_figure(rows),
        "logits": lambda: curves.logit_histogram(rows),
    }[drawn]()  # fmt: skip
    said = words(figure)
    assert "…" not in said
    for name in NAMES if drawn != "audit" else ():
        assert name.partition("@")[0] in said
    assert CONDITIONS[1] in said or drawn != "degradation"
    assert "open:notseenintraining." in said or drawn != "interval"


@styled
def test_a_note_takes_the_lines_that_it_needs() -> None:
    figure = new_figure(3.0, 2.0)
    sentences = ["A sentence of some length that no narrow figure holds in one line.", "Another\nof two lines."]
    note(figure, sentences)
    assert words(figure) == "".join("".join(sentences).split())


def test_a_rule_of_any_length_stands_below_the_heatmaps() -> None:
    panel = Panel("gradcam of a detector", np.zeros((40, 40, 3), np.uint8), np.eye(40, dtype=np.float32), None, ())
    rule = "Best, median and worst lift among 1,200 annotated images, drawn from 90,000 by the hash. " * 4
    assert "".join(rule.split()) in words(heatmaps_figure([panel], rule=rule))


@given(st.text("ab|,._/ -$", max_size=60), st.integers(4, 20))
def test_lines_keep_every_sign_and_the_width(name: str, width: int) -> None:
    plain = name.replace("$", "s")
    broken = lines(plain, width)
    assert "".join(broken.split()) == "".join(plain.split()) or len(plain) > 8 * width
    assert all(len(line) <= width for line in broken.split("\n"))
