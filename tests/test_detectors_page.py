"""The tables of detectors name every architecture, with its true size and input."""

from __future__ import annotations

import re
from pathlib import Path

from synthscope.detectors.hub import detectors_table
from synthscope.detectors.published import published_table

REFERENCE = Path(__file__).parents[1] / "docs/reference"
PAGES = REFERENCE / "detectors.md", REFERENCE / "detectors_2025.md"


def test_table_of_detectors_is_true_and_complete() -> None:
    rows = re.findall(r"^\| `([\w:]+)` \| ([^|]+) \| ([\d,]+|the model's) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
                      "\n".join(page.read_text(encoding="utf-8") for page in PAGES), re.MULTILINE)  # fmt: skip
    facts = {fact["name"]: fact for fact in detectors_table()}
    named = {name.partition(":")[0] for name, *_ in rows}
    assert named == set(facts), f"the tables of detectors lack {set(facts) - named}, have {named - set(facts)} more"
    for name, _, parameters, size, *_ in rows:
        fact = facts[name.partition(":")[0]]
        assert parameters == ("the model's" if fact["parameters"] is None else f"{fact['parameters']:,}"), name
        assert re.findall(r"\d+", size) == re.findall(r"\d+", fact["input"]), name


def test_each_published_file_of_today_says_where_it_comes_from_and_what_is_left_out() -> None:
    text = PAGES[1].read_text(encoding="utf-8")
    known = {row["name"]: row for row in published_table()}
    told = dict(re.findall(r"^\| `(\w+)` \| <(https://[^>]+)> \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE))
    architectures = set(re.findall(r"^\| `(\w+)` \| [A-Z]", text, re.MULTILINE))
    assert set(told) == {name for name, row in known.items() if row["architecture"] in architectures}
    for name, source in told.items():
        assert known[name]["source"].startswith(source), name
