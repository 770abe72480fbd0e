"""Words that readers see for the ids in the tables, and the order in which test sets and conditions appear."""

from __future__ import annotations

import polars as pl

from synthscope.annotations.taxonomy import BY_LABEL
from synthscope.data.degrade.chains import chain_words
from synthscope.metrics.detection import METRICS
from synthscope.metrics.localization.maps import LOCALIZATION
from synthscope.scoring.columns import MEAN
from synthscope.tables.benchmark import DEGRADATIONS
from synthscope.tables.wording import in_order, pretty

CHANCE = {"accuracy": 0.5, "balanced_accuracy": 0.5, "auroc": 0.5}  # of a detector that guesses
TITLES = {name: measure.title for name, measure in LOCALIZATION.items()} | {
    "micro_f1": "Micro F1", "iou": "IoU", "mean_iou": "Mean IoU", "pix_f1": "Pixel F1",
    "pix_precision": "Pixel precision", "pix_recall": "Pixel recall", "stability_spearman": "Spearman",
    "stability_iou_10pct": "IoU of the top 10 %", "difference_sd": "Difference in SD",
    "drop_artifact_sd": "Drop artifact in SD",
} | {label: category.name for label, category in BY_LABEL.items()}  # fmt: skip


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


def title(name: str | None) -> str:
    """Head of a column.

    >>> title("iou_at_area"), title("drop_artifact"), title("low-level-color"), title(None)
    ('IoU at the annotated area', 'Drop artifact', 'Color', 'All')
    """
    if name is None:
        return "All"
    return TITLES.get(name) or (metric_name(name) if name.isidentifier() else chain_words(name))


def word(key: str, value: str | None) -> str:
    """What a row is of, as its small print.

    >>> word("explainer", "gradcam"), word("view", "none"), word("category", None)
    ('gradcam', 'raw', 'all categories')
    """
    if value is None:
        return "all categories" if key == "category" else f"any {key.replace('_', ' ')}"
    if value == "none":
        return {"view": "raw", "condition": "clean"}.get(key, "none")
    return TITLES.get(value) or (chain_words(value) if key == "condition" else pretty(value))


def number(metric: str, value: float | None) -> str:
    """A value as the page prints it: rates in percent without the sign, other numbers with three decimals.

    >>> number("accuracy", 0.7214), number("ece", 0.0612), number("auroc", None)
    ('72.1', '0.061', '–')
    """
    if value is None:
        return "–"
    return f"{100 * value:.1f}" if percent(metric) else f"{value:.3f}"


def sizes(rows: pl.DataFrame) -> str:
    """Images per class behind some scores: "28 + 28", with a range where rows differ."""
    parts = []
    for column in ("n_real", "n_ai"):
        numbers = sorted(rows[column].drop_nulls().unique().to_list())
        parts.append("–".join(f"{number:,}" for number in dict.fromkeys((*numbers[:1], *numbers[-1:]))) or "?")
    return " + ".join(parts)
