"""Figures of a page: saved beside it, and embedded in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from synthscope.report.figures.style import save_figure
from synthscope.report.uri import data_uri

MAX_SVG_BYTES = 250_000
PNG_DPI = 200  # of save_figure


@dataclass(frozen=True)
class Drawing:
    """A figure of the page: data URI, natural width in CSS pixels, words for those who cannot see it."""

    title: str
    uri: str
    width: int
    alt: str


def drawing(figure: Figure, stem: Path, title: str, alt: str) -> Drawing:
    """Save a figure as ``stem.png`` and ``stem.svg``, and embed it."""
    return _embedded(save_figure(figure, stem), title, alt, figure.get_figwidth())


def stored_drawing(png: Path, title: str, alt: str) -> Drawing:
    """Embed a figure that ``save_figure`` has written before."""
    from PIL import Image

    with Image.open(png, formats=["PNG"]) as image:
        inches = image.width / PNG_DPI
    return _embedded([png, png.with_suffix(".svg")], title, alt, inches)


def _embedded(files: list[Path], title: str, alt: str, inches: float) -> Drawing:
    """As a data URI: SVG, or PNG where the SVG would make the page heavy."""
    png, svg = files
    kind, file = ("svg+xml", svg) if svg.stat().st_size <= MAX_SVG_BYTES else ("png", png)
    uri = data_uri(file.read_bytes(), f"image/{kind}")
    return Drawing(title, uri, round(inches * 96), alt)
