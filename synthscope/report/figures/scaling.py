"""Figure of training set sizes: accuracy over images, a line for each number of classes."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, PercentFormatter, ScalarFormatter

from synthscope.report.figures import style
from synthscope.report.figures.style import COLOURS, DASHES, MUTED, styled


@styled
def scaling_figure(summary: pl.DataFrame) -> Figure:
    """Accuracy over the number of AI training images, a line for each number of classes, a panel for each test."""
    tests = summary["test"].unique(maintain_order=True).to_list()
    counts = summary["classes"].unique().sort().to_list()
    figure = style.new_figure(3.1 * len(tests) + 1.3, 3.3)
    panels = figure.subplots(1, len(tests), sharex=True, sharey=True, squeeze=False).ravel()
    for axes, test in zip(panels, tests, strict=True):
        for i, classes in enumerate(counts):
            rows = summary.filter(test=test, classes=classes).drop_nulls("accuracy").sort("train_ai")
            colour, x, y = COLOURS[i % len(COLOURS)], rows["train_ai"], rows["accuracy"]
            axes.plot(x, y, color=colour, linestyle=DASHES[i % len(DASHES)], marker="os^D"[i % 4])
            known = rows.drop_nulls("ci_low")
            axes.vlines(known["train_ai"], known["ci_low"], known["ci_high"], color=colour, linewidth=1)
            axes.plot(x, rows["published"], "os^D"[i % 4], color=colour, markerfacecolor="none", markersize=8)
        axes.axhline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_title("generator trained on" if test == "identical" else "all generators, mean")
        axes.set_xlabel("AI training images")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(sorted(set(summary["train_ai"]))))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    panels[0].set_ylabel("accuracy (%)")
    lowest = summary.select(pl.min_horizontal("accuracy", "ci_low", "published").min()).item()
    panels[0].set_ylim(min(0.45, (0.5 if lowest is None else lowest) - 0.03), 1.02)
    handles = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], linestyle=DASHES[i % len(DASHES)], marker="os^D"[i % 4])
        for i in range(len(counts))
    ]
    figure.legend(handles, [f"{n} classes" for n in counts], loc="outside right upper", fontsize=8)
    compared = summary["published"].is_not_null().any()
    open_marks = ["Open: published (GenImage, ResNet-50)."] if compared else []
    style.note(figure, ["Bars: 95 % intervals over seeds.", *open_marks])
    return figure
