"""The test sets of a table of predictions one after the other, then their mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from synthscope.metrics.resampling import Units
from synthscope.runtime import track
from synthscope.scoring.cells import Cells, RunningMean, condition_means
from synthscope.scoring.columns import MEAN, Key, split_by, with_units


def cells_by_set(
    table: pl.DataFrame, cells_in: Callable[[pl.DataFrame, Units], Cells], *, by: str, doing: str
) -> Iterator[tuple[str, Cells]]:
    """Names of the test sets with their cells and the means over degradations; last ``MEAN``, the mean of the sets.

    Args:
        table: Of ``columns.read_predictions``.
        cells_in: Rows of one test set, and the units that are drawn in all of them, to cells.
        by: Column that names the test sets.
        doing: Word for the progress.
    """
    totals: dict[Key, RunningMean] = {}
    sets_of_view: dict[str | None, int] = {}
    table, units = with_units(table)
    for name, images in track(list(split_by(table, by)), doing, unit="test sets"):
        cells = cells_in(images, units)
        for view in {key.view for key in cells}:
            sets_of_view[view] = sets_of_view.get(view, 0) + 1
        for key, cell in cells.items():
            if key in totals:
                totals[key].add(cell)
            else:
                totals[key] = RunningMean(cell)
        yield name, cells | condition_means(cells)
    means = {key: total.mean() for key, total in totals.items() if total.count == sets_of_view[key.view] > 1}
    yield MEAN, means | condition_means(means)
