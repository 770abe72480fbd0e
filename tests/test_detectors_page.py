"""The table of detectors names every architecture, with its true size and input."""

from __future__ import annotations

import re
from pathlib import Path

from synthscope.detectors.hub import detectors_table

PAGE = Path(__file__).parents[1] / "docs/reference/detectors.md"


def test_table_of_detectors_is_true_and_complete() -> None:
    rows = re.findall(r"^\| `([\w:]+)` \| ([^|]+) \| ([\d,]+|the model's) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
                      PAGE.read_text(encoding="utf-8"), re.MULTILINE)  # fmt: skip
    facts = {fact["name"]: fact for fact in detectors_table()}
    named = {name.partition(":")[0] for name, *_ in rows}
    assert named == set(facts), f"The table of detectors lacks {set(facts) - named}, has {named - set(facts)} more"
    for name, _, parameters, size, *_ in rows:
        fact = facts[name.partition(":")[0]]
        assert parameters == ("the model's" if fact["parameters"] is None else f"{fact['parameters']:,}"), name
        assert re.findall(r"\d+", size) == re.findall(r"\d+", fact["input"]), name
