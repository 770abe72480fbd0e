"""Tables of ``differences.parquet``: pairs of detectors, what the file format is worth, what degradations cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from synthscope.data.degrade.chains import chain_words
from synthscope.errors import UsageError
from synthscope.metrics.detection import METRICS
from synthscope.metrics.significance import SURE
from synthscope.scoring.columns import MEAN
from synthscope.tables.benchmark import DEGRADATIONS
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import (
    Row,
    cell_of,
    grouped,
    in_order,
    notes_of,
    pretty,
    short_names,
    slug,
    view_names,
    view_words,
    views_of,
)


def difference_tables(differences: pl.DataFrame) -> list[Table]:
    """The views, the degradations, and the pairs of detectors in every view, as far as there are any; for each metric.

    Args:
        differences: ``schema.DIFFERENCES``. A table is one family of comparisons; "*" marks what Holm's method keeps.
    """
    tables = []
    for metric in differences["metric"].unique(maintain_order=True):
        table = differences.filter(metric=metric)
        views, conditions = _of_views(table), _of_conditions(table)
        pairs = table.filter(kind="detectors")
        tables += [_view_table(views, metric)] if views.height else []
        tables += [_condition_table(conditions, metric)] if conditions.height else []
        tables += [difference_table(pairs, metric=metric, view=view) for view in views_of(pairs)]
    return tables


def difference_table(differences: pl.DataFrame, *, metric: str, view: str) -> Table:
    """Differences of detectors in one view: a row for each pair and test set, a column for each condition.

    Raises:
        UsageError: There are none.
    """
    pairs = differences.filter(kind="detectors", metric=metric)
    table = pairs.filter(view=view)
    if table.is_empty():
        raise UsageError(f"Expected differences of detectors in {metric} and view {view!r}, got none. Name others.")
    words = view_words(pairs, table)
    rows = {
        f"{pair}, {'mean' if test == MEAN else pretty(test)}": {row["condition"]: row for row in group}
        for (pair, test), group in grouped(table.rows(named=True), ("detector", "test_set")).items()
    }
    title = f"Difference in {METRICS[metric].title}{words}"
    return _table(
        f"differences_{metric}{slug(pairs, table)}", title, "difference", _conditions(table["condition"]), rows
    )


def starred(row: Row) -> bool:
    """Whether a difference holds among all of its family."""
    return row["p_holm"] is not None and row["p_holm"] <= SURE


def comparisons(rows: Sequence[Row]) -> str:
    """What the mark of a difference means among so many."""
    n = sum(row["p_value"] is not None for row in rows)
    if not n:
        return "There are no p-values: score again for them."
    return f"* p is at most {SURE} after Holm's correction for the {n} comparisons of this table."


def _of_views(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(kind="views", condition="none")


def _of_conditions(table: pl.DataFrame) -> pl.DataFrame:
    """The means over test sets where there are any, else the single test sets: one of the two families."""
    table = table.filter(kind="conditions")
    means = table.filter(test_set=MEAN)
    return means if means.height else table


def _view_table(table: pl.DataFrame, metric: str) -> Table:
    words = view_names(table.select(view=pl.concat_list("a", "b").explode()))
    pairs = {f"{words[a]} − {words[b]}" for a, b in table.select("a", "b").unique().rows()}
    names = short_names(table["detector"])
    rows = {}
    for (detector, a, b), group in grouped(table.rows(named=True), ("detector", "a", "b")).items():
        end = f", {words[a]} − {words[b]}" if len(pairs) > 1 else ""
        rows[names[detector] + end] = {row["test_set"]: row for row in group}
    tests = in_order(name for name in table["test_set"].unique(maintain_order=True) if name != MEAN)
    columns = {name: pretty(name) for name in tests} | ({MEAN: "mean"} if MEAN in table["test_set"] else {})
    which = pairs.pop() if len(pairs) == 1 else "view − other view"
    title = f"What the file format is worth: {METRICS[metric].title}, {which}, clean test images"
    return _table(f"differences_views_{metric}", title, "detector", columns, rows)


def _condition_table(table: pl.DataFrame, metric: str) -> Table:
    several, words, names = len(views_of(table)) > 1, view_names(table), short_names(table["detector"])
    table = table.sort(pl.col("view") != "none", maintain_order=True)
    rows = {}
    for (detector, view, test), group in grouped(table.rows(named=True), ("detector", "view", "test_set")).items():
        end = ("" if test == MEAN else f" on {pretty(test)}") + (f", {words[view]}" if several else "")
        rows[names[detector] + end] = {row["b"]: row for row in group}
    where = ", the mean of the test sets" if MEAN in table["test_set"] else ""
    title = f"What degradations cost: {METRICS[metric].title}, clean − degraded{where}"
    return _table(f"differences_conditions_{metric}", title, "detector", _conditions(table["b"]), rows)


def _conditions(found: Iterable[str]) -> dict[str, str]:
    known = list(dict.fromkeys(found))
    order = dict.fromkeys(("none", *DEGRADATIONS, *(name for name in known if name != MEAN), MEAN))
    return {name: chain_words(name) for name in order if name in known}


def _table(name: str, title: str, corner: str, columns: dict[str, str], rows: dict[str, dict[str, Row]]) -> Table:
    shown = [row for found in rows.values() for row in found.values()]
    lines = []
    for head, found in rows.items():
        cells = (
            cell_of(found[column], mark="*" if starred(found[column]) else "") if column in found else Cell()
            for column in columns
        )
        lines.append((head, tuple(cells)))
    notes = (
        *notes_of(shown),
        "Paired on the same images; p by t tests with the bootstrap's standard error.",
        comparisons(shown),
    )
    return Table(name, title, corner, tuple(columns.values()), tuple(lines), notes, intervals=True, signed=True)
