"""Flat parts that drawings are made of: polygons of one material, in local units (x right of the foot, y up)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from synthscope.sandbox.lettering import Word, strokes

Colour = tuple[float, float, float]
WHITE, BLACK, GREY, WOOD = (0.93, 0.92, 0.88), (0.1, 0.1, 0.11), (0.5, 0.51, 0.54), (0.55, 0.36, 0.2)
BRIGHT: tuple[Colour, ...] = (
    (0.83, 0.2, 0.16),
    (0.95, 0.68, 0.13),
    (0.2, 0.45, 0.76),
    (0.18, 0.55, 0.38),
    (0.56, 0.29, 0.6),
    (0.92, 0.45, 0.55),
)


@dataclass(frozen=True)
class Part:
    """Polygons ``(n, 2)`` of one material: sRGB colour, contrast of its grain, strength of its round shading."""

    outlines: tuple[np.ndarray, ...]
    colour: Colour
    grain: float = 0.12
    relief: float = 0.25


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0, span: float = 2 * np.pi) -> np.ndarray:
    """Polygon of an ellipse, or of the sector of it of ``span`` from the positive x axis, turned by ``turn``."""
    angle = np.linspace(0, span, 25)[: 24 if span >= 2 * np.pi else None]
    local = np.stack([rx * np.cos(angle), ry * np.sin(angle)], axis=1)
    cos, sin = np.cos(turn), np.sin(turn)
    return local @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


def bar(start: tuple[float, float], end: tuple[float, float], width: float, taper: float = 1.0) -> np.ndarray:
    """Quadrilateral along a line, ``width`` wide at its start and ``taper`` times that at its end."""
    a, b = np.array(start), np.array(end)
    side = np.array([a[1] - b[1], b[0] - a[0]]) / max(float(np.hypot(*(b - a))), 1e-6) * width / 2
    return np.array([a + side, b + side * taper, b - side * taper, a - side])


def box(left: float, bottom: float, right: float, top: float) -> np.ndarray:
    """Upright rectangle."""
    return np.array([[left, bottom], [right, bottom], [right, top], [left, top]])


def part(
    outlines: Iterable[np.ndarray] | np.ndarray, colour: Colour, grain: float = 0.12, relief: float = 0.25
) -> Part:
    """A :class:`Part` of one outline or several."""
    shapes = (outlines,) if isinstance(outlines, np.ndarray) else tuple(outlines)
    return Part(shapes, colour, grain, relief)


def signboard(word: Word, colour: Colour, height: float = 1.0, wide: float = 0.9) -> list[Part]:
    """A board with ``word`` in white strokes on a post."""
    top, bottom = height, height - 0.36
    lettering = [
        bar(tuple(a), tuple(b), 0.036)
        for stroke in strokes(word, (-wide / 2 + 0.08, bottom + 0.09), (wide - 0.16, 0.18))
        for a, b in pairwise(stroke)
    ]
    return [
        part(box(-0.035, 0, 0.035, bottom), GREY),
        part(box(-wide / 2, bottom, wide / 2, top), WHITE, 0.03, 0.0),
        part(box(-wide / 2 + 0.025, bottom + 0.025, wide / 2 - 0.025, top - 0.025), colour, 0.04, 0.0),
        part(lettering, WHITE, 0.0, 0.0),
    ]
