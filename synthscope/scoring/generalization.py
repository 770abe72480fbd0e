"""What a detector is worth on test sets that it has learnt from (seen), on the others (unseen), and the gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from synthscope.schema import SCORES, conform
from synthscope.scoring.cells import Cell, Cells, RunningMean, cells_of, rows_of
from synthscope.scoring.columns import Key
from synthscope.scoring.predictions import open_predictions

FILE = "generalization.parquet"  # in a run folder
METRICS = "accuracy", "balanced_accuracy", "auroc", "average_precision"
GENERALIZATION = pl.Schema(
    {("part" if name == "test_set" else name): dtype for name, dtype in SCORES.items()}  # seen | unseen | gap
    | {"test_sets": pl.String}  # that were averaged, joined by "+"; null for a gap
)


def generalization(
    predictions: pl.DataFrame | str | Path,
    *,
    by: str = "subset",
    n_resamples: int = 2000,
    seed: int = 0,
    threshold: float | None = None,
) -> pl.DataFrame:
    """Unweighted means over the test sets that a detector was trained on and over the others, and seen less unseen.

    A test set is seen where the detector's ``train_set`` names it; detectors without a seen and an unseen one under
    the same view and condition have no rows. Intervals are 95 % and those of ``scoring.score``: one draw of images
    serves all test sets, so that both means and their difference are paired; real images that two test sets share move
    both. A gap whose resamples are all alike has no interval.

    Args:
        predictions: As for :func:`synthscope.scoring.score.score`, like the other arguments.
        by: Column that names the test sets.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
        threshold: On the logit, instead of the detectors' own.

    Returns:
        Columns of ``GENERALIZATION``, three rows for each detector, view, condition and metric of ``METRICS``. n are
        sums over the test sets; those of a gap are of both parts.

    Raises:
        SynthscopeError: Predictions that cannot be scored.
    """
    found = SeenAndUnseen(METRICS)
    for name, columns in open_predictions(predictions, threshold=threshold).test_sets(by):
        found.add(name, cells_of(columns, METRICS, n_resamples=n_resamples, seed=seed))
    return found.table()


class SeenAndUnseen:
    """The rows of :func:`generalization` from the cells of one test set after the other, of some metrics."""

    def __init__(self, metrics: Sequence[str]) -> None:
        self.places = [list(metrics).index(name) for name in METRICS]
        self.parts: dict[str, dict[Key, SetMean]] = {"seen": {}, "unseen": {}}

    def add(self, test_set: str, cells: Cells) -> None:
        """Count the cells of a test set, with values and replicates of the metrics."""
        for key, cell in cells.items():
            if not key.train_set:
                continue
            found = self.parts["seen" if test_set in key.train_set.split("+") else "unseen"]
            if key in found:
                found[key].add(test_set, cell.only(self.places))
            else:
                found[key] = SetMean(test_set, cell.only(self.places))

    def table(self) -> pl.DataFrame:
        """Columns of ``GENERALIZATION``."""
        rows: list[dict[str, Any]] = []
        for key in (key for key in self.parts["seen"] if key in self.parts["unseen"]):
            seen, unseen = (self.parts[part][key] for part in ("seen", "unseen"))
            cells = {"seen": seen.mean(), "unseen": unseen.mean()}
            cells["gap"] = gap_of(cells["seen"], cells["unseen"])
            tests = {"seen": "+".join(seen.names), "unseen": "+".join(unseen.names), "gap": None}
            for part, cell in cells.items():
                scored = rows_of(part, {key: cell}, METRICS)
                rows += [row | {"part": part, "test_sets": tests[part]} for row in scored]
        return conform(pl.DataFrame(rows, schema=GENERALIZATION), GENERALIZATION, "the seen and unseen test sets")


class SetMean:
    """The mean of one key over test sets; a single one keeps its own intervals. Images of a set count once."""

    def __init__(self, name: str, cell: Cell) -> None:
        self.names, self.first, self.total = [name], cell, RunningMean(cell)

    def add(self, name: str, cell: Cell) -> None:
        """Count one more cell of a test set."""
        if name in self.names:
            cell = replace(cell, n_real=0, n_ai=0, n_error=0)
        else:
            self.names.append(name)
        self.total.add(cell)

    def mean(self) -> Cell:
        """The mean of the cells so far."""
        return self.first if self.total.count == 1 else self.total.mean()


def gap_of(seen: Cell, unseen: Cell) -> Cell:
    """The difference of two cells, pairing their replicates."""
    return replace(
        seen,
        values=seen.values - unseen.values,
        replicates=seen.replicates - unseen.replicates,
        thresholds=np.full_like(seen.thresholds, np.nan),
        n_real=seen.n_real + unseen.n_real,
        n_ai=seen.n_ai + unseen.n_ai,
        n_error=seen.n_error + unseen.n_error,
        rate_bounds=None,
        still=None,
    )
