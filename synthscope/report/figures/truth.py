"""The truth test as a heat table: explainers x measures, coloured by how far the twin worlds lie apart."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from synthscope.metrics.localization.maps import LOCALIZATION
from synthscope.report.figures import style
from synthscope.report.figures.style import INK, capped, label, styled
from synthscope.studies.truth.values import ARTIFACTS, FINGERPRINTS

MAX_RECIPES = 6
POOLED = {"micro_iou": "IoU, pooled", "micro_precision": "Precision, pooled", "micro_recall": "Recall, pooled",
          "micro_f1": "F1, pooled"}  # fmt: skip
NOTES = [
    "* Tells the worlds apart: the interval lies above 0 for every seed.",
    "f, u: above chance with fingerprints alone, with random weights.",
]


@styled
def truth_figure(verdicts: pl.DataFrame, accuracy: pl.DataFrame) -> Figure:
    """A panel for each recipe: mean score with artifacts less that with fingerprints, and marks of the verdicts.

    Args:
        verdicts: Of :func:`synthscope.studies.truth.verdicts.verdicts`.
        accuracy: Of :func:`synthscope.studies.truth.study.truth`.
    """
    table = verdicts.filter(images="all")
    recipes, more = capped(table["recipe"].unique(maintain_order=True).to_list(), MAX_RECIPES, "recipes")
    if not recipes:
        return style.blank_figure("No heatmap was scored.")
    measures = table["measure"].unique(maintain_order=True).to_list()
    parts = [table.filter(recipe=recipe) for recipe in recipes]
    heights = [part["explainer"].n_unique() for part in parts]
    span = max(0.01, *table["difference"].drop_nulls().abs())
    figure = style.new_figure(0.72 * len(measures) + 2.4, 0.38 * sum(heights) + 0.4 * len(parts) + 1.9)
    panels = figure.subplots(len(parts), 1, sharex=True, squeeze=False, height_ratios=heights).ravel().tolist()
    for axes, part, recipe in zip(panels, parts, recipes, strict=True):
        image = _panel(axes, part, measures, span)
        axes.set_title(f"{label(recipe)}, {_right(accuracy.filter(recipe=recipe))}", size=9)
    names = [LOCALIZATION[name].title if name in LOCALIZATION else POOLED[name] for name in measures]
    panels[-1].set_xticks(range(len(measures)), names, rotation=40, ha="right", size=8)
    bar = figure.colorbar(image, ax=panels, shrink=0.8, aspect=30, pad=0.015)
    bar.set_label("artifacts − fingerprints", size=8)
    bar.outline.set_visible(False)  # type: ignore[operator]
    style.note(figure, [*NOTES, *more])
    return figure


def _right(accuracy: pl.DataFrame) -> str:
    """Balanced accuracy in both worlds, the mean over the seeds."""
    rows = accuracy.filter(metric="balanced_accuracy")
    told = []
    for world in (ARTIFACTS, FINGERPRINTS):
        values = rows.filter(world=world)["value"].to_list()
        told.append(f"{100 * sum(values) / len(values):.1f} % with {world}")
    return f"balanced accuracy {', '.join(told)}"


def _panel(axes: Axes, part: pl.DataFrame, measures: list[str], span: float) -> AxesImage:
    explainers = part["explainer"].unique(maintain_order=True).to_list()
    values = np.full((len(explainers), len(measures)), np.nan)
    texts = {}
    for row in part.drop_nulls("difference").iter_rows(named=True):
        place = explainers.index(row["explainer"]), measures.index(row["measure"])
        values[place] = row["difference"]
        marks = [m for m in "fu" if row[{"f": "fingerprints_score", "u": "untrained_score"}[m]] == "above"]
        number = f"{row['difference']:+.2f}".replace("-", "−")
        texts[place] = f"{number}{'*' if row['tells_apart'] == 'yes' else ''}\n{' '.join(marks)}".rstrip()
    image = axes.imshow(values, vmin=-span, vmax=span, cmap="PuOr", aspect="auto")
    for (row_index, column), value in np.ndenumerate(values):
        light = np.dot(image.to_rgba(np.array([np.nan_to_num(value)]))[0][:3], (0.2126, 0.7152, 0.0722))
        text = texts.get((row_index, column), "–")
        axes.text(column, row_index, text, ha="center", va="center", size=6.8, color="white" if light < 0.5 else INK)
    axes.set_yticks(range(len(explainers)), [style.lines(name, 26) for name in explainers], size=8)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return image
