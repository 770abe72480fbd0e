"""The test sets of a table of predictions one after the other, then their mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from synthscope.runtime import Progress
from synthscope.scoring.cells import Cells, RunningMean, condition_means
from synthscope.scoring.columns import MEAN, Columns, Key
from synthscope.scoring.predictions import Predictions


def cells_by_set(
    table: Predictions, cells_in: Callable[[str, Columns], Cells], *, by: str, doing: str
) -> Iterator[tuple[str, Cells]]:
    """Names of the test sets with their cells and the means over degradations; last ``MEAN``, the mean of the sets.

    Args:
        table: Predictions.
        cells_in: Name and columns of one test set to cells.
        by: Column that names the test sets.
        doing: Word for the progress.
    """
    totals: dict[Key, RunningMean] = {}
    sets_of_view: dict[str | None, int] = {}
    sets = table.split(by)
    with Progress(doing, len(sets), "test sets") as progress:
        for name, rows in sets:
            cells = cells_in(name, table.matrices(rows))
            for view in {key.view for key in cells}:
                sets_of_view[view] = sets_of_view.get(view, 0) + 1
            for key, cell in cells.items():
                if key in totals:
                    totals[key].add(cell)
                else:
                    totals[key] = RunningMean(cell)
            yield name, cells | condition_means(cells)
            progress.advance()
    means = {key: total.mean() for key, total in totals.items() if total.count == sets_of_view[key.view] > 1}
    yield MEAN, means | condition_means(means)
