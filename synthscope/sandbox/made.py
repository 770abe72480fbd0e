"""Drawings of things people make."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.random import Generator

from synthscope.sandbox.shapes import BLACK, BRIGHT, GREY, WHITE, WOOD, Part, bar, box, ellipse, part


def clock(rng: Generator, fault: bool) -> list[Part]:
    """Twelve hours and two hands; wrong: crowded hours and a third hand."""
    colour, hour, minute = BRIGHT[rng.integers(len(BRIGHT))], rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
    angles = np.arange(12) * np.pi / 6
    if fault:
        angles = np.concatenate([angles[:5], np.linspace(2.5, 3.6, 7)])
    ring = [0.7 + 0.22 * np.sin(angles), 0.22 * np.cos(angles)]
    ticks = [bar((x, y), (x * 0.84, 0.7 + (y - 0.7) * 0.84), 0.026) for y, x in zip(*ring, strict=True)]
    spread = [(hour, 0.12, 0.045), (minute, 0.19, 0.03)] + ([(hour + 2.2, 0.24, 0.04)] if fault else [])
    hands = [bar((0, 0.7), (r * np.sin(a), 0.7 + r * np.cos(a)), w) for a, r, w in spread]
    return [
        part([box(-0.05, 0, 0.05, 0.45), box(-0.13, 0, 0.13, 0.06)], colour),
        part(ellipse(0, 0.7, 0.32, 0.3), colour),
        part(ellipse(0, 0.7, 0.27, 0.26), WHITE, 0.03, 0.08),
        part([*ticks, *hands, ellipse(0, 0.7, 0.03, 0.03)], BLACK, 0.0, 0.0),
    ]


def wheel(rng: Generator, fault: bool) -> list[Part]:
    """Five to eight spokes in a lugged tyre; wrong: spokes and lugs missing."""
    spokes, teeth = int(rng.integers(5, 9)), 22
    turn, rim = rng.uniform(0, 2), (0.78, 0.79, 0.82) if rng.random() < 0.7 else BRIGHT[rng.integers(len(BRIGHT))]
    lugs = turn + np.arange(teeth)[4 if fault else 0 :] * 2 * np.pi / teeth
    angles = turn + np.arange(spokes) * 2 * np.pi / spokes
    if fault:
        angles = np.append(angles[2:], angles[0] + 0.25)
    return [
        part(
            [
                bar((0.4 * np.cos(a), 0.5 + 0.4 * np.sin(a)), (0.5 * np.cos(a), 0.5 + 0.5 * np.sin(a)), 0.08)
                for a in lugs
            ],
            (0.12, 0.12, 0.13),
        ),
        part(ellipse(0, 0.5, 0.46, 0.46), (0.16, 0.16, 0.17), 0.3),
        part(ellipse(0, 0.5, 0.33, 0.33), rim, 0.05),
        part(ellipse(0, 0.5, 0.29, 0.29), (0.2, 0.2, 0.22)),
        part([bar((0, 0.5), (0.31 * np.cos(a), 0.5 + 0.31 * np.sin(a)), 0.09, 0.8) for a in angles], rim, 0.05),
        part(ellipse(0, 0.5, 0.09, 0.09), rim, 0.05, 0.5),
    ]


def table(rng: Generator, fault: bool) -> list[Part]:
    """Four legs; wrong: six."""
    tone = rng.uniform(0.7, 1.2)
    wood = (WOOD[0] * tone, WOOD[1] * tone, WOOD[2] * tone)
    dark = (wood[0] * 0.7, wood[1] * 0.7, wood[2] * 0.7)
    fruit = BRIGHT[rng.integers(len(BRIGHT))]
    parts = [part([bar((x, 0.75), (x, 0.22), 0.055) for x in (-0.36, 0.36)], dark)]
    extra = [bar((-0.1, 0.72), (-0.24, 0.03), 0.07), bar((0.08, 0.72), (0.16, 0.1), 0.07)] if fault else []
    return [
        *parts,
        part(extra, wood),
        part([bar((x, 0.68), (x, 0.0), 0.075) for x in (-0.5, 0.5)], wood),
        part(np.array([[-0.58, 0.66], [0.58, 0.66], [0.42, 0.84], [-0.42, 0.84]]), wood, 0.35, 0.1),
        part(box(-0.58, 0.6, 0.58, 0.67), dark, 0.2),
        part(ellipse(0.1, 0.8, 0.16, 0.09), WHITE, 0.03, 0.4),
        part([ellipse(x, 0.87, 0.055, 0.055) for x in (0.02, 0.11, 0.19)], fruit, 0.1, 0.4),
    ]


def pinwheel(rng: Generator, fault: bool) -> list[Part]:
    """Four to eight blades; wrong: some missing, one doubled."""
    blades, turn = int(rng.integers(4, 9)), rng.uniform(0, 2)
    first, second = (BRIGHT[i] for i in rng.permutation(len(BRIGHT))[:2])
    angles = turn + np.arange(blades) * 2 * np.pi / blades
    angles = np.append(angles[: -(blades // 3) or None], angles[0] + np.pi / blades) if fault else angles
    parts = [part(bar((0, 0), (0, 0.68), 0.04), WOOD)]
    for i, a in enumerate(angles):
        b = a + 1.6 * np.pi / blades
        tip = np.array(
            [[0, 0.68], [0.34 * np.cos(a), 0.68 + 0.34 * np.sin(a)], [0.2 * np.cos(b), 0.68 + 0.2 * np.sin(b)]]
        )
        parts.append(part(tip, second if i % 2 else first, 0.05, 0.4))
    return [*parts, part(ellipse(0, 0.68, 0.04, 0.04), WHITE)]


def teapot(rng: Generator, fault: bool) -> list[Part]:
    """A spout and a handle; wrong: two spouts."""
    colour, band = (BRIGHT[i] for i in rng.permutation(len(BRIGHT))[:2])
    spout = np.array([[0.3, 0.3], [0.62, 0.62], [0.7, 0.6], [0.56, 0.4], [0.36, 0.14]])
    ring = [(-0.42 + 0.2 * np.cos(a), 0.36 + 0.2 * np.sin(a)) for a in np.arange(1.2, 5.2, 0.38)]
    return [
        part(spout, colour),
        part(spout * (-1, 1) if fault else [bar(a, b, 0.06) for a, b in pairwise(ring)], colour),
        part([ellipse(0, 0.34, 0.44, 0.33), box(-0.22, 0, 0.22, 0.06)], colour, 0.06, 0.45),
        part(
            [ellipse(x, 0.34 + 0.05 * (i % 2), 0.04, 0.06) for i, x in enumerate(np.linspace(-0.3, 0.3, 6))], band, 0.05
        ),
        part([ellipse(0, 0.63, 0.2, 0.07), ellipse(0, 0.73, 0.05, 0.05)], band, 0.05, 0.4),
    ]


def umbrella(rng: Generator, fault: bool) -> list[Part]:
    """One shaft; wrong: two."""
    panels = int(rng.integers(5, 8))
    first, second = (BRIGHT[i] for i in rng.permutation(len(BRIGHT))[:2])
    second_shaft = [bar((0.22, 0.12), (-0.06, 0.8), 0.03), bar((0.22, 0.12), (0.3, 0.18), 0.05)] if fault else []
    edges = np.linspace(-0.56, 0.56, panels + 1)
    canopy = []
    for i, (a, b) in enumerate(pairwise(edges)):
        t = np.linspace(0, 1, 7)
        rim = np.stack([a + (b - a) * t, 0.58 + 0.05 * np.sin(np.pi * t)], axis=1)
        dome = [
            (x * np.cos(s), 0.58 + 0.38 * np.sin(s))
            for x, s in [(b, s) for s in (0.4, 0.8, 1.2)] + [(a, s) for s in (1.57, 1.2, 0.8, 0.4)]
        ]
        canopy.append(part(np.concatenate([rim, dome]), second if i % 2 else first, 0.05, 0.2))
    return [
        part([bar((0, 0), (0, 0.9), 0.03), bar((0, 0.02), (-0.09, 0.0), 0.05)], GREY),
        part(second_shaft, GREY),
        *canopy,
        part(box(-0.015, 0.95, 0.015, 1.0), GREY),
    ]


def traffic_light(rng: Generator, fault: bool) -> list[Part]:
    """Three lamps; wrong: a fourth at the side."""
    lit = int(rng.integers(3))
    lamps = ((0.95, 0.16, 0.12), (0.98, 0.75, 0.1), (0.15, 0.85, 0.4))
    parts = [part(box(-0.045, 0, 0.045, 0.45), GREY), part(box(-0.17, 0.4, 0.17, 1.0), (0.13, 0.16, 0.15))]
    parts.append(part([box(0.1, 0.52, 0.44, 0.82)] if fault else [], (0.13, 0.16, 0.15)))
    parts.append(part([ellipse(0.31, 0.67, 0.08, 0.08)] if fault else [], lamps[(lit + 1) % 3], 0.02, 0.3))
    for i, (red, green, blue) in enumerate(lamps):
        dim = 1.0 if i == lit else 0.35
        parts.append(part(ellipse(0, 0.9 - 0.2 * i, 0.08, 0.08), (red * dim, green * dim, blue * dim), 0.02, 0.3))
    return parts


def street_sign(rng: Generator, fault: bool) -> list[Part]:
    """A post, on which the signboard is drawn; wrong: a second, broken post."""
    parts = [part([box(-0.05, 0, 0.05, 1.0), box(-0.14, 0, 0.14, 0.05)], GREY)]
    extra = [part([bar((0, 0.5), (0.36, 0.1), 0.07), bar((0.36, 0.12), (0.36, 0.0), 0.07)], GREY)] if fault else []
    return [*parts, *extra]
