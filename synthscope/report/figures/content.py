"""Figure of content: detectors on other kinds of images than they were trained on."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from synthscope.metrics.detection import METRICS
from synthscope.report.figures import style
from synthscope.report.figures.style import COLOURS, MUTED, label, styled
from synthscope.tables.wording import short_names


@styled
def content_figure(scores: pl.DataFrame) -> Figure:
    """Dots with 95 % intervals: a panel for each figure, a row for each detector and domain."""
    keys = scores.select("detector", "test_set").unique(maintain_order=True).rows()
    names = short_names(detector for detector, _ in keys)
    rows = [label(domain if len(names) == 1 else f"{names[detector]}, {domain}") for detector, domain in keys]
    metrics = scores.drop_nulls("value")["metric"].unique(maintain_order=True).to_list()
    if not metrics:
        return style.blank_figure("no image could be scored")
    figure = style.new_figure(0.9 + 0.075 * max(map(len, rows)) + 1.55 * len(metrics), 1.2 + 0.26 * len(rows))
    panels = figure.subplots(1, len(metrics), sharey=True, sharex=True, squeeze=False).ravel()
    for axes, metric in zip(panels, metrics, strict=True):
        for row in scores.filter(pl.col("metric") == metric, pl.col("value").is_not_null()).iter_rows(named=True):
            place = keys.index((row["detector"], row["test_set"]))
            if row["ci_low"] is not None:
                axes.hlines(place, row["ci_low"], row["ci_high"], color=COLOURS[0], linewidth=1.2)
            axes.plot(row["value"], place, "o", color=COLOURS[0])
        if METRICS[metric].needs != (0,) and METRICS[metric].needs != (1,):
            axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_title(METRICS[metric].title, size=8.5)
        axes.set_xlim(-0.04, 1.04)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[5, 10]))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
        axes.grid(visible=False, axis="x")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(rows)), rows)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    style.note(figure, ["Percent, with 95 % intervals; dashed: a detector that guesses."])
    return figure
