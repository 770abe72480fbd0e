"""Figures of the analyses: spectra and their radial profiles, correlated generators, training set sizes, content.

Colour maps rise in lightness and curves differ in dashes, so that every figure survives a grey printer.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator, PercentFormatter, ScalarFormatter
from scipy.cluster.hierarchy import dendrogram

from synthscope.metrics.detection import METRICS
from synthscope.report.figures import style
from synthscope.report.figures.style import COLOURS, DASHES, INK, MUTED, capped, label, styled
from synthscope.studies.correlation import Correlation, Transfer, notes, tree
from synthscope.studies.frequency.study import Spectrum
from synthscope.tables.wording import pretty, short_names

MAX_SOURCES, ACROSS = 24, 5


@styled
def spectra_figure(spectra: list[Spectrum], *, order: str, denoiser: str) -> Figure:
    """The centred log spectrum of every source on one scale, from 0 in the middle to half a cycle a pixel."""
    shown, more = capped(spectra, MAX_SOURCES, "sources")
    logs = [np.log10(s.amplitude + 1e-6) for s in shown]
    low, high = np.percentile(np.concatenate([log.ravel() for log in logs]), (1, 99.8))
    across = min(len(shown), ACROSS)
    down = math.ceil(len(shown) / across)
    figure = style.new_figure(1.55 * across + 0.9, 1.8 * down + 0.4)
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, s, log in zip(grid, shown, logs, strict=False):
        edge = 0.5 + 0.5 / s.size
        extent = (-edge, 0.5 - 0.5 / s.size, 0.5 - 0.5 / s.size, -edge) if s.size % 2 == 0 else (-0.5, 0.5, 0.5, -0.5)
        image = axes.imshow(log, vmin=low, vmax=high, cmap="viridis", extent=extent, interpolation="nearest")
        axes.set_title(label(pretty(s.source), 18), size=8.5)
        axes.set_xlabel(f"{s.n:,} images, {s.size} px", size=7, color=MUTED, labelpad=1)
        axes.set_xticks([-0.5, 0, 0.5], [])
        axes.set_yticks([-0.5, 0, 0.5], [])
        axes.tick_params(length=2)
        axes.grid(visible=False)
    for empty in grid[len(shown) :]:
        empty.set_visible(False)
    bar = figure.colorbar(image, ax=grid.tolist(), shrink=0.7, aspect=28, pad=0.015)
    bar.set_label("log10 amplitude (grey levels)", size=8)
    bar.outline.set_visible(False)  # type: ignore[operator]
    sentence = f"{denoiser.capitalize()} residuals, {order.replace('_', ' ')}. Ticks: −½, 0, ½ cycles a pixel."
    style.note(figure, [sentence, *more])
    return figure


@styled
def profile_figure(profiles: pl.DataFrame) -> Figure:
    """Radial profile of every source with its 95 % interval; real images in black."""
    sources, more = capped(profiles["source"].unique(maintain_order=True).to_list(), MAX_SOURCES, "sources")
    figure = style.new_figure(6.6, 3.9)
    axes = figure.subplots()
    palette = [colour for colour in COLOURS if colour != INK]
    drawn = 0
    for source in sources:
        rows = profiles.filter(pl.col("source") == source, pl.col("radius") > 0)
        real = rows["label"][0] == 0
        colour = INK if real else palette[drawn % len(palette)]
        dashes = DASHES[0] if real else DASHES[(drawn % len(palette) + drawn // len(palette)) % len(DASHES)]
        drawn += not real
        axes.plot(rows["frequency"], rows["amplitude"], color=colour, linestyle=dashes, label=label(pretty(source), 24),
                  linewidth=2.2 if real else 1.4)  # fmt: skip
        if rows["ci_low"].is_not_null().any():
            x, low, high = (rows[name].to_numpy() for name in ("frequency", "ci_low", "ci_high"))
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_yscale("log")
    axes.set_xlim(0, 0.5)
    axes.set_xlabel("cycles a pixel")
    axes.set_ylabel("amplitude (grey levels)")
    figure.legend(loc="outside right upper", fontsize=8)
    first = profiles.row(0, named=True)
    order = first["order"].replace("_", " ")
    band = "Bands: 95 % intervals, jackknife over images."
    style.note(figure, [f"Ring means, {first['denoiser']} residuals, {order}. {band}", *more])
    return figure


@styled
def correlation_figure(correlation: Correlation, transfer: Transfer) -> Figure:
    """The transfer matrix, and beside it the correlation of its columns in the order of their dendrogram."""
    found = tree(correlation)
    order = found[0] if found else list(range(len(correlation.columns)))
    wide, narrow = 0.46 * len(correlation.columns), 0.46 * len(order)
    margin = 0.5 + 0.075 * max(len(name) for name in (*transfer.rows, *correlation.columns))
    tall = 0.36 * max(len(transfer.rows), len(order))
    figure = style.new_figure(wide + narrow + 2 * margin, tall + 2.6)
    grid = figure.subplots(2, 2, width_ratios=(wide, narrow), height_ratios=(0.8, tall))
    grid[0, 0].set_axis_off()
    title = METRICS[transfer.metric].title if transfer.metric in METRICS else transfer.metric
    grid[0, 0].set_title(f"(a) {title} (%), rows: detectors", size=9)
    grid[0, 1].set_title("(b) Pearson's r of the test sets", size=9)
    columns, names = transfer.columns, correlation.columns
    _heat(grid[1, 0], 100 * transfer.values, transfer.rows, columns, span=(50, 100), form="{:.0f}", cmap="Blues")
    r = correlation.r[np.ix_(order, order)]
    _heat(
        grid[1, 1], r, [names[i] for i in order], [names[i] for i in order], span=(-1, 1), form="{:+.2f}", cmap="PuOr"
    )
    grid[0, 1].set_axis_off()
    if found:
        lines = dendrogram(found[1], no_plot=True)
        for x, y in zip(lines["icoord"], lines["dcoord"], strict=True):
            grid[0, 1].plot((np.array(x) - 5) / 10, y, color=INK, linewidth=1)
        grid[0, 1].set_xlim(-0.5, len(order) - 0.5)
        grid[0, 1].set_ylim(bottom=0)
    style.note(figure, ["Tree: average linkage on 1 − r.", *notes(correlation)])
    return figure


def _heat(
    axes: Axes, values: np.ndarray, rows: list[str], columns: list[str], *, span: tuple[float, float], form: str,
    cmap: str,
) -> None:  # fmt: skip
    """A heat map with its numbers in the cells, which also tells the signs apart without colour."""
    image = axes.imshow(values, vmin=span[0], vmax=span[1], cmap=cmap, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        dark = np.isfinite(value) and np.dot(image.to_rgba(np.array([value]))[0][:3], (0.2126, 0.7152, 0.0722)) < 0.5
        text = form.format(value).replace("-", "−") if np.isfinite(value) else "–"
        axes.text(column, row, text, ha="center", va="center", size=7, color="white" if dark else INK)
    axes.set_xticks(range(len(columns)), [label(name, 18) for name in columns], rotation=45, ha="right", size=8)
    axes.set_yticks(range(len(rows)), [label(name, 24) for name in rows], size=8)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


@styled
def scaling_figure(summary: pl.DataFrame) -> Figure:
    """Accuracy over the number of AI training images, a line for each number of classes, a panel for each test."""
    tests = summary["test"].unique(maintain_order=True).to_list()
    counts = summary["classes"].unique().sort().to_list()
    figure = style.new_figure(3.1 * len(tests) + 1.3, 3.3)
    panels = figure.subplots(1, len(tests), sharex=True, sharey=True, squeeze=False).ravel()
    for axes, test in zip(panels, tests, strict=True):
        for i, classes in enumerate(counts):
            rows = summary.filter(test=test, classes=classes).drop_nulls("accuracy").sort("train_ai")
            colour, x, y = COLOURS[i % len(COLOURS)], rows["train_ai"], rows["accuracy"]
            axes.plot(x, y, color=colour, linestyle=DASHES[i % len(DASHES)], marker="os^D"[i % 4])
            known = rows.drop_nulls("ci_low")
            axes.vlines(known["train_ai"], known["ci_low"], known["ci_high"], color=colour, linewidth=1)
            axes.plot(x, rows["published"], "os^D"[i % 4], color=colour, markerfacecolor="none", markersize=8)
        axes.axhline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_title("generator trained on" if test == "identical" else "all generators, mean")
        axes.set_xlabel("AI training images")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(sorted(set(summary["train_ai"]))))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    panels[0].set_ylabel("accuracy (%)")
    lowest = summary.select(pl.min_horizontal("accuracy", "ci_low", "published").min()).item()
    panels[0].set_ylim(min(0.45, (0.5 if lowest is None else lowest) - 0.03), 1.02)
    handles = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], linestyle=DASHES[i % len(DASHES)], marker="os^D"[i % 4])
        for i in range(len(counts))
    ]
    figure.legend(handles, [f"{n} classes" for n in counts], loc="outside right upper", fontsize=8)
    compared = summary["published"].is_not_null().any()
    open_marks = ["Open: published (GenImage, ResNet-50)."] if compared else []
    style.note(figure, ["Bars: 95 % intervals over seeds.", *open_marks])
    return figure


@styled
def content_figure(scores: pl.DataFrame) -> Figure:
    """Dots with 95 % intervals: a panel for each figure, a row for each detector and domain."""
    keys = scores.select("detector", "test_set").unique(maintain_order=True).rows()
    names = short_names(detector for detector, _ in keys)
    rows = [label(domain if len(names) == 1 else f"{names[detector]}, {domain}") for detector, domain in keys]
    metrics = scores.drop_nulls("value")["metric"].unique(maintain_order=True).to_list()
    if not metrics:
        return style.blank_figure("no image could be scored")
    figure = style.new_figure(0.9 + 0.075 * max(map(len, rows)) + 1.55 * len(metrics), 1.2 + 0.26 * len(rows))
    panels = figure.subplots(1, len(metrics), sharey=True, sharex=True, squeeze=False).ravel()
    for axes, metric in zip(panels, metrics, strict=True):
        for row in scores.filter(pl.col("metric") == metric, pl.col("value").is_not_null()).iter_rows(named=True):
            place = keys.index((row["detector"], row["test_set"]))
            if row["ci_low"] is not None:
                axes.hlines(place, row["ci_low"], row["ci_high"], color=COLOURS[0], linewidth=1.2)
            axes.plot(row["value"], place, "o", color=COLOURS[0])
        if METRICS[metric].needs != (0,) and METRICS[metric].needs != (1,):
            axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set_title(METRICS[metric].title, size=8.5)
        axes.set_xlim(-0.04, 1.04)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[5, 10]))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
        axes.grid(visible=False, axis="x")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(rows)), rows)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    style.note(figure, ["Percent, with 95 % intervals; dashed: a detector that guesses."])
    return figure
