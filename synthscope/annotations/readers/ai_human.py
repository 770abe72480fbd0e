"""Anatomical errors in generated pictures of people (``hastingslab-org/ai-human-images``): one CSV table.

Five kinds of error (missing, extra, configuration, orientation, proportion) x five parts (torso, limbs, feet, hands,
face). A cell is empty, or entries ``wrong/seen`` and a severity: ``1/10a,1/10c``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthscope.annotations.files import located, parsing
from synthscope.annotations.records import Row
from synthscope.runtime.files import read_text

SEVERITIES = {"a": ("mild", 0.2), "b": ("moderate", 0.5), "c": ("severe", 1.0)}
_COLUMN = re.compile(r"\d\. (\w+) Error-\d\.\d (\w+)")
_ENTRY = re.compile(r"(\d{1,3})/(\d{1,3})([abc])")


def read(root: Path, *, images: str = "") -> Iterator[Row]:
    """Rows of ``annotations.csv`` with a first column ``path``; see ``annotations.judgements.JUDGEMENTS``.

    A cell with an entry that does not follow the form, or with more wrong parts than were seen, is skipped as a whole.

    Args:
        root: The CSV file.
        images: Folder that ``path`` starts from; default the one above the file's.
    """
    base = Path(images).expanduser().absolute() if images else root.absolute().parent.parent
    table = csv.DictReader(io.StringIO(read_text(root, what="a CSV table at")))
    with parsing(root, "the columns path, Model, Prompt, Annotator and errors by part"):
        cells = {name: found.groups() for name in table.fieldnames or [] if (found := _COLUMN.fullmatch(name))}
        for line in table:
            image: Row = {
                "path": located(base, line["path"]), "generator": line["Model"], "scene": line["Prompt"],
                "annotator": line["Annotator"],
            }  # fmt: skip
            found_any = False
            for name, (kind, part) in cells.items():
                place = {"kind": kind.lower(), "part": part.lower()}
                for row in _entries(line[name] or ""):
                    found_any |= row.get("skipped") is None
                    yield image | (place if row.get("skipped") is None else {}) | row
            if not found_any:
                yield image


def _entries(cell: str) -> list[dict[str, Any]]:
    """The errors of a cell, or the one row that says that it was skipped.

    >>> [(row["wrong"], row["seen"], row["score"]) for row in _entries("1/2b, 1/4c")]
    [(1, 2, 0.25), (1, 4, 0.25)]
    >>> _entries("1c/5c")
    [{'skipped': '1c/5c'}]
    """
    rows = []
    for entry in filter(None, (text.strip() for text in cell.split(","))):
        found = _ENTRY.fullmatch(entry)
        if found is None or not 0 < int(found[1]) <= int(found[2]):
            return [{"skipped": cell}]
        severity, weight = SEVERITIES[found[3]]
        wrong, seen = int(found[1]), int(found[2])
        rows.append({"wrong": wrong, "seen": seen, "severity": severity, "score": wrong / seen * weight})
    return rows
