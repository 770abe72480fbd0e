"""Paired differences of detectors, views and conditions on the same images, with intervals, p-values and families.

A family is what one table shows: its p-values are adjusted together. Differences of detectors make one for each view,
those of views one for each condition, those of conditions two: means over the test sets, and single test sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from synthscope.errors import UsageError, suggest
from synthscope.metrics.detection import metric_named
from synthscope.metrics.resampling import Units
from synthscope.metrics.significance import bootstrap_p
from synthscope.schema import DIFFERENCES, conform
from synthscope.scoring.cells import Cells, cells_of, rows_of
from synthscope.scoring.columns import MEAN, Key, matrices, read_predictions
from synthscope.scoring.families import with_adjusted
from synthscope.scoring.sets import cells_by_set

BLANK = {  # kind -> the parts of a key that differ between the two, first what is compared
    "detectors": ("detector", "architecture", "train_set", "train_view"),
    "views": ("view",),
    "conditions": ("condition",),
}
FAMILY = {"detectors": pl.col("view"), "views": pl.col("condition"), "conditions": pl.col("test_set") == MEAN}


def compare(
    predictions: pl.DataFrame | str | Path,
    a: str,
    b: str,
    *,
    by: str = "subset",
    metric: str = "balanced_accuracy",
    n_resamples: int = 2000,
    seed: int = 0,
    threshold: float | None = None,
) -> pl.DataFrame:
    """Paired difference of detector ``a`` minus detector ``b`` on the images that both have scored.

    Args:
        predictions: As for :func:`synthscope.scoring.score.score`, like the other arguments.
        a: Detector id; the part before "@" is enough where it is unique.
        b: Detector id.
        by: Column that names the test sets.
        metric: Name in ``METRICS``.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
        threshold: On the logit, instead of the detectors' own.

    Returns:
        ``schema.DIFFERENCES`` with ``detector = "A − B"``: difference, interval and p-value for each test set, view
        and condition. Intervals are percentiles of the paired bootstrap, p-values those of
        ``metrics.significance.bootstrap_p``.

    Raises:
        UsageError: An unknown detector or metric.
    """
    metric_named(metric)
    table = read_predictions(predictions, threshold=threshold)
    first, second = (_detector(table, name) for name in (a, b))
    if first == second:
        raise UsageError(f"Expected two detectors, got {first} twice. Name another one.")
    found = _paired(table, "detectors", first, [second], by=by, metric=metric, n_resamples=n_resamples, seed=seed)
    return in_families(found)


def differences(
    predictions: pl.DataFrame | str | Path,
    *,
    by: str = "subset",
    metric: str = "balanced_accuracy",
    n_resamples: int = 2000,
    seed: int = 0,
    threshold: float | None = None,
) -> pl.DataFrame:
    """Paired differences of every detector: the raw view minus each other, clean images minus each degradation.

    Both sides hold the same images of a test set: those that the detector has scored in both. Arguments are those of
    :func:`compare`.

    Returns:
        ``schema.DIFFERENCES`` for each detector and test set, and the mean of test sets as for scores: of the views
        with ``view = "none − aligned"``, for each condition; of the conditions with ``condition = "none − jpeg:q=65"``,
        for each view, and their mean over degradations (``b = "mean"``). No rows where there is one view and one
        condition. Without a raw view the first in order of name stands for it.

    Raises:
        UsageError: An unknown metric.
    """
    metric_named(metric)
    table = read_predictions(predictions, threshold=threshold)
    found = []
    for kind in ("views", "conditions"):
        first, *others = sorted(table[BLANK[kind][0]].unique(), key=lambda name: (name != "none", name))
        if others and (first == "none" or kind == "views"):
            apart = _paired(table, kind, first, others, by=by, metric=metric, n_resamples=n_resamples, seed=seed)
            found.append(apart)
    return in_families(pl.concat(found) if found else pl.DataFrame(schema=DIFFERENCES))


def in_families(table: pl.DataFrame) -> pl.DataFrame:
    """``DIFFERENCES`` with ``p_holm`` and ``q_bh`` of all families; rows without a p-value are no comparisons."""
    names = (pl.when(kind=kind).then(pl.format(f"{kind} {{}} {{}}", "metric", key)) for kind, key in FAMILY.items())
    return with_adjusted(table, table.select(family=pl.coalesce(names)).to_series())


def as_differences(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """What was read from the file ``name`` as ``DIFFERENCES``.

    Files of versions that compared detectors alone have no p-values.
    """
    table = conform(table, DIFFERENCES, name)
    sides = pl.col("detector").str.split_exact(" − ", 1).struct
    return table.with_columns(
        pl.col("view").fill_null("none"),
        pl.col("kind").fill_null("detectors"),
        a=pl.coalesce("a", sides.field("field_0")),
        b=pl.coalesce("b", sides.field("field_1")),
    )


def _detector(table: pl.DataFrame, name: str) -> str:
    known = table["detector"].unique().sort().to_list()
    found = [identity for identity in known if name in (identity, identity.partition("@")[0])]
    if len(found) != 1:
        raise UsageError(f"Expected the name of one detector, got {name!r}. {suggest(name, found or known)}")
    return found[0]


def _paired(
    table: pl.DataFrame, kind: str, a: str, others: Sequence[str], *, by: str, metric: str, n_resamples: int, seed: int
) -> pl.DataFrame:
    """``a`` minus each of the others; keys hold the other until the rows are named."""
    column = BLANK[kind][0]

    def cells_in(images: pl.DataFrame, units: Units) -> Cells:
        found: Cells = {}
        for b in others:
            both = _in_both(images, kind, a, b)
            if both.height:
                cells = cells_of(matrices(both, units), [metric], n_resamples=n_resamples, seed=seed)
                found |= _minus(cells, kind, a, b)
        return found

    rows = []
    for test_set, cells in cells_by_set(table, cells_in, by=by, doing=f"comparing {kind}"):
        for row, (key, cell) in zip(rows_of(test_set, cells, [metric]), cells.items(), strict=True):
            b = getattr(key, column)
            (p,) = bootstrap_p(cell.values, cell.replicates, units=cell.units, freedom=cell.freedom).tolist()
            row |= {column: f"{a} − {b}", "kind": kind, "a": a, "b": b, "p_value": None if np.isnan(p) else p}
            rows.append(row)
    return conform(pl.DataFrame(rows, schema=DIFFERENCES), DIFFERENCES, "the differences")


def _in_both(images: pl.DataFrame, kind: str, a: str, b: str) -> pl.DataFrame:
    """Rows of the images that stand on both sides, and those of errors, which are counted."""
    column, failed = BLANK[kind][0], pl.col("error").is_not_null()
    same = [field for field in Key._fields if field not in BLANK[kind]]
    both = pl.col(column).n_unique().over("image", *same, failed) == 2
    return images.filter(pl.col(column).is_in([a, b])).filter(both | failed)


def _minus(cells: Cells, kind: str, a: str, b: str) -> Cells:
    column, blank = BLANK[kind][0], dict.fromkeys(BLANK[kind])
    other = {key._replace(**blank): cell for key, cell in cells.items() if getattr(key, column) == b}
    apart: Cells = {}
    for key, cell in cells.items():
        rest = key._replace(**blank)
        if getattr(key, column) == a and (minus := other.get(rest)) is not None:
            apart[rest._replace(**{column: b})] = replace(
                cell,
                values=cell.values - minus.values,
                replicates=cell.replicates - minus.replicates,
                rate_bounds=None,
                still=None,
                thresholds=np.full_like(cell.thresholds, np.nan),
                n_error=cell.n_error + minus.n_error,
            )
    return apart
