"""Figures of the frequency study: mean spectra of every source, and their radial profiles."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from synthscope.report.figures import style
from synthscope.report.figures.style import COLOURS, DASHES, INK, MUTED, capped, label, lines, styled
from synthscope.studies.frequency.study import Spectrum
from synthscope.tables.wording import pretty

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
        axes.set_title(lines(pretty(s.source), 18), size=8.5)
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
        axes.plot(rows["frequency"], rows["amplitude"], color=colour, linestyle=dashes, label=label(pretty(source)),
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
