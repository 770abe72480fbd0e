"""Your figures beside the published ones of the same architecture and training set, with the difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from synthscope.scoring.columns import MEAN
from synthscope.tables.published import ALL_TRAIN_SETS, all_published
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import GENIMAGE, in_order, mean_head, notes_of, pretty, slug, view_words

NOTE = (
    "Published figures come from other training runs, other copies of the data and, in part, other test images; the "
    "difference is yours minus theirs in points, and its interval knows only your test images."
)
ALIGNED = "Aligned is not one protocol: theirs constrains size and JPEG quality of the training set, yours is the view."


def beside(scores: pl.DataFrame, *, metric: str, view: str) -> list[Table]:
    """Tables that hold your detectors and every published row to compare them with; none where nothing is comparable.

    Only GenImage's test sets are compared, only detectors whose architecture and training set a source has, raw with
    raw and aligned with aligned: a detector trained and tested on raw images, or on aligned ones.

    Args:
        scores: ``schema.SCORES``.
        metric: Name in ``METRICS``.
        view: Which view of the test images.
    """
    shown = scores.filter(pl.col("metric") == metric, pl.col("view") == view)
    setting = "raw" if view == "none" else "aligned"
    theirs = all_published().filter(pl.col("metric") == metric, pl.col("setting") == setting)
    tables = []
    for degraded in (False, True):
        column = "condition" if degraded else "test_set"
        rows = list(_rows(shown, theirs.filter((pl.col("condition") != "none") == degraded), column))
        if rows:
            tables.append(_table(scores, shown, rows, metric, column))
    return tables


Line = tuple[str, dict[str, Cell]]


def _rows(shown: pl.DataFrame, theirs: pl.DataFrame, column: str) -> Iterator[Line]:
    """For every detector of yours that is comparable: yours, then each published row and the difference to it."""
    fixed = "condition" if column == "test_set" else "test_set"
    mine = [*shown.iter_rows(named=True), *(_mean_of_rows(shown) if column == "test_set" else [])]
    groups: dict[tuple[Any, ...], dict[str, Cell]] = {}
    for row in mine:
        train_set, value = (row["train_set"] or "").lower(), row[fixed].lower()
        consistent = (row["train_view"] or row["view"]) == row["view"]
        if consistent and value == ("none" if fixed == "condition" else train_set):
            cell = Cell(row["value"], row["ci_low"], row["ci_high"], row["n_real"], row["n_ai"])
            groups.setdefault((row["detector"], row["architecture"], train_set), {})[row[column].lower()] = cell
    for (detector, architecture, train_set), cells in groups.items():
        same = theirs.filter(
            pl.col("architecture") == (architecture or ""), pl.col("train_set").fill_null("") == (train_set or "")
        )
        if column == "test_set" and not set(cells) & set(GENIMAGE):
            continue
        first = True
        for _, rows in same.group_by("table", "source", "method", maintain_order=True):
            published = {key: Cell(value) for key, value in rows.select(column, "value").iter_rows() if key in cells}
            if not {*rows[column], MEAN} <= {*cells, MEAN}:
                published.pop(MEAN, None)  # a mean over other columns than yours
            if set(published) - {MEAN}:
                if first:
                    yield f"yours: {detector}", cells
                first = False
                yield f"{rows['method'][0]}: {rows['source'][0]}", published
                yield "  yours − theirs", {key: _difference(cells[key], cell) for key, cell in published.items()}


def _mean_of_rows(shown: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows of an architecture that was trained on each of the eight subsets, averaged over them (Table 4)."""
    clean = shown.filter(pl.col("condition") == "none", pl.col("train_view").fill_null("none") == pl.col("view"))
    rows = []
    for (architecture,), own in clean.group_by(["architecture"], maintain_order=True):
        trained = {name.lower() for name in own["train_set"].drop_nulls()}
        if not set(GENIMAGE) <= trained:
            continue
        own = own.filter(pl.col("train_set").str.to_lowercase().is_in(list(GENIMAGE)))
        for (test,), column in own.group_by(["test_set"], maintain_order=True):
            blank = dict.fromkeys(shown.columns)
            rows.append({
                **blank, "detector": f"{architecture}, mean over {column.height} training sets",
                "architecture": architecture, "train_set": ALL_TRAIN_SETS, "train_view": column["train_view"][0],
                "view": column["view"][0], "condition": "none", "test_set": test, "value": column["value"].mean(),
            })  # fmt: skip
    return rows


def _difference(mine: Cell, theirs: Cell) -> Cell:
    if mine.value is None or theirs.value is None:
        return Cell()
    low, high = (None if end is None else end - theirs.value for end in (mine.ci_low, mine.ci_high))
    return Cell(mine.value - theirs.value, low, high, mine.n_real, mine.n_ai, signed=True)


def _table(scores: pl.DataFrame, shown: pl.DataFrame, rows: list[Line], metric: str, column: str) -> Table:
    keys = [key for key in dict.fromkeys(key for _, cells in rows for key in cells) if key not in (MEAN, "none")]
    keys = [*(in_order(keys) if column == "test_set" else keys), MEAN]
    degraded = column == "condition"
    return Table(
        f"published{'_degraded' if degraded else ''}_{metric}{slug(scores, shown)}",
        f"Yours beside published figures{', degraded test images' if degraded else ''}{view_words(scores, shown)}",
        "detector",
        tuple(mean_head(metric) if key == MEAN else key if degraded else pretty(key) for key in keys),
        tuple((name, tuple(cells.get(key, Cell()) for key in keys)) for name, cells in rows),
        (*notes_of(shown.rows(named=True)), NOTE, *([ALIGNED] if shown["view"][0] != "none" else [])),
        intervals=True,
    )
