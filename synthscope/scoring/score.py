"""From predictions to scores: every metric of every detector on every test set, with paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from synthscope.errors import UsageError, suggest
from synthscope.metrics.detection import METRICS, metric_named
from synthscope.runtime import track
from synthscope.schema import MANIFEST, SCORES, conform, write_or_remove, write_table
from synthscope.scoring.cells import Cells, RunningMean, cells_of, condition_means, rows_of
from synthscope.scoring.columns import MEAN, Key, matrices, read_predictions, split_by, with_units
from synthscope.scoring.generalization import FILE as GAPS
from synthscope.scoring.generalization import SeenAndUnseen
from synthscope.scoring.slices import CLASSES_FILE, WORST_FILE, LowestGroups, class_accuracy


def score(
    predictions: pl.DataFrame | str | Path,
    *,
    by: str = "subset",
    metrics: Sequence[str] | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
    threshold: float | None = None,
) -> pl.DataFrame:
    """Score predictions: one row for each detector, test set, view, condition and metric, whatever the row order.

    Rows with an ``error`` are left out and counted. A metric without an image of a class that it needs is null. Beside
    the test sets stands ``test_set="mean"``, the unweighted mean of columns that cover all of at least two test sets
    of their view (n is the sum); beside the conditions ``condition="mean"``, the unweighted mean over the degradations
    of columns that cover all of at least two.

    Intervals: 95 %, Wilson's for the rates of one test set, else a percentile bootstrap over groups (images of one
    ``group``, else of the same bytes, are drawn together, in all test sets alike), stratified by class, subset and
    generator, so that means and differences are paired. Where no resample gives another value, a mean takes the mean
    of the ends of its sets' intervals, which is too wide unless the sets share their images; a single figure has none.

    Args:
        predictions: ``schema.PREDICTIONS``, or a run folder with ``predictions.parquet``.
        by: Column that names the test sets: subset, generator or split. Real images without a subset belong to every
            set; with ``generator`` all real images do.
        metrics: Names in ``METRICS``; default all.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
        threshold: On the logit, instead of the detectors' own.

    Returns:
        ``schema.SCORES``. ``threshold`` is the one in use for verdicts, the attained one for TPR at a FPR, else null.

    Raises:
        SynthscopeError: Predictions that cannot be scored, such as two rows for one image.
        UsageError: An unknown metric or column.
    """
    names = _known(metrics)
    table = read_predictions(predictions, threshold=threshold)
    return _scores(table, lambda cells: cells, by=by, metrics=names, n_resamples=n_resamples, seed=seed)


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
        predictions: As for :func:`score`, like the other arguments.
        a: Detector id; the part before "@" is enough where it is unique.
        b: Detector id.
        by: Column that names the test sets.
        metric: Name in ``METRICS``.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
        threshold: On the logit, instead of the detectors' own.

    Returns:
        ``schema.SCORES`` with ``detector = "A − B"``: difference and interval for each test set, view and condition.

    Raises:
        UsageError: An unknown detector or metric.
    """
    names = _known([metric])
    table = read_predictions(predictions, threshold=threshold)
    first, second = (_detector(table, name) for name in (a, b))
    if first == second:
        raise UsageError(f"Expected two detectors, got {first} twice. Name another one.")
    failed = pl.col("error").is_not_null()
    both = pl.col("detector").n_unique().over("image", "subset", "view", "condition", failed) == 2
    table = table.filter(pl.col("detector").is_in([first, second])).filter(both | failed)
    difference = partial(_difference, first=first, second=second)
    return _scores(table, difference, by=by, metrics=names, n_resamples=n_resamples, seed=seed)


def write_scores(
    run: str | Path,
    *,
    by: str = "subset",
    n_resamples: int = 2000,
    seed: int = 0,
    threshold: float | None = None,
    compare: Sequence[tuple[str, str]] | None = None,
    metric: str = "balanced_accuracy",
) -> pl.DataFrame:
    """:func:`score` a run folder into its ``scores.parquet``, and pairs of detectors into ``differences.parquet``.

    Seen against unseen test sets go into ``generalization.parquet``, where a detector has both; the lowest groups into
    ``worst_groups.parquet``; where the run's ``manifest.parquet`` knows classes, accuracy by class into
    ``class_accuracy.parquet``.

    Differences of an earlier call are removed when no pair is given: they may belong to other predictions.
    """
    metrics = list(METRICS)
    seen, lowest = SeenAndUnseen(metrics), LowestGroups(metrics)
    predictions = read_predictions(run, threshold=threshold)
    table = _scores(
        predictions,
        lambda cells: cells,
        by=by,
        metrics=metrics,
        n_resamples=n_resamples,
        seed=seed,
        watch=[seen.add, lowest.add],
    )
    pairs = [
        _compare(run, a, b, by=by, metric=metric, n_resamples=n_resamples, seed=seed, threshold=threshold)
        for a, b in compare or ()
    ]
    write_table(table, Path(run) / "scores.parquet")
    write_or_remove(seen.table(), Path(run) / GAPS)
    write_or_remove(lowest.table(), Path(run) / WORST_FILE)
    write_or_remove(_classes(Path(run), threshold), Path(run) / CLASSES_FILE)
    differences = Path(run) / "differences.parquet"
    if not pairs:
        differences.unlink(missing_ok=True)
        return table
    write_table(pl.concat(pairs), differences)
    return table


_compare = compare  # under a name that the argument of `write_scores` does not hide


def _classes(run: Path, threshold: float | None) -> pl.DataFrame:
    """Accuracy by class, where the run's images have classes."""
    file = run / "manifest.parquet"
    images = read_table(file) if file.is_file() else pl.DataFrame()
    images = conform(images, MANIFEST, str(file))
    return class_accuracy(run, images, threshold=threshold)


def _known(metrics: Sequence[str] | None) -> list[str]:
    for name in metrics or ():
        metric_named(name)
    return list(METRICS) if metrics is None else list(metrics)


def _detector(table: pl.DataFrame, name: str) -> str:
    known = table["detector"].unique().sort().to_list()
    found = [identity for identity in known if name in (identity, identity.partition("@")[0])]
    if len(found) != 1:
        raise UsageError(f"Expected the name of one detector, got {name!r}. {suggest(name, found or known)}")
    return found[0]


def _difference(cells: Cells, *, first: str, second: str) -> Cells:
    other = {(key.view, key.condition): cell for key, cell in cells.items() if key.detector == second}
    differences = {}
    for key, cell in cells.items():
        if key.detector == first and (minus := other.get((key.view, key.condition))) is not None:
            name = Key(f"{first} − {second}", None, None, None, key.view, key.condition)
            differences[name] = replace(
                cell,
                values=cell.values - minus.values,
                replicates=cell.replicates - minus.replicates,
                rate_bounds=None,
                still=None,
                thresholds=np.full_like(cell.thresholds, np.nan),
                n_error=cell.n_error + minus.n_error,
            )
    return differences


def _scores(
    table: pl.DataFrame,
    derive: Callable[[Cells], Cells],
    *,
    by: str,
    metrics: list[str],
    n_resamples: int,
    seed: int,
    watch: Sequence[Callable[[str, Cells], None]] = (),
) -> pl.DataFrame:
    """Rows of ``schema.SCORES``; ``watch`` are told the cells of every test set on the way."""
    rows: list[dict[str, Any]] = []
    totals: dict[Key, RunningMean] = {}
    sets_of_view: dict[str | None, int] = {}
    table, units = with_units(table)
    for name, images in track(list(split_by(table, by)), "scoring", unit="test sets"):
        cells = derive(cells_of(matrices(images, units), metrics, n_resamples=n_resamples, seed=seed))
        for tell in watch:
            tell(name, cells)
        for view in {key.view for key in cells}:
            sets_of_view[view] = sets_of_view.get(view, 0) + 1
        for key, cell in cells.items():
            if key in totals:
                totals[key].add(cell)
            else:
                totals[key] = RunningMean(cell)
        rows += rows_of(name, cells | condition_means(cells), metrics)
    means = {key: total.mean() for key, total in totals.items() if total.count == sets_of_view[key.view] > 1}
    rows += rows_of(MEAN, means | condition_means(means), metrics)
    return conform(pl.DataFrame(rows, schema=SCORES), SCORES, "the scores")
