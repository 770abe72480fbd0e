"""Any tidy table of scores as dots with intervals; see ``report.page.tidy`` for what tidy means."""

from __future__ import annotations

from textwrap import fill

import polars as pl
from matplotlib.figure import Figure

from synthscope.report.figures import style
from synthscope.report.figures.style import COLOURS, MUTED, capped, label, styled
from synthscope.report.names import title, word
from synthscope.report.rows import keys_of
from synthscope.tables.wording import short_names

MAX_DOTS, MAX_PANELS = 30, 6


@styled
def dots_figure(table: pl.DataFrame, *, reference: str | None = None) -> Figure:
    """Dots with 95 % intervals: a panel for every metric, a row for every detector and whatever else differs.

    Dashed: ``reference`` of the row where that is known; without ``reference``, 0.
    """
    keys = keys_of(table, "metric")
    rows, notes = capped(table.select(keys).unique(maintain_order=True).rows(), MAX_DOTS, "rows")
    metrics, more = capped(table["metric"].unique(maintain_order=True).to_list(), MAX_PANELS, "measures")
    if not rows:
        return style.blank_figure("nothing was scored")
    names = short_names(row[0] for row in rows)
    texts = [label(", ".join([names[row[0]], *map(word, keys[1:], row[1:])])) for row in rows]
    figure = style.new_figure(1.0 + 0.075 * max(map(len, texts)) + 1.5 * len(metrics), 1.1 + 0.24 * len(rows))
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False).ravel()
    for axes, metric in zip(panels, metrics, strict=True):
        for row in table.filter(pl.col("metric") == metric, pl.col("value").is_not_null()).iter_rows(named=True):
            if (key := tuple(row[name] for name in keys)) not in rows:
                continue
            place, mark = rows.index(key), 0.0 if reference is None else row[reference]
            if row["ci_low"] is not None and row["ci_high"] is not None:
                axes.hlines(place, row["ci_low"], row["ci_high"], color=COLOURS[0], linewidth=1.2)
            axes.plot(row["value"], place, "o", color=COLOURS[0], markersize=4.5)
            if mark is not None:
                axes.vlines(mark, place - 0.42, place + 0.42, color=MUTED, linewidth=1, linestyle=(0, (2, 1.5)))
        axes.set_title(fill(label(title(metric)), 18), size=8.5)
        axes.locator_params(axis="x", nbins=3)
        axes.grid(visible=False, axis="x")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(rows)), texts)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    style.note(figure, [f"95 % intervals; dashed: {'0' if reference is None else 'chance'}.", *notes, *more])
    return figure
