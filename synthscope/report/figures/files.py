"""What the files of a data set are: histograms of real and AI images. The function returns a figure."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from synthscope.report.figures import style
from synthscope.report.figures.style import AI, REAL, styled

CLASSES = ((0, "real", REAL), (1, "AI", AI))


@styled
def files_figure(images: pl.DataFrame) -> Figure:
    """Size, JPEG quality and bits a pixel of real and AI images, each as a share of its label.

    Args:
        images: Usable rows of a manifest, a path each.
    """
    area = pl.col("width").cast(pl.Float64) * pl.col("height")
    known = images.drop_nulls(["width", "height", "bytes"]).with_columns(
        side=area.sqrt(), bits=8 * pl.col("bytes") / area
    )
    if known.is_empty():
        return style.blank_figure("no measured images to draw")
    figure = style.new_figure(8.6, 2.7)
    panels = figure.subplots(1, 3).ravel()
    _histogram(panels[0], known, "side", "Side of a square as large (pixels)", log=True)
    quality = known.drop_nulls("jpeg_quality")
    _histogram(panels[1], quality, "jpeg_quality", "JPEG quality", bins=np.arange(-0.5, 101, 4))
    _histogram(panels[2], known, "bits", "Bits a pixel", log=True)
    for label, name, colour in CLASSES:
        n = known.filter(label=label).height
        panels[0].plot([], [], color=colour, linewidth=5, alpha=0.6, label=f"{name}, {n:,} images")
    figure.supylabel("Share of the label", size=9)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return figure


def _histogram(
    axes: Axes, rows: pl.DataFrame, column: str, name: str, *, log: bool = False, bins: np.ndarray | None = None
) -> None:
    axes.set_title(name)
    axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if rows.is_empty():
        axes.text(0.5, 0.5, "no JPEG files", ha="center", color=style.MUTED, transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    if bins is None:
        low, high = (float(rows[column].quantile(q) or 0) for q in (0, 1))
        bins = np.geomspace(low / 1.1, high * 1.1, 28)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(_ticks(float(bins[0]), float(bins[-1])))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for label, _, colour in CLASSES:
        values = rows.filter(label=label)[column].to_numpy().astype(float)
        weights = np.full(len(values), 1 / max(len(values), 1))
        axes.hist(values, bins.tolist(), weights=weights, histtype="stepfilled", alpha=0.4, color=colour)
        axes.hist(values, bins.tolist(), weights=weights, histtype="step", color=colour)


def _ticks(low: float, high: float) -> list[float]:
    """At most six powers of two inside a range, or where these are few, numbers of two digits.

    >>> _ticks(100, 600), _ticks(110, 210)
    ([128.0, 256.0, 512.0], [120.0, 150.0, 190.0])
    """
    powers = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
    if len(powers) >= 3:
        return powers[:: -(-len(powers) // 6)].tolist()
    return [float(f"{value:.1e}") for value in np.geomspace(low * 1.1, high / 1.1, 3)]
