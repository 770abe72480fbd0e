"""Any tidy table of scores as a grid of the page with intervals, or as a figure of dots.

Tidy: ``detector``, ``metric``, ``value``, ``ci_low``, ``ci_high``, text columns that say of what, and counts that are
called ``n`` or ``n_…``.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from synthscope.annotations.taxonomy import BY_LABEL
from synthscope.metrics.localization.maps import LOCALIZATION
from synthscope.report.figures import style
from synthscope.report.figures.style import COLOURS, MUTED, capped, label, styled
from synthscope.report.names import metric_name
from synthscope.report.page.grids import Cell, Grid, Row
from synthscope.tables.wording import pretty, short_names

MAX_ROWS, MAX_DOTS, MAX_PANELS = 80, 30, 6
TITLES = {name: measure.title for name, measure in LOCALIZATION.items()} | {
    "micro_f1": "Micro F1", "iou": "IoU", "mean_iou": "Mean IoU", "pix_f1": "Pixel F1",
    "pix_precision": "Pixel precision", "pix_recall": "Pixel recall", "stability_spearman": "Spearman",
    "stability_iou_10pct": "IoU of the top 10 %", "difference_sd": "Difference in SD",
    "drop_artifact_sd": "Drop artifact in SD",
} | {label: category.name for label, category in BY_LABEL.items()}  # fmt: skip


def tidy_grid(
    table: pl.DataFrame, caption: str, *, across: str = "metric", reference: str | None = None, signed: bool = False
) -> Grid:
    """A row for every detector and whatever else differs, a column for every ``across``, then the counts.

    Bold: the interval lies above ``reference``, or leaves out 0 where values are differences.

    Args:
        table: One row a number.
        caption: Of the grid.
        across: Text column whose values become columns.
        reference: Column with the value that says nothing, such as chance; cells are shaded from it to 1.
        signed: All values are differences; else those whose metric says so.
    """
    keys = keys_of(table, across)
    columns = table[across].unique(maintain_order=True).to_list()
    rows: dict[tuple[Any, ...], dict[str | None, dict[str, Any]]] = {}
    for row in table.iter_rows(named=True):
        rows.setdefault(tuple(row[key] for key in keys), {})[row[across]] = row
    names = short_names(key[0] for key in rows)
    counts = [name for name in table.columns if name == "n" or name.startswith("n_")]
    counts = [name for name in counts if table[name].null_count() < table.height]
    lines = []
    for key, own in list(rows.items())[:MAX_ROWS]:
        cells = [_cell(own.get(column), reference, signed=signed) for column in columns]
        if across == "metric":
            cells += [Cell(_span([row[name] for row in own.values()])) for name in counts]
        lines.append(Row(names[key[0]], ", ".join(map(word, keys[1:], key[1:])), cells))
    heads = [("Clean" if (across, column) == ("condition", "none") else title(column), "") for column in columns]
    if across == "metric":
        heads += [("n" if name == "n" else name[2:].replace("_", " ").capitalize(), "") for name in counts]
    elif counts:
        sizes = [_span(table.filter(pl.col(across).eq_missing(column))[counts[0]].to_list()) for column in columns]
        heads = [(head, f"n = {size}") for (head, _), size in zip(heads, sizes, strict=True)]
    notes = [f"{MAX_ROWS} of {len(rows)} rows are shown."] if len(rows) > MAX_ROWS else []
    return Grid(caption, heads, lines, notes=notes)


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
    texts = [label(", ".join([names[row[0]], *map(word, keys[1:], row[1:])]), 44) for row in rows]
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


def keys_of(table: pl.DataFrame, across: str) -> list[str]:
    """``detector``, and the other text columns that differ between rows."""
    texts = [name for name, kind in table.schema.items() if kind == pl.String and name not in ("detector", across)]
    return ["detector", *(name for name in texts if name != "metric" and table[name].n_unique() > 1)]


def title(name: str | None) -> str:
    """Head of a column.

    >>> title("iou_at_area"), title("drop_artifact"), title("low-level-color"), title(None)
    ('IoU at the annotated area', 'Drop artifact', 'Color', 'All')
    """
    if name is None:
        return "All"
    return TITLES.get(name) or (metric_name(name) if name.isidentifier() else name)


def word(key: str, value: str | None) -> str:
    """What a row is of, as its small print.

    >>> word("explainer", "gradcam"), word("view", "none"), word("category", None)
    ('gradcam', 'raw', 'all categories')
    """
    if value is None:
        return "all categories" if key == "category" else f"any {key.replace('_', ' ')}"
    if value == "none":
        return {"view": "raw", "condition": "clean"}.get(key, "none")
    return TITLES.get(value) or pretty(value)


def _cell(row: Mapping[str, Any] | None, reference: str | None, *, signed: bool) -> Cell:
    if row is None or row["value"] is None:
        return Cell("–")
    value, low, high, p = row["value"], row["ci_low"], row["ci_high"], row.get("p_value")
    signed = signed or row["metric"] in ("spearman", "lift") or row["metric"].startswith(("drop", "difference"))
    signed = signed or row["metric"].endswith("difference")
    known = low is not None and high is not None
    zero = row[reference] if reference else 0.0 if signed else None
    interval = f"{_number(low, signed)}{' to ' if signed else '–'}{_number(high, signed)}" if known else ""
    if p is not None:
        interval += f"{', ' if interval else ''}p {p:.3f}" if p >= 0.0005 else f"{', ' if interval else ''}p < 0.001"
    sure = known and zero is not None and (low > zero or (signed and high < zero))
    heat = None
    if reference is not None and zero is not None and zero < 1:
        heat = round(20 * min(max((value - zero) / (1 - zero), 0.0), 1.0))
    return Cell(_number(value, signed), interval, heat, best=sure)


def _number(value: float, signed: bool) -> str:
    return f"{value:{'+' if signed else ''}.3f}".replace("-", "−")


def _span(numbers: list[int | None]) -> str:
    known = sorted(number for number in numbers if number is not None)
    return "–".join(f"{number:,}" for number in dict.fromkeys((*known[:1], *known[-1:]))) or "–"
