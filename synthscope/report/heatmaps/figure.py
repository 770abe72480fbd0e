"""One figure of where detectors look: a row of pictures for each, with its numbers, and how they were chosen."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from synthscope.errors import SynthscopeError
from synthscope.report.figures import style
from synthscope.report.figures.style import INK, MUTED, label, styled
from synthscope.report.heatmaps.overlays import (
    CATEGORY_COLOURS,
    OTHER,
    SIDE,
    TILES,
    Panel,
    category_name,
    colour_bar,
    tiles,
)
from synthscope.runtime import whole_file


@styled
def heatmaps_figure(panels: Sequence[Panel], *, rule: str = "") -> Figure:
    """A row of image, annotation, heatmap and both for every panel, numbers below it, legend and colour bar at the end.

    Args:
        panels: Of detectors on one picture, or on pictures to be compared.
        rule: How the picture was chosen, printed below.
    """
    pictures = [tiles(panel, 2 * SIDE) for panel in panels]
    columns = [key for key in TILES if any(key in row for row in pictures)]
    side, gap, top, left = 2.1, 0.08, 0.28, 0.08  # inches
    width = left + len(columns) * (side + gap)
    told = style.small_print([label(rule, 1000)], width)
    bottom = 0.8 + 0.12 * told.count("\n")
    height = top + len(panels) * (side + 0.36) + bottom
    figure = style.new_figure(width, height)
    figure.set_layout_engine("none")  # the tiles are to have one size, whatever is written around them
    for row, (panel, found) in enumerate(zip(panels, pictures, strict=True)):
        low = height - top - row * (side + 0.36) - side
        for column, key in enumerate(columns):
            axes = figure.add_axes((
                (left + column * (side + gap)) / width, low / height, side / width, side / height
            ))  # fmt: skip
            axes.set_axis_off()
            if key in found:
                axes.imshow(found[key], interpolation="antialiased")
            if row == 0:
                axes.set_title(TILES[key], size=9)
        below = (low - 0.06) / height
        figure.text(left / width, below, label(panel.title), va="top", size=9, weight="bold")
        figure.text(1 - gap / width, below, panel.numbers, va="top", ha="right", size=9)
    _key(figure, panels, left / width, bottom - 0.8)
    figure.text(left / width, 0.08 / height, told, size=7.5, color=MUTED)
    return figure


def _key(figure: Figure, panels: Sequence[Panel], left: float, above: float) -> None:
    """Legend of the categories and colour bar, at the bottom, so many inches ``above`` it."""
    height = figure.get_figheight()
    if any(panel.heat is not None for panel in panels):
        bar = figure.add_axes((0.7, (above + 0.5) / height, 0.29, 0.1 / height))
        signed = any(panel.signed for panel in panels)
        bar.imshow(colour_bar(signed=signed), aspect="auto")
        bar.set_axis_off()
        words = "evidence for real, none, for AI" if signed else "relevance, each map from least to greatest"
        bar.set_title(words, loc="right", size=7.5, weight="normal", color=MUTED, pad=3)
    categories = sorted({region.category for panel in panels for region in panel.regions}, key=category_name)
    if categories:
        handles = [
            Patch(facecolor=CATEGORY_COLOURS.get(c or "", OTHER), edgecolor=INK, linewidth=0.5) for c in categories
        ]
        names = [category_name(category) for category in categories]
        place = (left, (above + 0.3) / height)
        figure.legend(handles, names, loc="lower left", bbox_to_anchor=place, ncols=4, fontsize=8, borderpad=0,
                      borderaxespad=0, columnspacing=1.2)  # fmt: skip


@styled
def save_picture(figure: Figure, path: Path, *, max_bytes: int = 300_000) -> Path:
    """Write a figure as a PNG of 256 colours on white paper, as sharp as ``max_bytes`` allows, for a README.

    Raises:
        SynthscopeError: Larger even at 80 dots an inch; nothing is written.
    """
    from PIL import Image

    for dpi in (170, 140, 110, 80):
        raw, packed = io.BytesIO(), io.BytesIO()
        figure.savefig(raw, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
        with Image.open(raw) as image:  # a palette by coverage: a median cut turns the legend's colours into others
            full = image.convert("RGB")
        few = full.resize((full.width // 3, full.height // 3), Image.Resampling.NEAREST)  # enough to choose colours
        palette = few.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=5)
        small = full.quantize(palette=palette, dither=Image.Dither.NONE)
        small.save(packed, "PNG", optimize=True)
        if packed.tell() <= max_bytes:
            break
    else:
        raise SynthscopeError(
            f"Expected a picture of at most {max_bytes:,} bytes at {path}, got {packed.tell():,}. Draw fewer panels."
        )
    with whole_file(path) as temporary:
        temporary.write_bytes(packed.getvalue())
    return path
