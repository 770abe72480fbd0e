"""The engine for heatmaps on a Ray cluster: every actor runs the local engine on one chunk at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch

from synthscope.inference.engines.cluster import GIVEN_UP, in_cluster
from synthscope.inference.heatmaps import local
from synthscope.inference.heatmaps.batches import Made
from synthscope.inference.heatmaps.local import Done, Row, Seen, Settings
from synthscope.inference.heatmaps.plan import Unit
from synthscope.inference.heatmaps.store import KEY
from synthscope.runtime import best_device, tune_allocator


def explained(
    rows: Iterable[Row], units: list[Unit], done: Done, settings: Settings, *, address: str | None
) -> Iterator[tuple[list[Seen], list[Made]]]:
    """What :func:`synthscope.inference.heatmaps.local.explained` yields, made by the cluster at ``address``.

    Chunks do not know of each other: of files of the same bytes, the first one counts.
    """
    rows = iter(rows)
    chunks = iter(lambda: list(islice(rows, settings.chunk)), [])
    shared = (on_device(units, "cpu"), done, settings)
    for chunk, outcome in in_cluster(chunks, begin, shared, threads=settings.workers, address=address):
        if outcome is None:
            yield [(sha256, GIVEN_UP) for _, sha256, *_ in chunk], []
            continue
        seen, made = outcome
        keys = [tuple(each.row[name] for name in KEY) for each in made]
        yield seen, [each for each, key in zip(made, keys, strict=True) if key not in done]
        done.update(keys)


def begin(units: list[Unit], done: Done, settings: Settings) -> Callable[[list[Row]], tuple[list[Seen], list[Made]]]:
    """In an actor: what explains a chunk with the local engine."""
    units, known = on_device(units, best_device()), set(done)
    tune_allocator()

    def work(chunk: list[Row]) -> tuple[list[Seen], list[Made]]:
        ((seen, made),) = local.explained(chunk, units, known, settings)
        known.difference_update(tuple(each.row[name] for name in KEY) for each in made)  # others may not have it
        return seen, made

    return work


def on_device(units: list[Unit], device: torch.device | str) -> list[Unit]:
    """The units with their detectors on another device; the very same where they are there."""
    if all(unit.detector.mean.device == torch.device(device) for unit in units):
        return units
    moved = copy.deepcopy(units)
    for unit in moved:
        unit.detector.to(device)
    return moved
