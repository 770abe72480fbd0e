"""What detectors miss after attacks: over the budget, and of attacks without one."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from synthscope.report.figures import style
from synthscope.report.figures.style import COLOURS, DASHES, capped, label, styled
from synthscope.studies.attacks.scores import UNIT
from synthscope.studies.attacks.table import way_name
from synthscope.tables.wording import short_names, view_names

MAX_ROWS = 4
LINES = {"pgd": "PGD", "transfer": "transfer", "noise": "noise", "wrong_sign": "PGD the wrong way"}


@styled
def attacks_figure(scores: pl.DataFrame) -> Figure:
    """Two panels a detector and view: success over the budget, and of attacks without budget; 95 % intervals."""
    table = scores.drop_nulls("success")
    parts, more = capped(table.partition_by(UNIT, maintain_order=True), MAX_ROWS, "detectors and views")
    if not parts:
        return style.blank_figure("no image was attacked")
    names = short_names(part["detector"][0] for part in parts)
    views = view_names(scores)
    figure = style.new_figure(9.5, 0.8 + 2.9 * len(parts))
    panels = figure.subplots(len(parts), 2, squeeze=False)
    for (left, right), part in zip(panels, parts, strict=True):
        _over_budget(left, part)
        _others(right, part.filter(budget=0))
        left.set_title(label(f"{names[part['detector'][0]]}, {views[part['view'][0]]} images"), size=9)
    least = min(min(part["n"].to_list()) for part in parts)
    sentences = [
        "Percent of AI images that were caught before, with 95 % intervals.",
        "Filled and solid: as attacked; open and dashed: recompressed afterwards.",
        f"n = {least} images or more at each dot.",
    ]
    style.note(figure, [*sentences, *more])
    return figure


def _over_budget(axes: Axes, part: pl.DataFrame) -> None:
    first = part["condition"][0]
    keys = part.filter(pl.col("budget") > 0).select("attack", "by").unique(maintain_order=True).rows()
    for number, (attack, by) in enumerate(keys):
        for condition in part["condition"].unique(maintain_order=True):
            rows = part.filter(attack=attack, by=by, condition=condition).sort("budget")
            solid, colour = condition == first, COLOURS[number % len(COLOURS)]
            name = label(" from ".join(filter(None, [LINES[attack], by]))) if solid else None
            places = rows["budget"] * 1.03**number  # beside each other
            axes.plot(
                places, rows["success"], "o", linestyle=DASHES[0 if solid else 1], color=colour, label=name,
                markerfacecolor=colour if solid else "none",
            )  # fmt: skip
            axes.vlines(places, rows["ci_low"], rows["ci_high"], color=colour, linewidth=0.8)
    budgets = sorted(set(part["budget"]) - {0})
    if keys:
        axes.set_xscale("log", base=2)
        axes.set_xticks(budgets, [str(budget) for budget in budgets])
        axes.minorticks_off()
        axes.legend(fontsize=7.5)
    axes.set_xlabel("budget, ± grey levels")
    axes.set_ylabel("missed")
    _percent(axes, "y")


def _others(axes: Axes, part: pl.DataFrame) -> None:
    first = part["condition"][0] if part.height else ""
    names = list(dict.fromkeys(way_name(row) for row in part.iter_rows(named=True)))
    for row in part.iter_rows(named=True):
        solid = row["condition"] == first
        place, colour = names.index(way_name(row)) + (-0.14 if solid else 0.14), COLOURS[0 if solid else 1]
        axes.hlines(place, row["ci_low"], row["ci_high"], color=colour, linewidth=1.2)
        axes.plot(row["success"], place, "o", color=colour, markerfacecolor=colour if solid else "none")
    axes.set_yticks(range(len(names)), [style.lines(name, 30) for name in names], size=7.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("missed")
    axes.grid(visible=False, axis="y")
    _percent(axes, "x")


def _percent(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    (axes.set_xlim if which == "x" else axes.set_ylim)(-0.04, 1.04)
