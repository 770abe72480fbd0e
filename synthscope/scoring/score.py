"""From predictions to scores: every metric of every detector on every test set, with paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.metrics.detection import METRICS, metric_named
from synthscope.schema import MANIFEST, SCORES, conform, read_table, write_or_remove, write_table
from synthscope.scoring import differences
from synthscope.scoring.cells import Cells, cells_of, rows_of
from synthscope.scoring.columns import MEAN, Columns
from synthscope.scoring.generalization import FILE as GAPS
from synthscope.scoring.generalization import SeenAndUnseen
from synthscope.scoring.left_out import FILE as LEFT_OUT_FILE
from synthscope.scoring.left_out import LeftOut
from synthscope.scoring.predictions import Predictions, open_predictions
from synthscope.scoring.sets import cells_by_set
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
    of the ends of its sets' intervals, which is too wide unless the sets share their images; the AUROC of one
    separated set takes Newcombe's score interval, and other single figures have none. Resamples are exact up to 100,000
    images of a class in a test set; of more, neighbours in the ranking are counted together, see
    :class:`synthscope.metrics.replicates.Bundles`. A file is read once, and nine bytes a row are held.

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
    for name in metrics or ():
        metric_named(name)
    names = list(METRICS) if metrics is None else list(metrics)
    table = open_predictions(predictions, threshold=threshold)
    return _scores(table, names, by=by, n_resamples=n_resamples, seed=seed)


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
    """:func:`score` a run folder into its ``scores.parquet``, and paired differences of views, of conditions and of
    pairs of detectors into ``differences.parquet``.

    Seen against unseen test sets go into ``generalization.parquet``, where a detector has both; the same of the rows of
    a benchmark that leaves test sets out in turn into ``left_out.parquet``; the lowest groups into
    ``worst_groups.parquet``; where the run's ``manifest.parquet`` knows classes, accuracy by class into
    ``class_accuracy.parquet``.

    Tables of an earlier call are removed where there is nothing to write: they may belong to other predictions.
    """
    folder, metrics = Path(run), list(METRICS)
    seen, left_out, lowest = SeenAndUnseen(metrics), LeftOut(metrics), LowestGroups(metrics)
    predictions, known = open_predictions(run, threshold=threshold), differences.Scored(metrics, metric)
    watch = [seen.add, left_out.add, lowest.add, known.add]
    table = _scores(predictions, metrics, by=by, n_resamples=n_resamples, seed=seed, watch=watch)
    told: dict[str, Any] = {"by": by, "metric": metric, "n_resamples": n_resamples, "seed": seed, "known": known.cells}
    found = [differences.between(predictions, a, b, **told) for a, b in compare or ()]
    found.append(differences.of_all(predictions, **told))
    write_table(table, folder / "scores.parquet")
    write_or_remove(differences.in_families(pl.concat(found)), folder / "differences.parquet")
    write_or_remove(seen.table(), folder / GAPS)
    write_or_remove(left_out.table(), folder / LEFT_OUT_FILE)
    write_or_remove(lowest.table(), folder / WORST_FILE)
    write_or_remove(_classes(folder, predictions), folder / CLASSES_FILE)
    return table


def _scores(
    table: Predictions,
    metrics: list[str],
    *,
    by: str,
    n_resamples: int,
    seed: int,
    watch: Sequence[Callable[[str, Cells], None]] = (),
) -> pl.DataFrame:
    """Rows of ``schema.SCORES``; ``watch`` are told the cells of every test set on the way."""

    def cells_in(name: str, columns: Columns) -> Cells:
        return cells_of(columns, metrics, n_resamples=n_resamples, seed=seed)

    rows: list[dict[str, Any]] = []
    for test_set, cells in cells_by_set(table, cells_in, by=by, doing="scoring"):
        single = {key: cell for key, cell in cells.items() if key.condition != MEAN}
        for tell in watch if test_set != MEAN else ():
            tell(test_set, single)
        rows += rows_of(test_set, cells, metrics)
    return conform(pl.DataFrame(rows, schema=SCORES), SCORES, "the scores")


def _classes(run: Path, predictions: Predictions) -> pl.DataFrame:
    """Accuracy by class, where the run's images have classes."""
    file = run / "manifest.parquet"
    images = read_table(file) if file.is_file() else pl.DataFrame()
    images = conform(images, MANIFEST, str(file))
    return class_accuracy(predictions, images)
