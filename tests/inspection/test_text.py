"""What terminals get: all of it in order, in lines that fit, and nothing that a terminal would obey."""

from __future__ import annotations

import re

import pytest

from synthscope.inspection.text import WIDTH, evidence_text
from tests.inspection import made_evidence as made

SECTIONS = [
    "Where the evidence lies",
    "Stability",
    "What the file says of its origin",
    "Each detector",
    "Compared with",
    "Method, versions and limits",
    "To copy",
]


def test_it_says_everything_in_the_order_of_the_page() -> None:
    text = evidence_text(made.contradicting())
    lines = text.splitlines()
    assert lines[0] == "tower.jpg" and "UNDECIDED" in lines
    assert [line for line in lines if line in SECTIONS] == SECTIONS
    assert lines.index("UNDECIDED") < lines.index(SECTIONS[0])
    for part in ("residual@55aa55aa", "3 of 1,000", "161 of 200", "−4.20", "verified", "aabbccddeeff", "torch 2.13.0"):
        assert part in text, part
    assert "data:image" not in text


@pytest.mark.parametrize("make", made.ALL.values(), ids=made.ALL)
def test_lines_fit_and_hold_no_control_characters(make: made.Make) -> None:
    text = evidence_text(make())
    assert text.endswith("\n")
    for line in text.splitlines():
        assert line.isprintable(), line
        assert len(line) <= WIDTH, line
    assert not re.search(r"\b(real|fake)\b", text, re.IGNORECASE)


def test_what_is_not_there_takes_no_room() -> None:
    text = evidence_text(made.not_applicable())
    assert "Each detector" not in text and "Stability" not in text
    assert "NOT APPLICABLE\nThis is a screenshot." in text
    assert "Absence proves nothing" in text
