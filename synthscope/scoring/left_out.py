"""One row a recipe, where test sets are left out of training in turn: each is judged by the detector that left it out.

Leave-one-domain-out, as a benchmark with ``subsets: [leave_one_out]`` or ``[leave_family_out]`` trains it: together
its detectors say what one recipe is worth on test sets that it has not learnt from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from synthscope.data.align.views import PROTOCOLS
from synthscope.schema import conform
from synthscope.scoring.cells import Cells, rows_of
from synthscope.scoring.columns import MEAN, Key
from synthscope.scoring.generalization import GENERALIZATION, METRICS, SetMean, gap_of

FILE = "left_out.parquet"  # in a run folder
ALL_BUT = "all_but_"  # in names of detectors, before what they have not learnt from
LEFT_OUT = GENERALIZATION  # detector: of the whole row, without what was left out
_END = re.compile(rf"((\.({'|'.join(map(re.escape, PROTOCOLS))}|view\d+))?(\.seed\d+)?)$")


def row_of(detector: str) -> str | None:
    """The row of a benchmark that a detector of a leave-out run belongs to; None for others.

    >>> row_of("npr.all_but_v1.5.aligned.seed0@12345678"), row_of("npr.ADM@12345678")
    ('npr.aligned.seed0', None)
    """
    name = detector.partition("@")[0]
    row, found, rest = name.partition(f".{ALL_BUT}")
    return row + _end(rest) if found else None


def _end(rest: str) -> str:
    found = _END.search(rest)
    return found[0] if found else ""


class LeftOut:
    """The rows of the table from the cells of one test set after the other, of some metrics.

    ``unseen`` is the mean over test sets, each by the detectors that have not learnt from it; ``seen`` that over test
    sets and all detectors that have. The condition ``mean`` is that of the degradations. Draws of the bootstrap are
    those of all the test sets, so that ``gap`` and every comparison of rows are paired.
    """

    def __init__(self, metrics: Sequence[str]) -> None:
        self.places = [list(metrics).index(name) for name in METRICS]
        self.parts: dict[str, dict[Key, SetMean]] = {"seen": {}, "unseen": {}}

    def add(self, test_set: str, cells: Cells) -> None:
        """Count the cells of a test set, with values and replicates of the metrics."""
        for key, cell in cells.items():
            row = row_of(key.detector or "")
            if row is None or not key.train_set:
                continue
            found = self.parts["seen" if test_set in key.train_set.split("+") else "unseen"]
            for condition in {key.condition, key.condition if key.condition == "none" else MEAN}:
                merged = key._replace(detector=row, train_set=None, condition=condition)
                if merged in found:
                    found[merged].add(test_set, cell.only(self.places))
                else:
                    found[merged] = SetMean(test_set, cell.only(self.places))

    def table(self) -> pl.DataFrame:
        """Columns of ``LEFT_OUT``; no ``gap`` where a row has seen, or has not seen, everything it was tested on."""
        rows: list[dict[str, Any]] = []
        for key in dict.fromkeys([*self.parts["seen"], *self.parts["unseen"]]):
            means = {part: found[key] for part, found in self.parts.items() if key in found}
            cells = {part: mean.mean() for part, mean in means.items()}
            if len(cells) == 2:
                cells["gap"] = gap_of(cells["seen"], cells["unseen"])
            for part, cell in cells.items():
                sets = "+".join(means[part].names) if part in means else None
                scored = rows_of(part, {key: cell}, METRICS)
                rows += [row | {"part": part, "test_sets": sets} for row in scored]
        return conform(pl.DataFrame(rows, schema=LEFT_OUT), LEFT_OUT, "the test sets left out")
