"""Words that readers see for the ids in the tables, and the order in which test sets and conditions appear."""

from __future__ import annotations

import polars as pl

from synthscope.metrics.detection import METRICS
from synthscope.scoring.columns import MEAN
from synthscope.tables.benchmark import DEGRADATIONS
from synthscope.tables.wording import in_order, view_names

__all__ = ["CHANCE", "conditions", "distinct", "metric_name", "percent", "test_sets", "view_names"]

CHANCE = {"accuracy": 0.5, "balanced_accuracy": 0.5, "auroc": 0.5}  # of a detector that guesses


def distinct(table: pl.DataFrame, column: str) -> list[str]:
    """The values of a column in the order in which they first appear, without nulls."""
    return table[column].drop_nulls().unique(maintain_order=True).to_list()


def test_sets(table: pl.DataFrame) -> list[str]:
    """Test sets of some scores: GenImage's in the paper's order, then others as they come, the mean last."""
    found = distinct(table, "test_set")
    return in_order(name for name in found if name != MEAN) + [MEAN] * (MEAN in found)


def conditions(table: pl.DataFrame) -> list[str]:
    """Conditions of some scores but their mean: clean images, GenImage's degradations in its order, then others."""
    found = distinct(table, "condition")
    return [name for name in dict.fromkeys(("none", *DEGRADATIONS, *found)) if name in found and name != MEAN]


def metric_name(metric: str) -> str:
    """Name of a metric at the start of a line.

    >>> metric_name("auroc"), metric_name("my_metric")
    ('AUROC', 'My metric')
    """
    return METRICS[metric].title if metric in METRICS else metric.replace("_", " ").capitalize()


def percent(metric: str) -> bool:
    """Whether a metric is printed in percent, as rates are, or as a plain number."""
    return metric in METRICS and METRICS[metric].reads in {"verdicts", "ranks"}
