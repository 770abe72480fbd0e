"""What a bootstrap draws: groups of rows that are not independent, within strata that keep the make-up of a data set.

Rows of a group (copies of a file, a prompt drawn by eight generators, a photograph in five test sets) are drawn
together, so that an interval knows how many independent images there were (Davison & Hinkley 1997, section 3.8). Draws
follow from the seed, the name of the stratum and its size alone: whatever is computed from the same rows is paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthscope.runtime import seed_for

FEW = 4096  # units of which several replicates are drawn at once
FEWEST = 20  # groups that make a stratum of their own where a group stands in several cells


class Units(NamedTuple):
    """The unit that each of ``n`` rows is drawn with."""

    stratum: NDArray[np.intp]  # (n,) number of the stratum
    number: NDArray[np.intp]  # (n,) of the unit in its stratum
    names: list[str]  # of the strata
    sizes: list[int]  # units of each stratum

    def of(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Units:
        """Some of the rows, drawn as among all."""
        return Units(self.stratum[rows], self.number[rows], self.names, self.sizes)


def units_of(cells: Sequence[str], groups: Sequence[str] | None = None) -> Units:
    """Units of rows: the groups, in strata by the cells that a group has rows in.

    Args:
        cells: ``(n,)`` names such as class, subset and generator, whose numbers of images a replicate should keep.
        groups: ``(n,)`` names; None = every row alone. Groups that stand in several cells at once make a stratum with
            those of the same cells, or with all other such groups where there are fewer than ``FEWEST``.

    >>> units = units_of(["real", "ai", "real"], ["a", "b", "c"])
    >>> units.names, units.sizes, units.number.tolist()
    (['ai', 'real'], [1, 2], [0, 0, 1])
    """
    own = groups if groups is not None else [str(row).zfill(9) for row in range(len(cells))]
    places: dict[str, set[str]] = {}
    for cell, group in zip(cells, own, strict=True):
        places.setdefault(group, set()).add(cell)
    homes = {group: "\x1e".join(sorted(found)) for group, found in places.items()}
    counts: dict[str, int] = {}
    for home in homes.values():
        counts[home] = counts.get(home, 0) + 1
    homes = {g: h if "\x1e" not in h or counts[h] >= FEWEST else "\x1e" for g, h in homes.items()}
    names = sorted(set(homes.values()))
    members: dict[str, list[str]] = {name: [] for name in names}
    for group in sorted(homes):
        members[homes[group]].append(group)
    stratum_of = {name: i for i, name in enumerate(names)}
    number_of = {group: i for found in members.values() for i, group in enumerate(found)}
    return Units(
        np.array([stratum_of[homes[group]] for group in own], np.intp),
        np.array([number_of[group] for group in own], np.intp),
        names,
        [len(members[name]) for name in names],
    )


def draw_counts(units: Units, widths: Sequence[int], seed: int) -> Iterator[NDArray[np.uint8]]:
    """How often every row is drawn, ``(n, width)`` for each of the widths, which together are the replicates."""
    here = np.unique(units.stratum)
    rows = [np.flatnonzero(units.stratum == stratum) for stratum in here]
    streams = [np.random.default_rng(seed_for(seed, units.names[stratum])) for stratum in here]
    for width in widths:
        counts = np.empty((len(units.stratum), width), np.uint8)
        for stratum, of, stream in zip(here, rows, streams, strict=True):
            drawn = _drawn(stream, width, units.sizes[stratum])
            counts[of] = np.ascontiguousarray(drawn.T)[units.number[of]]
        yield counts


def _drawn(stream: np.random.Generator, width: int, size: int) -> NDArray[np.uint8]:
    """How often each of ``size`` units is drawn, ``(width, size)``; the same however it is divided."""
    if size <= FEW:
        picks = stream.integers(0, size, (width, size)) + size * np.arange(width)[:, None]
        return np.bincount(picks.ravel(), minlength=picks.size).reshape(width, size).astype(np.uint8)
    drawn = np.empty((width, size), np.uint8)
    for row in drawn:  # what is counted stays in the cache
        row[:] = np.bincount(stream.integers(0, size, size), minlength=size)
    return drawn


def draw_weights(groups: Sequence[str], n_resamples: int, seed: int) -> NDArray[np.float64]:
    """How often every row is drawn with its group, float64 ``(n_resamples, n)``, read-only; one stratum.

    The rows that a replicate holds are the sum of its weights, n on average and n in each where every row is alone.
    """
    return _weights(tuple(groups), n_resamples, seed)


@lru_cache(maxsize=8)  # many measures are of the same images
def _weights(groups: tuple[str, ...], n_resamples: int, seed: int) -> NDArray[np.float64]:
    units = units_of([""] * len(groups), groups)
    (counts,) = draw_counts(units, [n_resamples], seed)
    weights = counts.T.astype(np.float64)
    weights.flags.writeable = False
    return weights
