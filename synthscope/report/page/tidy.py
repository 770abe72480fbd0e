"""Any tidy table of scores as a grid of the page with intervals.

Tidy: ``detector``, ``metric``, ``value``, ``ci_low``, ``ci_high``, text columns that say of what, and counts that are
called ``n`` or ``n_…``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from synthscope.report.names import title, word
from synthscope.report.page.grids import Cell, Grid, Row
from synthscope.report.rows import keys_of
from synthscope.tables.wording import short_names

MAX_ROWS = 80


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
