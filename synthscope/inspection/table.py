"""Inspected files as a table: for spreadsheets, and as a summary of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from synthscope.inspection.calibrated import Calibrated
from synthscope.inspection.evidence import Answer
from synthscope.inspection.page.listing import Row, listing
from synthscope.inspection.run import Inspected
from synthscope.metrics.calibration import calibrated
from synthscope.tables.render import plain_text

ROWS = pl.Schema(
    {
        "path": pl.String,
        "sha256": pl.String,
        "answer": pl.String,  # of the file
        "sentence": pl.String,
        "detector": pl.String,  # null where none was asked
        "detector_answer": pl.String,
        "logit": pl.Float64,
        "p_ai": pl.Float64,  # null where the detector stores no calibration
        "p_value": pl.Float64,  # among reference photographs
    }
)
SHOWN = 20  # files of a summary


def table(inspected: Sequence[Inspected], detectors: Sequence[Calibrated]) -> pl.DataFrame:
    """One row a file and detector, in their order; a file that no detector was asked about has one row."""
    fitted = {one.id: one.detector.config.calibration for one in detectors}
    rows: list[tuple[str | float | None, ...]] = []
    for path, evidence in inspected:
        own = (str(path), evidence.file.sha256, evidence.answer.value, evidence.sentence)
        for said in evidence.detectors:
            fit, p_ai = fitted[said.id], None
            if fit.prior is not None and said.logit is not None:
                p_ai = calibrated(said.logit, fit.temperature, fit.bias).item()
            rows.append((*own, said.id, said.answer.value, said.logit, p_ai, said.p_value))
        if not evidence.detectors:
            rows.append((*own, *(None,) * 5))
    return pl.DataFrame(rows, schema=ROWS, orient="row")


def unread(inspected: Sequence[Inspected]) -> pl.DataFrame:
    """``path`` and ``error`` of the files that are no readable images."""
    found = [one for one in inspected if any(check.rule == "readable" for check in one.evidence.scope)]
    rows = [(str(one.path), one.evidence.sentence) for one in found]
    return pl.DataFrame(rows, schema={"path": pl.String, "error": pl.String}, orient="row")


def summary(inspected: Sequence[Inspected]) -> str:
    """How many files have which answer, and those for which most speaks."""
    counts = Counter(one.evidence.answer for one in inspected)
    told = ", ".join(f"{counts[answer]:,} {answer.value}" for answer in Answer if counts[answer])
    first = listing(Row(one.evidence, "") for one in inspected)[:SHOWN]
    rows = pl.DataFrame(
        {
            "file": [one.evidence.file.name for one in first],
            "p-value": ["–" if one.p_value is None else f"{one.p_value:.3g}" for one in first],
            "sentence": [one.evidence.sentence for one in first],
        }
    )
    more = f"\n… and {len(inspected) - SHOWN:,} more" if len(inspected) > SHOWN else ""
    return f"{len(inspected):,} files: {told}\n\n{plain_text(rows)}{more}"
