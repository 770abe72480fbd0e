"""All metrics of a detector under a condition on a test set, with their replicates; means of these; rows of scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthscope.metrics.detection import METRICS, tpr_at_fpr
from synthscope.metrics.intervals import (
    auroc_interval,
    bootstrap,
    effective,
    grouped_rates_interval,
    percentile_interval,
)
from synthscope.scoring.columns import MEAN, Columns, Key

# Metrics that are rates, as weights of the rates of real and AI images judged right (n = images of the two classes).
RATES: dict[str, Callable[[int, int], tuple[float, float]]] = {
    "accuracy": lambda real, ai: (real / (real + ai), ai / (real + ai)),
    "balanced_accuracy": lambda real, ai: (0.5, 0.5),
    "real_accuracy": lambda real, ai: (1.0, 0.0),
    "ai_accuracy": lambda real, ai: (0.0, 1.0),
    "recall": lambda real, ai: (0.0, 1.0),
}
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """Values, replicates and thresholds of k metrics; NaN where there is none."""

    values: Floats  # (k,)
    replicates: Floats  # (k, R)
    thresholds: Floats  # (k,)
    n_real: int
    n_ai: int
    n_error: int
    units: Floats  # (k,) independent groups of images of the smaller class that a metric needs
    freedom: Floats  # (k,) these less the strata that they are drawn in
    rate_bounds: Floats | None = None  # (2, k) closed intervals of rates, instead of percentiles of the replicates
    still: Floats | None = None  # (2, k) intervals where all replicates are alike

    def only(self, places: Sequence[int]) -> Cell:
        """The cell of some of its metrics."""
        of = list(places)
        return replace(
            self,
            values=self.values[of],
            replicates=self.replicates[of],
            thresholds=self.thresholds[of],
            units=self.units[of],
            freedom=self.freedom[of],
            rate_bounds=None if self.rate_bounds is None else self.rate_bounds[:, of],
            still=None if self.still is None else self.still[:, of],
        )


Cells = dict[Key, Cell]


def cells_of(columns: Columns, metrics: Sequence[str], *, n_resamples: int, seed: int) -> Cells:
    """Every column of a test set: values by the plain metric functions, replicates by common draws of images."""
    replicates = bootstrap(
        columns.labels, columns.logits, metrics=metrics, p=columns.p, threshold=columns.thresholds,
        units=columns.units, n_resamples=n_resamples, seed=seed,
    )  # fmt: skip
    cells = {}
    for m, key in enumerate(columns.keys):
        seen = ~np.isnan(columns.logits[:, m])
        labels, logits, threshold = columns.labels[seen], columns.logits[seen, m], float(columns.thresholds[m])
        right = [(logits > threshold)[labels == label] == label for label in (False, True)]
        n = len(right[0]), len(right[1])
        groups = [columns.groups[seen][labels == label] for label in (False, True)]
        worth = effective(right, groups)
        values, thresholds, low, high = np.full((4, len(metrics)), np.nan)
        still = np.full((2, len(metrics)), np.nan)
        falling = np.argsort(-logits, kind="stable")
        ranked = labels[falling], logits[falling]  # sorted once for all that sort
        for k, metric in enumerate(METRICS[name] for name in metrics):
            if len(labels) and all(n[label] for label in metric.needs):
                given = ranked if metric.reads == "ranks" else (labels, logits)
                values[k] = metric(*given, p=columns.p[seen, m], threshold=threshold)
                if metrics[k] in RATES:
                    low[k], high[k] = grouped_rates_interval(right, worth, RATES[metrics[k]](*n))
                if metrics[k] == "auroc":
                    still[:, k] = auroc_interval(values[k], *(len(np.unique(of)) for of in groups))
                if metric.fpr is not None:
                    thresholds[k] = tpr_at_fpr(*ranked, fpr=metric.fpr)[1]
            if metric.reads == "verdicts":
                thresholds[k] = threshold
        units, freedom = _independent(columns, seen, metrics)
        cells[key] = Cell(
            values, replicates[:, m], thresholds, *n, columns.n_error[m], units, freedom, np.stack([low, high]), still
        )
    return cells


def _independent(columns: Columns, seen: NDArray[np.bool_], metrics: Sequence[str]) -> Floats:
    """Groups of the smaller class that each metric needs, and these less their strata: ``(2, k)``."""
    found = []
    for label in (False, True):
        drawn = columns.units.of(seen & (columns.labels == label))
        groups = len(np.unique(drawn.stratum * max(drawn.sizes, default=0) + drawn.number))
        found.append((groups, groups - len(np.unique(drawn.stratum))))
    present = [label for label in (0, 1) if found[label][0]]
    needed = [METRICS[name].needs or present or [0] for name in metrics]
    return np.array([min((found[label] for label in labels), key=lambda pair: pair[1]) for labels in needed], float).T


class RunningMean:
    """Unweighted mean of cells that holds one set of replicates; n are sums, a threshold that differs is NaN."""

    def __init__(self, first: Cell) -> None:
        self.sum, self.count = _single(first), 1

    def add(self, cell: Cell) -> None:
        """Count one more cell."""
        self.count += 1
        cell = _single(cell)
        self.sum = Cell(
            self.sum.values + cell.values,
            self.sum.replicates + cell.replicates,
            np.where(self.sum.thresholds == cell.thresholds, cell.thresholds, np.nan),
            self.sum.n_real + cell.n_real,
            self.sum.n_ai + cell.n_ai,
            self.sum.n_error + cell.n_error,
            np.minimum(self.sum.units, cell.units),
            np.minimum(self.sum.freedom, cell.freedom),
            still=None if self.sum.still is None or cell.still is None else self.sum.still + cell.still,
        )

    def mean(self) -> Cell:
        """The mean of the cells counted so far."""
        still = None if self.sum.still is None else self.sum.still / self.count
        return replace(
            self.sum, values=self.sum.values / self.count, replicates=self.sum.replicates / self.count, still=still
        )


def _single(cell: Cell) -> Cell:
    """A cell to be summed: its own intervals become those of a mean whose replicates stand still."""
    if cell.rate_bounds is None or cell.still is None:
        return cell
    return replace(cell, rate_bounds=None, still=np.where(np.isnan(cell.rate_bounds), cell.still, cell.rate_bounds))


def condition_means(cells: Cells) -> Cells:
    """Means over the degradations, which share their images, where a column covers all of at least two of its view."""
    groups: dict[Key, list[Key]] = {}
    for key in cells:
        if key.condition != "none":
            groups.setdefault(key._replace(condition=MEAN), []).append(key)
    means = {}
    for mean_key, keys in groups.items():
        if len(keys) == len({key.condition for key in cells if key.view == mean_key.view} - {"none"}) > 1:
            mean = RunningMean(cells[keys[0]])
            for key in keys[1:]:
                mean.add(cells[key])
            n = {name: max(getattr(cells[key], name) for key in keys) for name in ("n_real", "n_ai", "n_error")}
            means[mean_key] = replace(mean.mean(), **n)
    return means


def rows_of(test_set: str, cells: Cells, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of ``schema.SCORES`` with 95 % intervals, Wilson's for the rates of one test set; NaN becomes null."""
    rows = []
    for key, cell in cells.items():
        n = {"test_set": test_set, "n_real": cell.n_real, "n_ai": cell.n_ai, "n_error": cell.n_error}
        bounds = np.stack(percentile_interval(cell.replicates))
        if cell.rate_bounds is not None:
            bounds = np.where(np.isnan(cell.rate_bounds), bounds, cell.rate_bounds)
        if cell.still is not None:
            bounds = np.where(np.isnan(bounds), cell.still, bounds)
        numbers = np.stack([cell.values, *bounds, cell.thresholds], axis=1)
        for name, figures in zip(metrics, numbers.tolist(), strict=True):
            values = (None if np.isnan(figure) else figure for figure in figures)
            row = dict(zip(("value", "ci_low", "ci_high", "threshold"), values, strict=True))
            rows.append(key._asdict() | n | row | {"metric": name, "higher_is_better": METRICS[name].higher_is_better})
    return rows
