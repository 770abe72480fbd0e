"""Paired differences of detectors, views and conditions on the same images, with intervals, p-values and families.

A family is what one table shows: its p-values are adjusted together. Differences of detectors make one for each view,
those of views one for each condition, those of conditions two: means over the test sets, and single test sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from synthscope.errors import UsageError, suggest
from synthscope.metrics.detection import metric_named
from synthscope.metrics.significance import bootstrap_p
from synthscope.schema import DIFFERENCES, conform
from synthscope.scoring.cells import Cells, cells_of, rows_of
from synthscope.scoring.columns import MEAN, Columns, Key
from synthscope.scoring.families import with_adjusted
from synthscope.scoring.predictions import Predictions, open_predictions
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
    table = open_predictions(predictions, threshold=threshold)
    return in_families(between(table, a, b, by=by, metric=metric, n_resamples=n_resamples, seed=seed))


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
    table = open_predictions(predictions, threshold=threshold)
    return in_families(of_all(table, by=by, metric=metric, n_resamples=n_resamples, seed=seed))


class Scored:
    """The cells of test sets after one another, of one metric: what differences of all of their images are made of."""

    def __init__(self, metrics: Sequence[str], metric: str) -> None:
        metric_named(metric)
        self.place, self.cells = [list(metrics).index(metric)], dict[str, Cells]()

    def add(self, test_set: str, cells: Cells) -> None:
        """Keep the cells of a test set."""
        self.cells[test_set] = {key: cell.only(self.place) for key, cell in cells.items()}


def between(table: Predictions, a: str, b: str, **how: Any) -> pl.DataFrame:
    """:func:`compare` of opened predictions, before p-values are adjusted for the family."""
    first, second = (_detector(table, name) for name in (a, b))
    if first == second:
        raise UsageError(f"Expected two detectors, got {first} twice. Name another one.")
    return _paired(table, "detectors", first, [second], **how)


def of_all(table: Predictions, **how: Any) -> pl.DataFrame:
    """:func:`differences` of opened predictions, before p-values are adjusted for the family."""
    found = [pl.DataFrame(schema=DIFFERENCES)]
    for kind in ("views", "conditions"):
        names = {str(getattr(key, BLANK[kind][0])) for key in table.keys}
        first, *others = sorted(names, key=lambda name: (name != "none", name))
        if others and (first == "none" or kind == "views"):
            found.append(_paired(table, kind, first, others, **how))
    return pl.concat(found)


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


def _detector(table: Predictions, name: str) -> str:
    known = sorted({str(key.detector) for key in table.keys})
    found = [identity for identity in known if name in (identity, identity.partition("@")[0])]
    if len(found) != 1:
        raise UsageError(f"Expected the name of one detector, got {name!r}. {suggest(name, found or known)}")
    return found[0]


def _paired(
    table: Predictions, kind: str, a: str, others: Sequence[str], *, by: str, metric: str, n_resamples: int, seed: int,
    known: Mapping[str, Cells] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """``a`` minus each of the others; keys hold the other until the rows are named.

    Args:
        table: Predictions.
        kind: Of ``BLANK``.
        a: What is compared.
        others: With these.
        by: Column that names the test sets.
        metric: Name in ``METRICS``.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
        known: Cells of the test sets of the same metric and draws, for pairs that lack no image on either side.
    """
    column = BLANK[kind][0]

    def cells_in(name: str, columns: Columns) -> Cells:
        found: Cells = {}
        for b in others:
            both, whole = _in_both(columns, kind, a, b)
            if not both.keys:
                continue
            if whole and known is not None:
                cells = {key: known[name][key] for key in both.keys}
            else:
                cells = cells_of(both, [metric], n_resamples=n_resamples, seed=seed)
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


def _in_both(columns: Columns, kind: str, a: str, b: str) -> tuple[Columns, bool]:
    """The columns of ``a`` and ``b`` on the images that stand on both sides, and whether none was left out.

    Errors are counted all the same.
    """
    blank = dict.fromkeys(BLANK[kind])
    seen = ~np.isnan(columns.logits)
    sides: dict[Key, dict[str | None, list[int]]] = {}
    for m, key in enumerate(columns.keys):
        if (side := getattr(key, BLANK[kind][0])) in (a, b):
            sides.setdefault(key._replace(**blank), {a: [], b: []})[side].append(m)
    both = np.zeros_like(seen)
    for of in sides.values():
        shared = seen[:, of[a]].any(axis=1) & seen[:, of[b]].any(axis=1)
        for m in of[a] + of[b]:
            both[:, m] = shared & seen[:, m]
    kept = [m for of in sides.values() for m in of[a] + of[b] if both[:, m].any() or columns.n_error[m]]
    kept.sort()
    images = np.asarray(both[:, kept].any(axis=1))
    narrowed = replace(
        columns,
        keys=[columns.keys[m] for m in kept],
        labels=columns.labels[images],
        units=columns.units.of(images),
        groups=np.unique(columns.groups[images], return_inverse=True)[1],
        logits=np.where(both, columns.logits, np.nan)[:, kept][images],
        p=columns.p[:, kept][images],
        thresholds=columns.thresholds[kept],
        n_error=[columns.n_error[m] for m in kept],
    )
    return narrowed, bool((both[:, kept] == seen[:, kept]).all())


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
