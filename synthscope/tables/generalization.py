"""Seen against unseen test sets, as people read it."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from synthscope.metrics.detection import METRICS, metric_named
from synthscope.tables.render import Table
from synthscope.tables.wording import by_training, cell_of, row_names, slug, view_names, view_words, views_of


def generalization_tables(table: pl.DataFrame, *, metric: str = "accuracy") -> list[Table]:
    """:func:`generalization_table` of every view; none where the metric was not scored."""
    shown = table.filter(metric=metric, condition="none")
    return [generalization_table(table, metric=metric, view=view) for view in views_of(shown)]


def generalization_table(table: pl.DataFrame, *, metric: str, view: str) -> Table:
    """Clean images of one view: a row for each detector, its means on seen and unseen test sets and their difference.

    Args:
        table: ``scoring.generalization.GENERALIZATION``.
        metric: Name in ``METRICS``.
        view: Of the test images.

    Raises:
        UsageError: Unknown metric.
    """
    metric_named(metric)
    shown = table.filter(metric=metric, view=view, condition="none")
    tests = sorted({name for joined in table["test_sets"].drop_nulls() for name in joined.split("+")})
    groups = by_training(shown.rows(named=True))
    names, corner = row_names(list(groups), view_names(table), tests)
    rows = []
    for name, group in zip(names, groups.values(), strict=True):
        found = {row["part"]: row for row in group}
        low, high = found["gap"]["ci_low"], found["gap"]["ci_high"]
        apart = None not in (low, high) and not low <= 0 <= high
        gap = replace(cell_of(found["gap"], mark="*" if apart else ""), signed=True)
        rows.append((name, (cell_of(found["seen"]), cell_of(found["unseen"]), gap)))
    return Table(
        f"generalization_{metric}{slug(table, shown)}",
        f"{METRICS[metric].title} on test sets that a detector was trained on, and on others{view_words(table, shown)}",
        corner,
        (f"seen ({_sets(shown, 'seen')})", f"unseen ({_sets(shown, 'unseen')})", "seen less unseen"),
        tuple(rows),
        (
            "Unweighted means of test sets with 95 % intervals; paired, one bootstrap draw serves all test sets. "
            "* The interval of the difference leaves out 0.",
        ),
        intervals=True,
    )


def _sets(shown: pl.DataFrame, part: str) -> str:
    numbers = sorted({len(joined.split("+")) for joined in shown.filter(part=part)["test_sets"]})
    if numbers == [1]:
        return "1 set"
    return f"{numbers[0]} sets" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]} sets"
