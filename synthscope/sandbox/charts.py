"""Charts of random numbers, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from PIL import Image


def chart(rng: Generator, _: Sequence[Image.Image] = ()) -> Image.Image:
    """One to four panels of bars, lines, points, steps, shares or boxes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=tuple(rng.uniform(5, 11, 2)), dpi=float(rng.uniform(80, 180)))
    canvas = FigureCanvasAgg(figure)
    if rng.random() < 0.3:
        figure.set_facecolor(str(rng.uniform(0.8, 1)))
    rows, columns = (int(n) for n in rng.integers(1, 3, 2))
    for i in range(rows * columns):
        axes = figure.add_subplot(rows, columns, i + 1)
        x, kind = np.arange(int(rng.integers(4, 30))), int(rng.integers(6))
        y = rng.uniform(0.1, 1, (3, len(x)))
        if kind == 0:
            axes.bar(x, y[0], color=rng.uniform(0, 1, 3))
        elif kind == 1:
            axes.plot(x, y.T, linewidth=2, label=["one", "two", "three"])
            axes.legend()
        elif kind == 2:
            axes.scatter(y[0], y[1], s=200 * y[2])
        elif kind == 3:
            axes.stackplot(x, y)
        elif kind == 4:
            axes.pie(y[0, :7])
        else:
            axes.boxplot(list(y), patch_artist=True)
        axes.set_title(f"panel {i + 1}")
        axes.grid(rng.random() < 0.4)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3].copy())
