"""A gallery of heatmaps as a notebook shows it: plain HTML without a script, every text escaped, pictures inside."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthscope.report.heatmaps.examples import Example, Gallery, Tile


def gallery_html(gallery: Gallery) -> str:
    """Every exhibit with its rule and its examples; the legend and the notes at the end."""
    parts = []
    for exhibit in gallery.exhibits:
        parts.append(f"<h4>{escape(exhibit.detector)}, {escape(exhibit.explainer)}</h4><p>{escape(exhibit.rule)}</p>")
        parts += map(_example, exhibit.examples)
    for colour, name in gallery.categories:
        square = f'<span style="display: inline-block; width: 1em; height: 1em; background: {escape(colour)}"></span>'
        parts.append(f"<div>{square} {escape(name)}</div>")
    for uri, meaning in gallery.bars:
        bar = f'<img alt="" src="{escape(uri)}" style="width: 8rem; height: .7rem">'
        parts.append(f"<div>{bar} {escape(meaning)}</div>")
    return "".join([*parts, *(f"<p>{escape(note)}</p>" for note in gallery.notes)])


def _example(example: Example) -> str:
    tiles = "".join(map(_tile, example.tiles))
    about = f"<b>{escape(example.rank)}</b> {escape(example.about)}"
    return f'<p>{about}</p><div style="display: flex; flex-wrap: wrap; gap: .6rem">{tiles}</div>'


def _tile(tile: Tile) -> str:
    caption = f"<figcaption>{escape(tile.title)}<br><small>{escape(tile.numbers)}</small></figcaption>"
    image = f'<img alt="{escape(tile.alt)}" src="{escape(tile.uri)}">'
    return f'<figure style="margin: 0; max-width: 16rem">{image}{caption}</figure>'
