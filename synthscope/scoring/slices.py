"""Where a detector is worst: the lowest accuracy of a group (test set x label), and accuracy by ImageNet class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.metrics.intervals import percentile_interval, wilson
from synthscope.scoring.cells import Cells, cells_of
from synthscope.scoring.columns import Key
from synthscope.scoring.predictions import Predictions, open_predictions

WORST_FILE, CLASSES_FILE = "worst_groups.parquet", "class_accuracy.parquet"  # in a run folder
LABELS = "real_accuracy", "ai_accuracy"  # metrics that are accuracies of label 0 and 1
FEWEST = 10  # images of each label that a class must have
_KEY = {name: pl.String() for name in Key._fields}
WORST = pl.Schema(
    _KEY
    | {
        "test_set": pl.String,  # of the lowest group
        "label": pl.Int8,  # of the lowest group; 1 = AI
        "value": pl.Float64,  # its accuracy
        "ci_low": pl.Float64,  # 95 % of the lowest accuracy, whichever group has it
        "ci_high": pl.Float64,
        "n": pl.Int64,  # images of the lowest group
        "mean": pl.Float64,  # of the groups' accuracies, unweighted
        "n_groups": pl.Int64,
    }
)
CLASSES = pl.Schema(
    _KEY
    | {
        "class_index": pl.Int32,  # null in both columns = images without a class
        "synset": pl.String,
        "value": pl.Float64,  # accuracy over the images of both labels; null = too few images, or without a class
        "ci_low": pl.Float64,  # 95 %, Wilson's; images of one group count once
        "ci_high": pl.Float64,
        "real_accuracy": pl.Float64,
        "ai_accuracy": pl.Float64,
        "n_real": pl.Int64,
        "n_ai": pl.Int64,
    }
)


def worst_groups(
    predictions: pl.DataFrame | str | Path,
    *,
    by: str = "subset",
    n_resamples: int = 2000,
    seed: int = 0,
    threshold: float | None = None,
) -> pl.DataFrame:
    """Worst-group accuracy: the lowest accuracy over groups, which are the labels of every test set.

    Sagawa et al. 2020, Distributionally Robust Neural Networks for Group Shifts, section 2. A mean over test sets, or
    over real and AI images, hides a group that is always judged wrong; this is that group.

    The lowest of several accuracies is biased downwards: some group is low by chance, the more so the more groups there
    are and the smaller they are. The interval is the percentile interval of the lowest accuracy in every bootstrap
    draw, where another group may be the lowest; a draw has that bias once more, so the interval lies low, and is
    extended to the value where it would end below. Without any variation it is Wilson's of the lowest group. Compare
    detectors on the same groups only (``n_groups``).

    Args:
        predictions: As for :func:`synthscope.scoring.score.score`, like the other arguments.
        by: Column that names the test sets.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
        threshold: On the logit, instead of the detectors' own.

    Returns:
        Columns of ``WORST``, a row for each detector, view and condition. Of several lowest groups the first: test sets
        in order of name, real before AI.

    Raises:
        SynthscopeError: Predictions that cannot be scored.
    """
    lowest = LowestGroups(LABELS)
    for name, columns in open_predictions(predictions, threshold=threshold).test_sets(by):
        lowest.add(name, cells_of(columns, LABELS, n_resamples=n_resamples, seed=seed))
    return lowest.table()


@dataclass
class _Groups:
    """The groups of one key so far."""

    values: list[float] = field(default_factory=list)
    about: list[dict[str, Any]] = field(default_factory=list)  # test_set, label, n
    bounds: list[tuple[float, float]] = field(default_factory=list)
    minima: NDArray[np.float64] | None = None  # (R,) of every draw


class LowestGroups:
    """The rows of :func:`worst_groups` from the cells of one test set after the other, of some metrics."""

    def __init__(self, metrics: Sequence[str]) -> None:
        self.places = [list(metrics).index(name) for name in LABELS]
        self.groups: dict[Key, _Groups] = {}

    def add(self, test_set: str, cells: Cells) -> None:
        """Count the two groups of a test set, where they have images."""
        for key, cell in cells.items():
            groups = self.groups.setdefault(key, _Groups())
            for label, (place, n) in enumerate(zip(self.places, (cell.n_real, cell.n_ai), strict=True)):
                if not n:
                    continue
                groups.values.append(float(cell.values[place]))
                groups.about.append({"test_set": test_set, "label": label, "n": n})
                bounds = (np.nan, np.nan) if cell.rate_bounds is None else cell.rate_bounds[:, place]
                groups.bounds.append((float(bounds[0]), float(bounds[1])))
                drawn = cell.replicates[place]
                groups.minima = drawn.copy() if groups.minima is None else np.fmin(groups.minima, drawn)

    def table(self) -> pl.DataFrame:
        """Columns of ``WORST``."""
        rows = []
        for key, groups in self.groups.items():
            if groups.minima is None:
                continue
            lowest = int(np.argmin(groups.values))
            value = groups.values[lowest]
            low, high = (float(bound) for bound in percentile_interval(groups.minima))
            if np.isnan(low):
                low, high = groups.bounds[lowest]
            interval = {"ci_low": min(low, value), "ci_high": max(high, value)}
            figures = {"value": value, "mean": float(np.mean(groups.values)), "n_groups": len(groups.values)}
            rows.append(key._asdict() | groups.about[lowest] | interval | figures)
        return pl.DataFrame(rows, schema=WORST)


def class_accuracy(
    predictions: pl.DataFrame | str | Path | Predictions, manifest: pl.DataFrame, *, threshold: float | None = None
) -> pl.DataFrame:
    """Accuracy by ImageNet class on clean images, over all test sets and both labels.

    The lowest and highest of many classes are so by chance, too: intervals are of each class by itself.

    Args:
        predictions: ``schema.PREDICTIONS``, or a run folder.
        manifest: ``path``, ``class_index`` and ``synset`` of the images.
        threshold: On the logit, instead of the detectors' own.

    Returns:
        Columns of ``CLASSES``, a row for each detector, view and class. Classes with fewer than 10 images of a label,
        and the images without a class, have a row with their n and no value. No rows where no image has a class.

    Raises:
        SynthscopeError: Predictions that cannot be scored.
    """
    known = manifest.filter(pl.any_horizontal(pl.col("class_index", "synset").is_not_null())).unique("path")
    if known.is_empty():
        return pl.DataFrame(schema=CLASSES)
    if not isinstance(predictions, Predictions):
        predictions = open_predictions(predictions, threshold=threshold)
    classes = known.select(pl.col("path").alias("image"), "class_index", "synset")
    items = predictions.items.select("image", "label", "group").join(
        classes, on="image", how="left", maintain_order="left"
    )
    counts = pl.concat(
        _by_class(items.with_columns(logit=pl.Series(column.logits)), column.threshold or 0.0).select(
            *(pl.lit(part, pl.String).alias(name) for name, part in key._asdict().items()), pl.all()
        )
        for key, column in zip(predictions.keys, predictions.columns, strict=True)
        if key.condition == "none"
    )
    rows = []
    for row in counts.sort(*_KEY, "class_index", "synset", nulls_last=True).iter_rows(named=True):
        rate, n = row.pop("rate"), row.pop("independent")
        classless = row["class_index"] is None and row["synset"] is None
        if not classless and min(row["n_real"], row["n_ai"]) >= FEWEST:
            row |= dict(zip(("value", "ci_low", "ci_high"), (rate, *wilson(rate * n, n)), strict=True))
        rows.append(row)
    return pl.DataFrame(rows, schema=CLASSES)


def _by_class(items: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Accuracies and numbers of the images with a ``logit``, a row a class."""
    ai = pl.col("label") == 1
    right = (pl.col("logit").cast(pl.Float64) > threshold) == ai
    return (
        items.filter(pl.col("logit").is_not_nan())
        .group_by("class_index", "synset")
        .agg(
            right.mean().alias("rate"),
            right.filter(~ai).mean().alias("real_accuracy"),
            right.filter(ai).mean().alias("ai_accuracy"),
            (~ai).sum().cast(pl.Int64).alias("n_real"),
            ai.sum().cast(pl.Int64).alias("n_ai"),
            pl.col("group").n_unique().alias("independent"),
        )
    )
