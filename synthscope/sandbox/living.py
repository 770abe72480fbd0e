"""Drawings of plants and animals."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.random import Generator

from synthscope.sandbox.shapes import BLACK, WHITE, Colour, Part, bar, box, ellipse, part


def _legs(xs: Iterable[float], top: float, width: float, colour: Colour) -> Part:
    return part([bar((x, top), (x, 0.0), width, 0.7) for x in xs], colour)


def daisy(rng: Generator, fault: bool) -> list[Part]:
    """Nine to thirteen petals; wrong: a second head fused to the first."""
    petals, turn = int(rng.integers(9, 14)), rng.uniform(0, 1)
    colour = (WHITE, (0.96, 0.82, 0.9), (0.98, 0.85, 0.3))[rng.integers(3)]
    heads = [(0.0, 0.72, petals)] + ([(0.2, 0.6, petals - 3)] if fault else [])
    parts = [
        part(bar((0, 0), (0, 0.72), 0.045), (0.22, 0.45, 0.15)),
        part([ellipse(0.13, 0.2, 0.16, 0.05, 0.6), ellipse(-0.13, 0.28, 0.15, 0.05, 2.5)], (0.25, 0.5, 0.17), 0.25),
    ]
    for x, y, count in heads:
        for i in range(count):
            a = turn + i * 2 * np.pi / count
            tone = 1.0 - 0.1 * (i % 2)
            shade = (colour[0] * tone, colour[1] * tone, colour[2] * tone)
            parts.append(part(ellipse(x + 0.17 * np.cos(a), y + 0.17 * np.sin(a), 0.12, 0.045, a), shade, 0.06))
        parts.append(part(ellipse(x, y, 0.09, 0.09), (0.93, 0.67, 0.1), 0.5, 0.4))
    return parts


def mushroom(rng: Generator, fault: bool) -> list[Part]:
    """Spotted cap; wrong: a second cap on the stem."""
    colour = ((0.8, 0.18, 0.12), (0.72, 0.42, 0.2), (0.85, 0.6, 0.3))[rng.integers(3)]
    spots = [
        (0.36 * x, 0.66 + 0.2 * y) for x, y in rng.uniform((-0.8, 0.05), (0.8, 0.8), (7, 2)) if x * x + y * y < 0.7
    ]
    cap = ellipse(0, 0.6, 0.46, 0.36, span=np.pi)
    parts = [part([bar((0.02, 0), (0, 0.66), 0.26, 0.75)], (0.9, 0.86, 0.75), 0.15, 0.35)]
    second = [ellipse(0.02, 0.22, 0.3, 0.2, span=np.pi)] if fault else []
    return [
        *parts,
        part(second, colour, 0.08, 0.4),
        part(ellipse(0, 0.6, 0.46, 0.06), (0.78, 0.7, 0.58), 0.25),
        part(cap, colour, 0.08, 0.4),
        part([ellipse(x, y, 0.05, 0.04) for x, y in spots], WHITE, 0.05),
    ]


def ram(rng: Generator, fault: bool) -> list[Part]:
    """Woolly, four legs; wrong: a second head."""
    tone = float(rng.uniform(0.8, 0.95))
    wool, face = (tone, tone * 0.97, tone * 0.88), (0.25, 0.2, 0.18) if rng.random() < 0.5 else (0.75, 0.65, 0.55)
    around = np.linspace(0, 2 * np.pi, 13)[:-1]
    curls = [ellipse(0.36 * np.cos(a), 0.6 + 0.2 * np.sin(a), 0.13, 0.12) for a in around]
    parts = [
        _legs([-0.3, -0.2, 0.17, 0.27], 0.45, 0.08, face),
        part([*curls, ellipse(0, 0.6, 0.4, 0.22)], wool, 0.4, 0.3),
    ]
    heads = ((0.45, 0.76), (-0.45, 0.8)) if fault else ((0.45, 0.76),)
    for x, y in heads:
        side = np.sign(x)
        parts += [
            part(
                [ellipse(x + 0.08 * side, y, 0.14, 0.1, -0.6 * side), ellipse(x - 0.04 * side, y + 0.03, 0.1, 0.04)],
                face,
            ),
            part(ellipse(x, y + 0.09, 0.1, 0.1), (0.6, 0.5, 0.33), 0.5),
            part(ellipse(x, y + 0.09, 0.05, 0.05), face),
            part(ellipse(x + 0.11 * side, y + 0.03, 0.016, 0.016), WHITE),
        ]
    return parts


def zebra(rng: Generator, fault: bool) -> list[Part]:
    """Striped, four legs; wrong: six."""
    across = np.linspace(-0.34, 0.34, int(rng.integers(7, 10)))
    stripes = [
        bar(
            (x, 0.58 + 0.19 * np.sqrt(1 - (x / 0.42) ** 2)),
            (x + 0.03, 0.58 - 0.19 * np.sqrt(1 - (x / 0.42) ** 2)),
            0.04,
        )
        for x in across
    ]
    neck = [bar((0.3 + 0.04 * i, 0.68 + 0.07 * i), (0.42 + 0.04 * i, 0.62 + 0.07 * i), 0.03) for i in range(4)]
    legs = [-0.31, -0.23, 0.2, 0.28] + ([-0.05, 0.06] if fault else [])
    return [
        part(bar((-0.4, 0.62), (-0.5, 0.32), 0.03), BLACK),
        _legs(legs, 0.5, 0.075, WHITE),
        part([bar((x, 0.3), (x, 0.26), 0.075) for x in legs] + [box(x - 0.03, 0, x + 0.03, 0.05) for x in legs], BLACK),
        part([ellipse(0, 0.58, 0.42, 0.19), bar((0.28, 0.6), (0.5, 0.93), 0.2, 0.7)], WHITE, 0.06),
        part(ellipse(0.6, 0.88, 0.15, 0.08, -0.5), WHITE, 0.06),
        part([*stripes, *neck, bar((0.32, 0.74), (0.46, 1.0), 0.04), ellipse(0.69, 0.83, 0.05, 0.05)], BLACK, 0.0, 0.0),
        part([ellipse(0.58, 0.91, 0.018, 0.018), ellipse(0.5, 1.0, 0.03, 0.07, 0.3)], BLACK, 0.0, 0.0),
    ]
