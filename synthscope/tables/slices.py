"""Worst groups, and the classes with the lowest and highest accuracy, as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from synthscope.data.degrade.chains import chain_words
from synthscope.scoring.slices import FEWEST
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import grouped, pretty, short_names, slug, view_words, views_of

SHOWN = 5  # classes at each end


def worst_group_tables(worst: pl.DataFrame, *, clean: bool = False) -> list[Table]:
    """Worst-group accuracy in every view: a row for each detector and condition, or ``clean`` images only.

    Args:
        worst: ``scoring.slices.WORST``.
        clean: Leave conditions out.
    """
    tables = []
    for view in views_of(worst):
        shown = worst.filter(view=view).sort("detector", pl.col("condition") != "none", maintain_order=True)
        shown = shown.filter(condition="none") if clean else shown
        names, n = short_names(shown["detector"]), _span(shown["n_groups"].to_list())
        rows = []
        for (detector, condition), (row, *_) in grouped(shown.rows(named=True), ("detector", "condition")).items():
            name = names[detector] + ("" if condition == "none" else f", {chain_words(condition)}")
            rows.append((name, (_worst(row), Cell(row["mean"]))))
        if not rows:
            continue
        tables.append(
            Table(
                f"worst_groups{slug(worst, shown)}",
                f"Worst-group accuracy{view_words(worst, shown)}",
                "detector",
                ("lowest accuracy of a group", "mean of the groups"),
                tuple(rows),
                (
                    f"Groups: real and AI images of every test set, {n} a row. The lowest of several "
                    "is low by chance, too, and so is its 95 % bootstrap interval.",
                ),
                intervals=True,
            )
        )
    return tables


def class_tables(classes: pl.DataFrame) -> list[Table]:
    """The classes with the lowest and highest accuracy on clean images, in every view.

    Args:
        classes: ``scoring.slices.CLASSES``.
    """
    tables = []
    for view in views_of(classes):
        shown = classes.filter(view=view)
        names = short_names(shown["detector"])
        rows = [
            (f"{names[detector]}: {name}", cells)
            for (detector,), found in grouped(shown.rows(named=True), ("detector",)).items()
            for name, cells in _ends([row for row in found if row["value"] is not None])
        ]
        tables.append(
            Table(
                f"class_accuracy{slug(classes, shown)}",
                f"Accuracy by class, the {SHOWN} lowest and {SHOWN} highest of a detector{view_words(classes, shown)}",
                "detector and class",
                ("both", "real", "AI"),
                tuple(rows),
                (
                    "In percent, clean images of all test sets; 95 % intervals of each class by itself (Wilson): the "
                    "ends of many classes are ends by chance, too.",
                    _left_out(shown),
                ),
                intervals=True,
            )
        )
    return [table for table in tables if table.rows]


def _worst(row: dict[str, Any]) -> Cell:
    group = f"{pretty(row['test_set'])}, {'AI' if row['label'] else 'real'}, n = {row['n']}"
    return Cell(row["value"], row["ci_low"], row["ci_high"], mark=f" ({group})")


def _ends(rows: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[Cell, ...]]]:
    """Name and cells of the lowest and the highest classes, or of all where they are few."""
    order = sorted(rows, key=lambda row: (row["value"], row["class_index"] or 0, row["synset"] or ""))
    for row in order if len(order) <= 2 * SHOWN else [*order[:SHOWN], *order[-SHOWN:]]:
        name = row["synset"] or f"class {row['class_index']}"
        both = Cell(row["value"], row["ci_low"], row["ci_high"], row["n_real"], row["n_ai"])
        yield f"{name} ({row['n_real']} + {row['n_ai']})", (both, Cell(row["real_accuracy"]), Cell(row["ai_accuracy"]))


def _left_out(shown: pl.DataFrame) -> str:
    """How many classes and images have no figure."""
    classless = pl.col("class_index").is_null() & pl.col("synset").is_null()
    few = max(
        shown.filter(pl.col("value").is_null(), ~classless).group_by("detector").len()["len"].to_list(), default=0
    )
    of = max(shown.filter(~classless).group_by("detector").len()["len"].to_list(), default=0)
    none = shown.filter(classless).select((pl.col("n_real") + pl.col("n_ai")).max()).item() or 0
    return f"Left out: {few} of {of} classes with fewer than {FEWEST} images of a label, {none} images without a class."


def _span(numbers: list[int]) -> str:
    low, high = min(numbers, default=0), max(numbers, default=0)
    return f"{low}" if low == high else f"{low} to {high}"
