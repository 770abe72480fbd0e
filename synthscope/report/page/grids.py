"""Tables of the page: scores pivoted to rows of detectors, every number with its interval, every column with its n."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from synthscope.data.degrade.chains import chain_notes, chain_words
from synthscope.metrics.detection import METRICS
from synthscope.report.names import CHANCE, conditions, distinct, metric_name, number, percent, sizes, test_sets
from synthscope.report.rows import chosen, comparable
from synthscope.scoring.columns import MEAN
from synthscope.tables.differences import starred
from synthscope.tables.render import Table
from synthscope.tables.wording import ENOUGH, pretty, short_names, tests_of, trained_on, view_names, views_of


@dataclass(frozen=True)
class Cell:
    """One number as printed. ``heat`` is 0 at chance and 20 at a perfect score; ``few`` marks too small an n."""

    text: str
    interval: str = ""
    heat: int | None = None
    best: bool = False
    few: bool = False


@dataclass(frozen=True)
class Row:
    """One line of a table: whose it is, and its cells."""

    head: str
    detail: str
    cells: list[Cell]


@dataclass(frozen=True)
class Grid:
    """A table of the page; ``columns`` are (title, images behind it), ``mean`` whether the last column is a mean."""

    caption: str
    columns: list[tuple[str, str]]
    rows: list[Row]
    mean: bool = False
    notes: list[str] = field(default_factory=list)
    corner: str = "Detector"  # head of the column of row names


def matrix(scores: pl.DataFrame, metric: str, view: str) -> Grid:
    """Clean test images: a column per test set and the unweighted mean over them, a row per detector."""
    table = chosen(scores, metric, view).filter(condition="none")
    tests = test_sets(table)
    titles = {test: f"Mean of\u00a0{len(tests) - 1}" if test == MEAN else pretty(test) for test in tests}
    caption = f"{_title(metric)}, {view_names(scores)[view]} test images"
    return _pivot(table, "test_set", titles, caption, scores, ["detector"])


def degraded(scores: pl.DataFrame, metric: str, view: str) -> Grid:
    """A column per degradation and their unweighted mean, a row per detector and comparable test set."""
    table = comparable(chosen(scores, metric, view))
    titles = {name: chain_words(name) for name in conditions(table)}
    if MEAN in table["condition"]:
        titles[MEAN] = f"Mean of\u00a0{len(set(titles) - {'none'})}"
    caption = f"{_title(metric)} under degradations, {view_names(scores)[view]} images"
    grid = _pivot(table, "condition", titles, caption, scores, ["detector", "test_set"])
    grid.notes.extend(chain_notes(list(titles)))
    return grid


def all_metrics(scores: pl.DataFrame, view: str) -> Grid:
    """Every metric on clean images: the mean over the test sets, or the only test set."""
    table = scores.filter(pl.col("view").fill_null("none") == view, pl.col("condition") == "none")
    where = MEAN if MEAN in table["test_set"] else next(iter(distinct(table, "test_set")), MEAN)
    titles = {name: _title(name) for name in distinct(table, "metric")}
    tests = "mean over the test sets" if where == MEAN else pretty(where)
    caption = f"All metrics, {tests}, {view_names(scores)[view]} images"
    return _pivot(table.filter(test_set=where), "metric", titles, caption, scores, ["detector"])


def views(scores: pl.DataFrame, metric: str) -> Grid | None:
    """The mean over clean test sets in every view beside each other; None if there is one view only."""
    table = scores.filter(pl.col("metric") == metric, pl.col("condition") == "none")
    table = table.with_columns(pl.col("view").fill_null("none"))
    if table["view"].n_unique() < 2:
        return None
    where = MEAN if MEAN in table["test_set"] else distinct(table, "test_set")[0]
    words = view_names(scores)
    titles = {view: words[view] for view in views_of(table)}
    caption = f"{_title(metric)} by view of the test images"
    return _pivot(table.filter(test_set=where), "view", titles, caption, scores, ["detector"])


def differences(table: pl.DataFrame, view: str) -> Grid:
    """Paired differences of two detectors on clean images in points; bold where p holds among the whole family."""
    table = table.filter(view=view, condition="none")
    tests = test_sets(table)
    rows: dict[tuple[str, str], dict[str, Cell]] = {}
    for row in table.iter_rows(named=True):
        metric, value, low, high = (row[name] for name in ("metric", "value", "ci_low", "ci_high"))
        known = None not in (value, low, high)
        cell = Cell(
            _signed(metric, value), f"{_signed(metric, low)} to {_signed(metric, high)}" if known else "",
            best=starred(row),
        )  # fmt: skip
        rows.setdefault((row["detector"], metric), {})[row["test_set"]] = cell
    names = short_names(name for pair, _ in rows for name in pair.split(" − "))
    lines = [
        Row(
            " − ".join(names[name] for name in pair.split(" − ")),
            metric_name(metric),
            [cells.get(test, Cell("–")) for test in tests],
        )
        for (pair, metric), cells in rows.items()
    ]
    columns = [(pretty(test), sizes(table.filter(test_set=test))) for test in tests]
    caption = f"Paired differences on the same images, {view_names(table)[view]}"
    return Grid(caption, columns, lines, mean=MEAN in tests)


def _title(metric: str) -> str:
    return metric_name(metric) + (" (%)" if percent(metric) else "")


def _signed(metric: str, value: float | None) -> str:
    text = number(metric, value)
    return text.replace("-", "−") if value is None or text.startswith("-") else f"+{text}"


def of_table(table: Table) -> Grid:
    """A table of ``tables`` as it is printed, with intervals."""
    lines = [Row(name, "", [Cell(table.text(cell)) for cell in cells]) for name, cells in table.rows]
    return Grid(
        table.title,
        [(column, "") for column in table.columns],
        lines,
        notes=list(table.notes),
        corner=table.corner.capitalize(),
    )


def _pivot(
    table: pl.DataFrame, column: str, titles: dict[str, str], caption: str, scores: pl.DataFrame, keys: list[str]
) -> Grid:
    """A row for every combination of ``keys`` (the detector first), a column for every value in ``titles``."""
    rows: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    for row in table.iter_rows(named=True):
        rows.setdefault(tuple(row[key] for key in keys), {})[row[column] or "none"] = row
    names, words, few = short_names(distinct(table, "detector")), view_names(scores), _few(scores)
    tests = tests_of(scores)
    lines = []
    for identity, cells in rows.items():
        rivals = [other for key, other in rows.items() if key[1:] == identity[1:]]  # on the same images
        best = {name: _best([other[name] for other in rivals if name in other]) for name in titles}
        detail = _detail(next(iter(cells.values())), words, tests, tested="test_set" in keys)
        lines.append(Row(names[identity[0]], detail, [_cell(cells.get(name), best[name], few) for name in titles]))
    columns = [(title, sizes(table.filter(pl.col(column).fill_null("none") == name))) for name, title in titles.items()]
    return Grid(caption, columns, lines, mean=MEAN in titles)


def _detail(row: dict[str, Any], words: dict[str, str], tests: list[str], *, tested: bool) -> str:
    """What a detector was trained on and, where rows differ in it, tested on."""
    detail = f"trained on {trained_on(row['train_set'], tests)}" if row["train_set"] else "training set unknown"
    if row["train_view"] not in (None, "none"):
        detail += f", {words[row['train_view']]}"
    if not tested:
        return detail
    if row["test_set"] == row["train_set"]:
        return detail.replace("trained on", "trained and tested on", 1)
    return f"{detail}; tested on {'the mean of all sets' if row['test_set'] == MEAN else pretty(row['test_set'])}"


def _cell(row: dict[str, Any] | None, best: float | None, few: dict[tuple[str, str | None], int]) -> Cell:
    if row is None or row["value"] is None:
        return Cell("–")
    metric, value = row["metric"], row["value"]
    interval = ""
    if row["ci_low"] is not None and row["ci_high"] is not None:
        interval = f"{number(metric, row['ci_low'])}–{number(metric, row['ci_high'])}"
    chance = CHANCE.get(metric, 0.0)
    heat = round(20 * min(max((value - chance) / (1 - chance), 0.0), 1.0)) if percent(metric) else None
    fpr = METRICS[metric].fpr if metric in METRICS else None
    n_real = few.get((row["detector"], row["view"]), 0) if row["test_set"] == MEAN else (row["n_real"] or 0)
    return Cell(
        number(metric, value), interval, heat, best=value == best, few=fpr is not None and n_real * fpr < ENOUGH
    )


def _best(rows: list[dict[str, Any]]) -> float | None:
    """The best value of a column, if there is something to compare."""
    values = [row["value"] for row in rows if row["value"] is not None]
    if len(values) < 2:
        return None
    return max(values) if rows[0]["higher_is_better"] is not False else min(values)


def _few(scores: pl.DataFrame) -> dict[tuple[str, str | None], int]:
    """Fewest real images in any single test set of (detector, view)."""
    single = scores.filter(pl.col("test_set") != MEAN)
    smallest = single.group_by("detector", "view").agg(pl.col("n_real").min())
    return {(detector, view): n or 0 for detector, view, n in smallest.iter_rows()}
