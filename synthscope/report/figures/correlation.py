"""Figure of correlated generators: the transfer matrix, and the correlation of its columns."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram

from synthscope.metrics.detection import METRICS
from synthscope.report.figures import style
from synthscope.report.figures.style import INK, styled
from synthscope.studies.correlation import Correlation, Transfer, notes, tree


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
    axes.set_xticks(range(len(columns)), [style.lines(name, 20) for name in columns], rotation=45, ha="right", size=8)
    axes.set_yticks(range(len(rows)), [style.lines(name, 26) for name in rows], size=8)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
