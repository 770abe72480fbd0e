"""One row a detector, the best on unseen test sets first: seen, unseen, other views, degraded; dots with intervals."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from synthscope.report.figures import style
from synthscope.report.figures.style import COLOURS, MUTED, capped, label, lines, styled
from synthscope.report.names import CHANCE, metric_name
from synthscope.tables.left_out import COSTS, left_out_table

MAX_ROWS = 48


@styled
def left_out_figure(table: pl.DataFrame, metric: str = "balanced_accuracy") -> Figure:
    """A panel for each column of ``tables.left_out.left_out_table``, a row for each detector; floors are grey.

    Args:
        table: ``left_out.parquet`` of a run; or ``generalization.parquet``.
        metric: Name in the ``metric`` column.
    """
    shown = left_out_table(table, pl.DataFrame(schema=COSTS), metric=metric)
    rows, notes = capped(list(shown.rows), MAX_ROWS, "rows")
    if not rows:
        return style.blank_figure(f"no {metric_name(metric)} of test sets that were left out")
    names = [label(name) for name, _ in rows]
    figure = style.new_figure(0.9 + 0.078 * max(map(len, names)) + 1.2 * len(shown.columns), 1.3 + 0.21 * len(rows))
    panels = figure.subplots(1, len(shown.columns), sharex=True, sharey=True, squeeze=False).ravel()
    for index, (axes, title) in enumerate(zip(panels, shown.columns, strict=True)):
        for place, (name, cells) in enumerate(rows):
            cell, colour = cells[index], MUTED if name.endswith("(floor)") else COLOURS[0]
            if cell.ci_low is not None and cell.ci_high is not None:
                axes.hlines(place, cell.ci_low, cell.ci_high, color=colour, linewidth=1.2)
            if cell.value is not None:
                axes.plot(cell.value, place, "o", color=colour, markersize=4.5)
        if metric in CHANCE:
            axes.axvline(CHANCE[metric], color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_title(lines(title, 16), size=8.5)
        axes.grid(visible=False, axis="x")
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    panels[0].set_yticks(range(len(rows)), names)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    style.note(figure, [f"{metric_name(metric)} (%).", *shown.notes[:1], *notes])
    return figure
