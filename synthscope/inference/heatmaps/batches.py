"""Batches of a run of heatmaps: a forward pass for all explainers of a detector, and on a CPU several batches at once.

As in :mod:`synthscope.inference.engines.local`, every batch runs on one thread there. Explainers hang hooks into a
detector, so every thread has modules of its own around the same weights.
"""

from __future__ import annotations

import copy
import math
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError
from synthscope.explainers.base import Explainer, enlarged, together
from synthscope.inference.heatmaps.codec import Maps
from synthscope.inference.heatmaps.plan import Shown, Unit
from synthscope.inference.heatmaps.store import KEY


class Made(NamedTuple):
    """One heatmap."""

    row: dict[str, Any]  # for store.write_part
    heatmap: Maps


class Batch(NamedTuple):
    """Images with inputs of one size, and the units of one detector and condition that all of them need."""

    numbers: tuple[int, ...]  # of the units
    images: list[Shown]
    inputs: list[Tensor]
    shapes: list[tuple[int, ...]]  # of the images that the inputs were made from


def batches(shown: Sequence[Shown], units: list[Unit], done: set[tuple[Any, ...]], size: int) -> Iterator[Batch]:
    """What the images still need, each file once; it counts as done from now on, and the images lose their inputs."""
    waiting: defaultdict[tuple[tuple[int, ...], torch.Size], list[tuple[Shown, Tensor, tuple[int, ...]]]]
    waiting = defaultdict(list)
    for image in shown:
        missing: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
        for number in image.inputs:
            key = units[number].key(image.sha256 or "", image.view)
            if key not in done:
                done.add(key)
                missing[id(units[number].detector), units[number].row["condition"]].append(number)
        for numbers in missing.values():
            input, shape = image.inputs[numbers[0]]
            waiting[tuple(numbers), input.shape].append((image, input, shape))
        image.inputs = {}
    for (found, _), images in waiting.items():
        for first in range(0, len(images), size):
            yield Batch(found, *map(list, zip(*images[first : first + size], strict=True)))


class Own(threading.local):
    """Copies of detectors and explainers that a thread has for itself."""

    def __init__(self) -> None:
        self.copies: dict[int, Any] = {}  # by id of the original

    def of(self, unit: Unit) -> Unit:
        """The same unit with what belongs to this thread."""
        for original in (unit.detector, unit.explainer):
            if id(original) not in self.copies:
                self.copies[id(original)] = twin(original)
        return Unit(self.copies[id(unit.detector)], self.copies[id(unit.explainer)], unit.condition, unit.row)


def start(batch: Batch, units: list[Unit], pool: Executor | None, own: Own) -> Future[list[Made]]:
    """The heatmaps of a batch: made by ``pool`` some time, or now where that is None. See :func:`explain_batch`."""
    asked = [units[number] for number in batch.numbers]
    if pool is not None:
        return pool.submit(lambda: explain_batch([own.of(unit) for unit in asked], batch))
    future: Future[list[Made]] = Future()
    future.set_result(explain_batch(asked, batch))
    return future


def twin(original: Detector | Explainer) -> Any:
    """A copy with modules and hooks of its own, which shares parameters and buffers."""
    shared = chain(original.parameters(), original.buffers()) if isinstance(original, Detector) else ()
    return copy.deepcopy(original, {id(tensor): tensor for tensor in shared})


def explain_batch(units: Sequence[Unit], batch: Batch) -> list[Made]:
    """Heatmaps of a batch by ``units`` of one detector and condition, unit by unit, with the logits beside them.

    Raises:
        SynthscopeError: A heatmap that is not finite, or what :func:`synthscope.explainers.base.together` raises.
    """
    detector = units[0].detector
    inputs = torch.stack(batch.inputs).contiguous(memory_format=torch.channels_last).to(detector.mean.device)
    size = (inputs.shape[2], inputs.shape[3])
    explained = together(detector, inputs, [unit.explainer for unit in units])
    logits = [logit if math.isfinite(logit) else None for logit in explained.logits.tolist()]
    made = []
    for unit, maps in zip(units, explained.maps, strict=True):
        gap = unit.explainer.completeness_gap(detector, inputs, enlarged(maps, size))
        gaps = [None] * len(logits) if gap is None else gap.tolist()
        arrays = zip(*(each.cpu().numpy() for each in maps), strict=True)
        about = zip(batch.images, batch.shapes, logits, gaps, arrays, strict=True)
        for image, (height, width, *_), logit, off, own in about:
            if not all(np.isfinite(each).all() for each in own):
                raise SynthscopeError(
                    f"Expected a finite heatmap of {image.path}, got nan or inf from {unit.explainer} of "
                    f"{unit.row['detector']}. Leave this explainer out."
                )
            key = dict(zip(KEY, unit.key(image.sha256 or "", image.view), strict=True))
            row = key | {"height": height, "width": width, "completeness_gap": off, "logit": logit}
            made.append(Made(row, Maps(tuple(own), size)))
    return made
