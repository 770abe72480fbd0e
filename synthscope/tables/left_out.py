"""One row a detector: what it is worth on generators that it knows, on those left out, and in every view; its costs."""

from __future__ import annotations

from typing import Any

import polars as pl

from synthscope.metrics.detection import METRICS, metric_named
from synthscope.scoring.columns import MEAN
from synthscope.tables.render import Cell, Table
from synthscope.tables.wording import cell_of, grouped, short_names, view_names, views_of

COSTS_FILE = "costs.parquet"  # in a run folder
COSTS = pl.Schema(
    {
        "detector": pl.String,  # the row
        "parameters": pl.Int64,
        "preprocess_ms": pl.Float64,  # of a photograph of 500 x 375 pixels, on one thread
        "forward_ms": pl.Float64,  # an image, float32; on a CPU batches of 8 on one thread
        "resnet50_ms": pl.Float64,  # forward pass of ResNet-50 at 224 pixels, measured just before
    }
)


def left_out_tables(table: pl.DataFrame, costs: pl.DataFrame, *, metric: str = "accuracy") -> list[Table]:
    """:func:`left_out_table`, where there is one."""
    known = metric in table["metric"]
    return [left_out_table(table, costs, metric=metric)] if known else []


def left_out_table(table: pl.DataFrame, costs: pl.DataFrame, *, metric: str = "accuracy") -> Table:
    """Rows of a benchmark that leaves test sets out of training in turn, the best on unseen ones first, floors last.

    Seen and unseen test sets in the view that it was trained in, unseen ones in the other views and, as the mean of
    the conditions, degraded; then parameters in millions, and milliseconds an image as such and as a multiple of
    ResNet-50's.

    Args:
        table: ``scoring.left_out.LEFT_OUT``.
        costs: ``COSTS``; without rows their columns are left out.
        metric: Name in ``METRICS``.

    Raises:
        UsageError: Unknown metric.
    """
    metric_named(metric)
    shown, words = table.filter(metric=metric), view_names(table)
    known = {row["detector"]: row for row in costs.rows(named=True)}
    groups = grouped(shown.rows(named=True), ("detector", "train_view"))
    names = short_names(detector for detector, _ in groups)
    elsewhere = shown.filter(pl.col("view") != pl.col("train_view").fill_null("none"))
    others = views_of(elsewhere)
    columns = ["seen", "unseen", *(f"unseen, {words[view]}" for view in others), "unseen, degraded"]
    columns += ["parameters (M)", "ms an image", "x ResNet-50"] if known else []
    rows = []
    for (detector, train_view), group in groups.items():
        cells = {(row["view"], row["condition"], row["part"]): cell_of(row) for row in group}
        own = train_view or "none"
        wanted = [(own, "none", "seen"), (own, "none", "unseen")]
        wanted += [(view, "none", "unseen") if view != own else ("", "", "") for view in others]
        wanted.append((own, MEAN, "unseen"))
        row = [cells.get(key, Cell()) for key in wanted]
        rows.append((names[detector], (*row, *(_costs(known.get(detector)) if known else ()))))
    rows.sort(key=lambda row: (row[0].endswith("(floor)"), -(row[1][1].value or 0.0)))
    return Table(
        f"left_out_{metric}",
        f"{METRICS[metric].title} on test sets that were left out of training, one row a detector",
        "detector",
        tuple(columns),
        tuple(rows),
        _notes(shown, words, costs=bool(known)),
        intervals=True,
    )


def _costs(row: dict[str, Any] | None) -> tuple[Cell, Cell, Cell]:
    if row is None:
        return Cell(), Cell(), Cell()
    whole = row["preprocess_ms"] + row["forward_ms"]
    numbers = row["parameters"] / 1e6, whole, row["forward_ms"] / row["resnet50_ms"]
    return tuple(Cell(number, percent=False) for number in numbers)  # type: ignore[return-value]


def _notes(shown: pl.DataFrame, words: dict[str, str], *, costs: bool) -> tuple[str, ...]:
    trained = ", ".join(sorted(words[view] for view in shown["train_view"].fill_null("none").unique()))
    sets = {name for joined in shown["test_sets"].drop_nulls() for name in joined.split("+")}
    notes = [
        f"Means of {len(sets)} test sets with 95 % intervals, one bootstrap draw for all. Unseen: each set by the "
        f"detectors that have not learnt from it. Seen: by all that have. Trained in: {trained}.",
    ]
    if costs:
        notes.append(
            "Milliseconds of preprocessing and forward pass on one thread of this machine, float32, batches of 8; "
            "x ResNet-50: the forward pass over that of ResNet-50 at 224 pixels, measured beside it."
        )
    return tuple(notes)
