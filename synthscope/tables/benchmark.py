"""Tables from scores, as the GenImage paper prints them: cross-generator matrix, degradations, summaries.

Needs no model and no torch; every table can be rendered as text, Markdown, LaTeX or CSV (see ``render``).
"""

from __future__ import annotations

import polars as pl

from synthscope.data.audit import HISTORY
from synthscope.data.degrade.chains import chain_notes, chain_words
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.metrics.detection import METRICS, metric_named
from synthscope.scoring.columns import MEAN
from synthscope.tables.published.beside import beside
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import (
    by_training,
    cell_of,
    grouped,
    in_order,
    mean_head,
    notes_of,
    only_view,
    pretty,
    row_names,
    short_names,
    slug,
    tests_of,
    view_names,
    view_notes,
    view_words,
    views_of,
    with_mean,
)

DEGRADATIONS = "lr:112", "lr:64", "jpeg:q=65", "jpeg:q=30", "blur:sigma=3", "blur:sigma=5"  # GenImage, Table 5


def tables_of(scores: pl.DataFrame, *, metric: str = "accuracy") -> list[Table]:
    """The cross-generator matrix of every view, the degraded table where there is one, the views side by side, and
    published figures beside yours where they can be compared."""
    tables = []
    for view in views_of(scores):
        tables.append(cross_generator_matrix(scores, metric=metric, view=view))
        degraded = scores.filter(pl.col("view") == view, ~pl.col("condition").is_in(["none", MEAN]))
        if not degraded.is_empty():
            tables.append(degraded_table(scores, metric=metric, view=view))
        tables += beside(scores, metric=metric, view=view)
    return [*tables, view_table(scores, metric=metric)] if len(views_of(scores)) > 1 else tables


def view_table(scores: pl.DataFrame, *, metric: str = "accuracy") -> Table:
    """Clean test images in every view, the mean over the test sets: what a detector loses with the file formats.

    Raises:
        UsageError: Unknown metric.
    """
    metric_named(metric)
    table = _matching(scores, "metric", metric).filter(pl.col("condition") == "none")
    if MEAN in table["test_set"]:
        table = table.filter(pl.col("test_set") == MEAN)
    shown, views = table.rows(named=True), views_of(table)
    groups = by_training(shown)
    names, corner = row_names(list(groups), view_names(scores), tests_of(scores))
    cells = [{row["view"]: cell_of(row) for row in group} for group in groups.values()]
    rows = ((name, tuple(row.get(view, Cell()) for view in views)) for name, row in zip(names, cells, strict=True))
    return Table(
        f"views_{metric}",
        f"{METRICS[metric].title} by view of the test images, the mean of the test sets",
        corner,
        tuple(f"{view_names(scores)[view]} images" for view in views),
        tuple(rows),
        (*notes_of(shown), *(note for view in views for note in view_notes(table.filter(view=view)))),
        METRICS[metric].higher_is_better,
        intervals=True,
    )


def cross_generator_matrix(
    scores: pl.DataFrame, *, metric: str = "accuracy", view: str | None = None, architecture: str | None = None
) -> Table:
    """Clean test images: a row for each detector, a column for each test set, and their unweighted mean.

    Rows are named by training set where that tells them apart. Test sets come in GenImage's order, then others. The
    last column is GenImage's "Avg Acc. (%)" (arXiv 2306.08571, Table 2).

    Args:
        scores: ``schema.SCORES``.
        metric: Name in ``METRICS``.
        view: Which view of the test images; needed when there are several.
        architecture: Only its detectors.

    Raises:
        UsageError: Unknown metric, or a view or architecture without scores.
    """
    table = _select(scores, metric, view).filter(pl.col("condition") == "none")
    if architecture is not None:
        table = _matching(table, "architecture", architecture)
    tests = in_order(table.filter(pl.col("test_set") != MEAN)["test_set"].unique(maintain_order=True))
    rows, shown = [], table.rows(named=True)
    groups = by_training(shown)
    names, corner = row_names(list(groups), view_names(scores), tests_of(scores))
    for name, group in zip(names, groups.values(), strict=True):
        by_test = {row["test_set"]: cell_of(row) for row in group}
        rows.append((name, with_mean([by_test.get(test, Cell()) for test in tests], by_test.get(MEAN))))
    return Table(
        f"cross_generator_{metric}{slug(scores, table)}",
        f"{METRICS[metric].title} on the test images of each generator{view_words(scores, table)}",
        corner,
        (*map(pretty, tests), mean_head(metric)),
        tuple(rows),
        (*notes_of(shown), "The last column is the unweighted mean of the test sets.", *view_notes(table)),
        METRICS[metric].higher_is_better,
    )


def degraded_table(
    scores: pl.DataFrame, *, metric: str = "accuracy", view: str | None = None, test_set: str | None = None
) -> Table:
    """Degraded test images: a row for each detector, a column for each condition, and the mean over degradations.

    Args:
        scores: ``schema.SCORES``.
        metric: Name in ``METRICS``.
        view: Which view of the test images; needed when there are several.
        test_set: Default the mean over the test sets where a detector has one, else each test set that was degraded.

    Raises:
        UsageError: Unknown metric, or a view or test set without scores.
        SynthscopeError: No degradations.
    """
    table = _select(scores, metric, view)
    if test_set is not None:
        table = _matching(table, "test_set", test_set)
    groups = {
        key: rows
        for key, rows in grouped(table.rows(named=True), ("detector", "train_view", "test_set")).items()
        if {row["condition"] for row in rows} - {"none", MEAN}
    }
    if not groups:
        raise SynthscopeError("Expected scores of degraded images, got clean ones. Predict with --degrade first.")
    averaged = {key[:2] for key in groups if key[2] == MEAN}
    groups = {key: rows for key, rows in groups.items() if key[2] == MEAN or key[:2] not in averaged}
    shown = [row for rows in groups.values() for row in rows]
    found = dict.fromkeys(row["condition"] for row in shown)
    order = [name for name in dict.fromkeys(("none", *DEGRADATIONS, *found)) if name in found and name != MEAN]
    several = len({test for *_, test in groups}) > 1
    detectors = short_names([detector for detector, *_ in groups])
    rows = []
    for (detector, _, test), group in groups.items():
        cells = {row["condition"]: cell_of(row) for row in group}
        clean = [cells.get("none", Cell())] if "none" in order else []
        degraded = [cells.get(condition, Cell()) for condition in order if condition != "none"]
        name = f"{detectors[detector]} on {pretty(test)}" if several else detectors[detector]
        rows.append((name, (*clean, *with_mean(degraded, cells.get(MEAN)))))
    where = "the mean of the test sets" if averaged else pretty(next(iter(groups))[2])
    return Table(
        f"degraded_{metric}{slug(scores, table)}",
        f"{METRICS[metric].title} on degraded test images{'' if several else f', {where}'}{view_words(scores, table)}",
        "detector",
        (*map(chain_words, order), mean_head(metric)),
        tuple(rows),
        (
            *notes_of(shown),
            "The last column is the unweighted mean of the degradations, without clean.",
            *chain_notes(order),
        ),
        METRICS[metric].higher_is_better,
    )


def summary_table(
    scores: pl.DataFrame, *, detector: str, test_set: str = MEAN, condition: str = "none", view: str | None = None
) -> Table:
    """All metrics of one detector on one test set under one condition, with intervals.

    Raises:
        UsageError: No such detector, test set, condition or view.
    """
    table = _matching(scores, "view", view or only_view(scores))
    for column, value in {"detector": detector, "test_set": test_set, "condition": condition}.items():
        table = _matching(table, column, value)
    shown = table.rows(named=True)
    rows = tuple((METRICS[row["metric"]].title, (cell_of(row),)) for row in shown if row["metric"] in METRICS)
    where = "the mean of the test sets" if test_set == MEAN else pretty(test_set)
    title = f"{detector} on {where}, condition {chain_words(condition)}{view_words(scores, table)}"
    return Table("summary", title, "metric", ("value",), rows, tuple(notes_of(shown)), intervals=True)


def audit_table(audit: pl.DataFrame) -> Table:
    """Balanced accuracy of file attributes, and of the history of pixels: a row for each subset (and view)."""
    attributes = audit["attributes"].unique(maintain_order=True).to_list()
    views = view_names(audit)
    rows = []
    for key, group in grouped(audit.rows(named=True), ("subset", "view")).items():
        cells = {
            row["attributes"]: Cell(row["balanced_accuracy"], row["ci_low"], row["ci_high"], row["n_real"], row["n_ai"])
            for row in group
        }
        name = pretty(key[0] or "all") + (f", {views[key[1] or 'none']}" if len(views) > 1 else "")
        rows.append((name, tuple(cells.get(attribute, Cell()) for attribute in attributes)))
    notes = ["Balanced accuracy in percent of a depth-2 tree that sees no pixel; 50 is chance."]
    if HISTORY in attributes:
        notes.append(
            "History: of a linear classifier that sees traces of earlier compression and resampling in the pixels."
        )
    title = "Can file attributes alone tell the label?"
    return Table("audit", title, "subset", tuple(attributes), tuple(rows), tuple(notes))


def _select(scores: pl.DataFrame, metric: str, view: str | None) -> pl.DataFrame:
    metric_named(metric)
    table = _matching(scores, "view", view or only_view(scores))
    return _matching(table, "metric", metric)


def _matching(table: pl.DataFrame, column: str, value: str) -> pl.DataFrame:
    found = table.filter(pl.col(column) == value)
    if found.is_empty():
        known = table[column].drop_nulls().unique().to_list()
        raise UsageError(f"Expected scores with {column} {value!r}, got none. {suggest(value, known)}")
    return found
