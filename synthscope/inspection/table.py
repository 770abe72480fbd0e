"""Inspected files as a table: for spreadsheets, and as a summary of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from synthscope.inspection.calibrated import Calibrated
from synthscope.inspection.evidence import Answer
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
    rows = []
    for path, evidence in inspected:
        own = (str(path), evidence.file.sha256, evidence.answer.value, evidence.sentence)
        for said in evidence.detectors:
            fit, p_ai = fitted[said.id], None
            if fit.prior is not None:
                p_ai = calibrated(said.logit, fit.temperature, fit.bias).item()
            rows.append((*own, said.id, said.answer.value, said.logit, p_ai, said.p_value))
        if not evidence.detectors:
            rows.append((*own, *(None,) * 5))
    return pl.DataFrame(rows, schema=ROWS, orient="row")


def by_evidence(inspected: Sequence[Inspected]) -> list[Inspected]:
    """The files for which most speaks first: by least p-value, then by highest logit."""

    def rank(one: Inspected) -> tuple[float, float]:
        said = one.evidence.detectors
        least = min((detector.p_value for detector in said if detector.p_value is not None), default=2.0)
        return least, -max((detector.logit for detector in said if detector.logit is not None), default=-1e9)

    return sorted(inspected, key=rank)


def summary(inspected: Sequence[Inspected]) -> str:
    """How many files have which answer, and those for which most speaks."""
    counts = Counter(one.evidence.answer for one in inspected)
    told = ", ".join(f"{counts[answer]:,} {answer.value}" for answer in Answer if counts[answer])
    first = by_evidence(inspected)[:SHOWN]
    rows = pl.DataFrame(
        {
            "file": [one.path.name for one in first],
            "p-value": [_least(one) for one in first],
            "sentence": [one.evidence.sentence for one in first],
        }
    )
    more = f"\n… and {len(inspected) - SHOWN:,} more" if len(inspected) > SHOWN else ""
    return f"{len(inspected):,} files: {told}\n\n{plain_text(rows)}{more}"


def _least(one: Inspected) -> str:
    known = [detector.p_value for detector in one.evidence.detectors if detector.p_value is not None]
    return f"{min(known):.3g}" if known else "–"
