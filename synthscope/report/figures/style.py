"""How every figure looks and is saved: colour-blind safe, legible in print, the same bytes from the same numbers.

Figures have a transparent background and dark ink, so that a page can show them on any paper.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, TypeVar

import matplotlib
import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from synthscope.runtime.files import whole_file, write_text

T = TypeVar("T")
INK, MUTED, GRID = "#1c2126", "#5f6b76", "#d5dade"
REAL, AI = "#0072B2", "#D55E00"  # Okabe & Ito (2008), as are the colours of the detectors
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#8C6D00", "#1c2126", "#E69F00")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5)))

_RC: dict[str, Any] = {
    "font.size": 9, "font.family": ["DejaVu Sans"], "text.color": INK, "text.usetex": False,
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "axes.linewidth": 0.7, "axes.titlesize": 9.5,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.spines.top": False, "axes.spines.right": False,
    "axes.axisbelow": True, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.6,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "xtick.major.size": 3, "ytick.major.size": 3, "legend.frameon": False, "legend.fontsize": 8.5,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "lines.linewidth": 1.6, "lines.markersize": 5, "svg.fonttype": "path", "svg.hashsalt": "synthscope",
}  # fmt: skip
styled = matplotlib.style.context(["default", _RC])  # a decorator: the user's matplotlibrc must not change a report


def new_figure(width: float, height: float) -> Figure:
    """A figure in inches that belongs to no global state, so that servers and threads can make them."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def grid_of_axes(count: int, *, columns: int, size: float) -> tuple[Figure, list[Axes]]:
    """``count`` equal square axes of ``size`` inches that share their ticks, at most ``columns`` beside each other."""
    columns = max(1, min(columns, count))
    rows = -(-max(count, 1) // columns)
    figure = new_figure(max(size * columns + 0.6, 4.2), size * rows + 0.9)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
    for empty in axes[count:]:
        empty.set_visible(False)
    for above in axes[max(count - columns, 0) : count]:
        above.xaxis.set_tick_params(labelbottom=True)
    return figure, axes[:count]


def label(name: object, width: int = 72) -> str:
    """A name from a file as figure text: no line breaks or control characters, no formulas, at most ``width`` long.

    Names of detectors and views fit; ``width`` is there for what nobody can read anyway.

    >>> label("a$b$\\n")
    'a\\\\$b\\\\$\\ufffd'
    """
    text = "".join(character if character.isprintable() else "\ufffd" for character in str(name))
    if len(text) > width:
        text = f"{text[: width // 2]}…{text[-(width - width // 2 - 1) :]}"
    return text.replace("$", r"\$")


def lines(name: object, width: int) -> str:
    """:func:`label` of a long name in lines of at most ``width`` characters, broken behind a sign where there is one.

    >>> lines("crop:size=128,grid=16|jpeg:q=96", 14)
    'crop:size=128,\\ngrid=16|\\njpeg:q=96'
    """
    broken = [""]
    signs = "|,._/ -"
    for piece in re.findall(f"[^{signs}]{{1,{width - 1}}}[{signs}]?|[{signs}]", label(name, 8 * width)):
        if len(broken[-1] + piece.rstrip()) <= width:
            broken[-1] += piece
        else:
            broken.append(piece)
    return "\n".join(line.strip() for line in broken)


def legend(figure: Figure, handles: Sequence[Artist], names: Sequence[str], *, most: int) -> None:
    """A legend above the panels, in as many columns as the figure is wide enough for, at most ``most``."""
    character, key, width = 0.078, 0.6, figure.get_figwidth()  # inches
    texts = [lines(name, int((width - key) / character)) for name in names]
    columns = int(width / (character * max(map(len, names), default=0) + key))
    figure.legend(handles, texts, loc="outside upper left", ncols=max(1, min(most, len(names), columns)))


def capped(items: list[T], limit: int, what: str) -> tuple[list[T], list[str]]:
    """The first ``limit`` items, and a note if that left some out.

    >>> capped([1, 2, 3], 2, "detectors")
    ([1, 2], ['2 of 3 detectors shown.'])
    """
    return items[:limit], [f"{limit} of {len(items)} {what} shown."] if len(items) > limit else []


def note(figure: Figure, sentences: list[str]) -> None:
    """Small print under a figure, as many lines as it takes: what was left out, how many images."""
    if sentences:
        text = small_print(sentences, figure.get_figwidth())
        figure.supxlabel(text, fontsize=7.5, color=MUTED, x=0.01, ha="left")


def small_print(sentences: Sequence[str], width: float) -> str:
    """Sentences in lines that are at most ``width`` inches long at a size of 7.5 points."""
    characters = int((width - 0.1) / 0.056)
    return "\n".join(fill(line, characters) for line in "   ".join(sentences).split("\n"))


def blank_figure(sentence: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = new_figure(5.5, 1.2)
    figure.text(0.5, 0.5, sentence, ha="center", va="center", color=MUTED)
    return figure


@styled
def to_svg(figure: Figure) -> str:
    """The figure as SVG text with outlined letters: the same text for the same figure, on every machine."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = re.sub(r"<\?xml.*?<svg ", "<svg ", buffer.getvalue(), count=1, flags=re.DOTALL)
    return re.sub(r'\b(d|x|y)="[^"]*"', lambda part: re.sub(r"(\.\d\d)\d+", r"\1", part[0]), text)  # 0.01 points


@styled
def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.png`` (200 dots an inch, white paper) and ``stem.svg``; returns both paths."""
    png, svg = stem.with_suffix(".png"), stem.with_suffix(".svg")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout takes longer than the drawing; once is enough for both files
    with whole_file(png) as temporary:
        figure.savefig(temporary, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    write_text(svg, to_svg(figure))
    return [png, svg]
