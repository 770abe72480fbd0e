"""Figures of the scores and of the audit. Every function returns a Matplotlib figure.

Scores become dots with 95 % intervals in common rows, because positions on one scale compare better than bars or
colours (Cleveland & McGill 1984). What does not fit is left out, with a note that says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from synthscope.data.audit import HISTORY
from synthscope.data.degrade.chains import chain_words
from synthscope.report.figures import style
from synthscope.report.figures.style import AI, COLOURS, INK, MUTED, capped, label, lines, styled
from synthscope.report.names import CHANCE, conditions, distinct, metric_name, sizes, test_sets
from synthscope.report.rows import chosen, comparable
from synthscope.scoring.columns import MEAN
from synthscope.tables.wording import pretty, short_names, view_names

MAX_ROWS, MAX_COLUMNS, PANELS_ACROSS = 48, 24, 9


@styled
def matrix_figure(scores: pl.DataFrame, metric: str = "accuracy", view: str = "none") -> Figure:
    """Annotated heat map of clean test images: a row per detector, a column per test set, the macro mean on the right.

    Args:
        scores: Rows of ``schema.SCORES``.
        metric: Name in the ``metric`` column; printed in percent with one decimal as GenImage does.
        view: View of the test images.
    """
    table = chosen(scores, metric, view).filter(condition="none")
    if table.is_empty():
        return style.blank_figure(f"no {metric_name(metric)} for view {label(view)}")
    detectors, notes = capped(distinct(table, "detector"), MAX_ROWS, "detectors")
    tests, more = _tests(table)
    values = {(row["detector"], row["test_set"]): row["value"] for row in table.iter_rows(named=True)}
    grid = np.array([[values.get((d, t)) for t in tests] for d in detectors], dtype=float)
    edges = np.arange(len(tests) + 1, dtype=float)
    if tests[-1] == MEAN and len(tests) > 1:
        edges[-1] += 0.25  # wider, to set the mean apart
    short = short_names(detectors)
    names = [label(short[detector]) for detector in detectors]
    figure = style.new_figure(_margin(names) + 0.62 * len(tests), 1.1 + 0.3 * len(detectors))
    axes = figure.subplots()
    limits = Normalize(0.5 if metric in CHANCE else 0.0, 1.06)
    scale = ScalarMappable(limits, "Blues")
    centres = (edges[:-1] + edges[1:]) / 2
    axes.pcolormesh(
        edges, np.arange(len(detectors) + 1), grid, cmap=scale.cmap, norm=limits, edgecolors="white", linewidth=1.5
    )
    for (row, column), value in np.ndenumerate(grid):
        shown = f"{100 * value:.1f}" if np.isfinite(value) else "–"
        dark = np.isfinite(value) and np.dot(scale.to_rgba(value)[:3], (0.2126, 0.7152, 0.0722)) < 0.5
        weight = "bold" if tests[column] == MEAN else "normal"
        colour = "white" if dark else INK
        place = float(centres[column]), row + 0.5
        axes.text(*place, shown, color=colour, weight=weight, ha="center", va="center", size=8.5)
    turned = len(tests) > 4
    axes.set_xticks(
        centres, [label(pretty(test), 40) for test in tests], rotation=35 if turned else 0,
        ha="left" if turned else "center", rotation_mode="anchor",
    )  # fmt: skip
    axes.xaxis.tick_top()
    axes.set_yticks(np.arange(len(detectors)) + 0.5, names)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    style.note(figure, [f"{metric_name(metric)} (%), {label(view_names(scores)[view])} test images.", *notes, *more])
    return figure


@styled
def interval_figure(scores: pl.DataFrame, metric: str = "balanced_accuracy", view: str = "none") -> Figure:
    """Dots with 95 % intervals on clean test images: a panel per test set, a row per detector.

    Filled dots are test sets that the detector was trained on, open ones generators it has never seen.
    """
    table = chosen(scores, metric, view).filter(condition="none")
    tests, notes = _tests(table)
    panels = {pretty(test): table.filter(test_set=test) for test in tests}
    notes = ["Filled: the mean, or a test set the detector was trained on; open: not seen in training.", *notes]
    return _dots(panels, metric, notes, [(detector,) for detector in distinct(table, "detector")])


@styled
def degradation_figure(scores: pl.DataFrame, metric: str = "balanced_accuracy", view: str = "none") -> Figure:
    """Dots with 95 % intervals under each degradation: a panel per condition, a row per detector.

    Each detector is compared on the same images throughout: on the mean over the test sets if all of them were
    degraded, else on each degraded test set by itself.
    """
    table = comparable(chosen(scores, metric, view))
    shown, notes = capped(conditions(table), MAX_COLUMNS, "conditions")
    panels = {chain_words(name): table.filter(condition=name) for name in shown}
    rows = table.select("detector", "test_set").unique(maintain_order=True).rows()
    return _dots(panels, metric, notes, rows)


@styled
def audit_figure(audit: pl.DataFrame) -> Figure:
    """How well file attributes alone tell the label, and the history of pixels, with the line of concern at 0.6.

    Bars are balanced accuracy of the attributes per subset; diamonds that of the history, where it was judged.
    """
    table = audit.filter(pl.col("attributes").is_in(["all", HISTORY]), pl.col("balanced_accuracy").is_not_null())
    table = table if "view" in table.columns else table.with_columns(view=pl.lit("none"))
    if table.is_empty():
        return style.blank_figure("no audit to draw")
    history = HISTORY in table["attributes"]
    views = distinct(table, "view")
    subsets, notes = capped(distinct(table, "subset"), MAX_ROWS, "subsets")
    names = [label(pretty(name)) for name in subsets]
    figure = style.new_figure(_margin(names) + 2.6 * len(views), 1.0 + 0.24 * len(subsets))
    grid = figure.subplots(1, len(views), sharex=True, sharey=True, squeeze=False).ravel()
    for axes, view in zip(grid, views, strict=True):
        shown = table.filter(pl.col("view") == view, pl.col("subset").is_in(subsets))
        for attributes, shift in (("all", -0.18 if history else 0.0), (HISTORY, 0.24)):
            rows = shown.filter(attributes=attributes)
            places = np.array([subsets.index(name) + shift for name in rows["subset"]])
            values, low, high = (rows[name].to_numpy() for name in ("balanced_accuracy", "ci_low", "ci_high"))
            colors = np.where(values > 0.6, AI, "#9aa5af")
            if attributes == "all":
                axes.barh(places, values - 0.5, left=0.5, height=0.4 if history else 0.6, color=colors)
            else:
                axes.scatter(values, places, marker="D", s=18, color=colors, zorder=3)
            axes.hlines(places, low, high, color=INK, linewidth=1)
        axes.axvline(0.6, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.set_title(lines(view_names(table)[view], 28))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(range(len(subsets)), names)
    grid[0].set_ylim(len(subsets) - 0.4, -0.6)
    sentence = "Bars: balanced accuracy of file attributes alone, from chance."
    if history:
        sentence += "\nDiamonds: of traces of compression and resampling in the pixels."
    sentence += "\nAbove the dashed line they give the label away."
    style.note(figure, [sentence, *notes])
    return figure


def _tests(table: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Test sets to show, the mean always among them, and a note if some had to be left out."""
    tests = test_sets(table)
    mean = tests[-1:] if tests[-1:] == [MEAN] else []
    shown, notes = capped(tests[: len(tests) - len(mean)], MAX_COLUMNS, "test sets")
    return shown + mean, notes


def _dots(panels: dict[str, pl.DataFrame], metric: str, notes: list[str], keys: list[tuple[str, ...]]) -> Figure:
    """Panels beside each other; a row for every key, which is (detector,) or (detector, test set)."""
    if not panels or all(panel["value"].is_null().all() for panel in panels.values()):
        return style.blank_figure(f"no {metric_name(metric)} to draw")
    keys, more = capped(keys, MAX_ROWS, "rows")
    trained = {view or "none" for panel in panels.values() for view in panel["train_view"]}
    views = sorted(trained, key=lambda view: (view != "none", view))
    across = min(len(panels), PANELS_ACROSS)
    down = -(-len(panels) // across)
    names = _row_names(keys)
    figure = style.new_figure(_margin(names) + 1.05 * across, down * (0.75 + 0.21 * len(keys)) + 0.5)
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (title, panel) in zip(grid, panels.items(), strict=False):
        places = {key: place for place, key in enumerate(keys)}
        for row in panel.iter_rows(named=True):
            place = places.get((row["detector"], row["test_set"])[: len(keys[0])])
            if place is not None and row["value"] is not None:
                _dot(axes, place, row, COLOURS[views.index(row["train_view"] or "none") % len(COLOURS)])
        _finish_panel(axes, metric)
        axes.set_title(lines(title, 14), size=8.5, pad=13)
        axes.text(0, 1.015, sizes(panel), size=7, color=MUTED, va="bottom", transform=axes.transAxes)
    for index, axes in enumerate(grid):
        axes.set_visible(index < len(panels))
        axes.tick_params(labelbottom=index >= len(panels) - across)
    grid[0].set_yticks(range(len(keys)), names)
    grid[0].set_ylim(len(keys) - 0.4, -0.6)
    if len(views) > 1:
        handles = [Line2D([], [], color=colour, marker="o") for colour in COLOURS[: len(views)]]
        words = view_names(pl.DataFrame({"view": views}))
        texts = [f"trained on {words[view]} images" for view in views[: len(handles)]]
        style.legend(figure, handles, texts, most=2)
    first = f"{metric_name(metric)} (%) with 95 % intervals; above each panel the images, real + AI."
    style.note(figure, [first, *notes, *more])
    return figure


def _dot(axes: Axes, place: int, row: dict[str, Any], colour: str) -> None:
    if row["ci_low"] is not None and row["ci_high"] is not None:
        axes.hlines(place, row["ci_low"], row["ci_high"], color=colour, linewidth=1.2)
    seen = row["test_set"] == MEAN or row["test_set"] in (row["train_set"] or "").split("+")
    axes.plot(row["value"], place, "o", color=colour, markerfacecolor=colour if seen else "white", markersize=4.5)


def _finish_panel(axes: Axes, metric: str) -> None:
    if metric in CHANCE:
        axes.axvline(CHANCE[metric], color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
    axes.grid(visible=False, axis="x")
    axes.margins(x=0.08)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))


def _row_names(keys: list[tuple[str, ...]]) -> list[str]:
    names = short_names(list(dict.fromkeys(key[0] for key in keys)))
    return [" on ".join([label(names[key[0]]), *(label(pretty(test), 40) for test in key[1:])]) for key in keys]


def _margin(names: list[str]) -> float:
    """Inches for the names of rows, and a little for the other side."""
    return 0.9 + 0.078 * max(map(len, names))
