"""Figures of the predictions on clean images: ROC, reliability and logits. Every function returns a figure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from synthscope.metrics.calibration import reliability
from synthscope.metrics.detection import roc_counts
from synthscope.metrics.intervals import wilson
from synthscope.report.figures import style
from synthscope.report.figures.style import AI, COLOURS, DASHES, GRID, INK, MUTED, REAL, capped, lines, styled
from synthscope.report.names import distinct
from synthscope.tables.wording import in_order, pretty, short_names

MAX_LINES, MAX_PANELS = 6, 24


@styled
def roc_figure(predictions: pl.DataFrame, view: str = "none", by: str = "subset") -> Figure:
    """ROC curves of clean images, a panel per test set; real images without a test set count in every one.

    Args:
        predictions: Rows of ``schema.PREDICTIONS``.
        view: View of the images.
        by: Column that names the test sets.
    """
    table = clean_predictions(predictions, view)
    every_real = pl.col(by).is_null() | ((pl.lit(by) == "generator") & (pl.col("label") == 0))
    tests, notes = capped(in_order(distinct(table.filter(~every_real), by)), MAX_PANELS, "test sets")
    if not tests:
        return style.blank_figure("no predictions to draw")
    detectors, more = capped(distinct(table, "detector"), MAX_LINES, "detectors")
    figure, panels = style.grid_of_axes(len(tests), columns=4, size=2.1)
    names = short_names(detectors)
    for axes, test in zip(panels, tests, strict=True):
        rows = table.filter((pl.col(by) == test) | every_real)
        axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
        for index, detector in enumerate(detectors):
            own = rows.filter(detector=detector)
            line = {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index % len(DASHES)]}
            if own["label"].n_unique() == 2:
                alarms, hits, _ = roc_counts(own["label"], own["logit"].cast(pl.Float64))
                axes.plot(alarms / alarms[-1], hits / hits[-1], **line)
            axes.plot([], [], label=detector, **line)
        first = rows.filter(detector=detectors[0])
        axes.set_title(lines(pretty(test), 24))
        axes.text(0.97, 0.04, _counts(first), ha="right", size=7.5, color=MUTED, transform=axes.transAxes)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], aspect="equal")
    figure.supylabel("AI images found", size=9)
    handles, shown = panels[0].get_legend_handles_labels()
    style.legend(figure, handles, [names[detector] for detector in shown], most=3)
    style.note(figure, ["Across: real images called AI.", *notes, *more])
    return figure


@styled
def reliability_figure(predictions: pl.DataFrame, view: str = "none") -> Figure:
    """p(AI) against the frequency of AI in 15 equal bins, a panel per detector, with 95 % Wilson intervals."""

    def draw(axes: Axes, rows: pl.DataFrame) -> None:
        rows = rows.drop_nulls("p_ai")
        if rows.is_empty():
            return
        curve = reliability(rows["label"], rows["p_ai"])
        filled = curve.n > 0
        mean_p, frequency, n = curve.mean_p[filled], curve.frequency[filled], curve.n[filled]
        low, high = np.array([wilson(round(f * k), int(k)) for f, k in zip(frequency, n, strict=True)]).T
        axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
        axes.vlines(mean_p, low, high, color=REAL, linewidth=1, alpha=0.55)
        axes.scatter(mean_p, frequency, s=6 + 60 * n / n.max(), color=REAL, linewidths=0, zorder=3)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], aspect="equal")

    sentence = "Across: predicted p(AI). On the line, p(AI) means what it says; area of a dot = images."
    return _per_detector(clean_predictions(predictions, view), draw, "Frequency of AI", sentence)


@styled
def logit_histogram(predictions: pl.DataFrame, view: str = "none") -> Figure:
    """Logits of real and AI images, a panel per detector, each class as a share of itself; the threshold is marked."""

    def draw(axes: Axes, rows: pl.DataFrame) -> None:
        logits = rows["logit"].to_numpy().astype(float)
        low, high = np.quantile(logits, [0.002, 0.998])
        bins = np.linspace(low - 0.5, high + 0.5, 41).tolist()
        for value, name, colour in ((0, "real", REAL), (1, "AI", AI)):
            chosen = np.clip(logits[rows["label"].to_numpy() == value], bins[0], bins[-1])
            if len(chosen):
                axes.hist(
                    chosen, bins, weights=np.full(len(chosen), 1 / len(chosen)), histtype="stepfilled", alpha=0.4,
                    color=colour,
                )  # fmt: skip
                axes.hist(chosen, bins, weights=np.full(len(chosen), 1 / len(chosen)), histtype="step", color=colour)
            axes.plot([], [], color=colour, linewidth=5, alpha=0.6, label=name)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.axvline(rows["threshold"].fill_null(0.0)[0], color=INK, linewidth=0.9, linestyle=(0, (4, 2)))

    sentence = "Across: logit, AI above the dashed threshold; the outermost 0.2 % are drawn at the edge."
    return _per_detector(clean_predictions(predictions, view), draw, "Share of the class", sentence, legend=True)


def clean_predictions(predictions: pl.DataFrame, view: str) -> pl.DataFrame:
    """Usable rows of undegraded images in one view."""
    return predictions.filter(
        pl.col("error").is_null(), pl.col("logit").is_finite(), pl.col("label").is_not_null(),
        pl.col("condition") == "none", pl.col("view").fill_null("none") == view,
    )  # fmt: skip


def _counts(rows: pl.DataFrame) -> str:
    return f"{(rows['label'] == 0).sum():,} real + {(rows['label'] == 1).sum():,} AI"


def _per_detector(
    table: pl.DataFrame, draw: Callable[[Axes, pl.DataFrame], None], side: str, sentence: str, *, legend: bool = False
) -> Figure:
    """A panel per detector, drawn by ``draw`` from its rows."""
    detectors, notes = capped(distinct(table, "detector"), MAX_PANELS, "detectors")
    if not detectors:
        return style.blank_figure("no predictions to draw")
    figure, panels = style.grid_of_axes(len(detectors), columns=4, size=2.1)
    names = short_names(detectors)
    for axes, detector in zip(panels, detectors, strict=True):
        rows = table.filter(detector=detector)
        draw(axes, rows)
        axes.set_title(lines(names[detector], 22), pad=13)
        axes.text(0, 1.015, _counts(rows.unique("path")), size=7, color=MUTED, va="bottom", transform=axes.transAxes)
    figure.supylabel(side, size=9)
    if legend:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    style.note(figure, [sentence, *notes])
    return figure
