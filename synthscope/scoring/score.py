"""From predictions to scores: every metric of every detector on every test set, with paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.metrics.detection import METRICS, metric_named
from synthscope.metrics.resampling import Units
from synthscope.schema import SCORES, conform, write_table
from synthscope.scoring import differences
from synthscope.scoring.cells import Cells, cells_of, rows_of
from synthscope.scoring.columns import matrices, read_predictions
from synthscope.scoring.sets import cells_by_set


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
    for name in metrics or ():
        metric_named(name)
    names = list(METRICS) if metrics is None else list(metrics)

    def cells_in(images: pl.DataFrame, units: Units) -> Cells:
        return cells_of(matrices(images, units), names, n_resamples=n_resamples, seed=seed)

    table = read_predictions(predictions, threshold=threshold)
    sets = cells_by_set(table, cells_in, by=by, doing="scoring")
    rows = [row for test_set, cells in sets for row in rows_of(test_set, cells, names)]
    return conform(pl.DataFrame(rows, schema=SCORES), SCORES, "the scores")


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

    Differences of an earlier call are removed when there are none: they may belong to other predictions.
    """
    table = score(run, by=by, n_resamples=n_resamples, seed=seed, threshold=threshold)
    told: dict[str, Any] = {
        "by": by,
        "metric": metric,
        "n_resamples": n_resamples,
        "seed": seed,
        "threshold": threshold,
    }
    found = [differences.compare(run, a, b, **told) for a, b in compare or ()]
    found.append(differences.differences(run, **told))
    apart = differences.in_families(pl.concat(found))
    write_table(table, Path(run) / "scores.parquet")
    if apart.is_empty():
        (Path(run) / "differences.parquet").unlink(missing_ok=True)
    else:
        write_table(apart, Path(run) / "differences.parquet")
    return table
