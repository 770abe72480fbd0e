"""Images on their way to the detectors: every file is read and decoded once, degraded once a condition and
transformed once a distinct preprocessing, in threads that work ahead.

Threads are enough, since decoding, encoding, filtering and resizing release the interpreter lock, and no pixels are
copied between processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np
from torch import Tensor

from synthscope.data.degrade.recipe import Recipe
from synthscope.data.images import read_file, read_rgb
from synthscope.data.in_work import image_task
from synthscope.detectors.base import Detector
from synthscope.inference.crops import Crops
from synthscope.inference.plan import Done, Plan


class Job(NamedTuple):
    """One manifest row to score."""

    position: int
    path: str
    sha256: str | None
    view: Recipe


@dataclass(eq=False)
class Prepared:
    """One image, ready for the detectors: its crops, or an error, for every unit that was missing."""

    job: Job
    sha256: str | None
    error: str | None = None
    inputs: dict[int, list[Tensor] | str] = field(default_factory=dict)


@image_task()
def prepare(job: Job, plan: Plan, done: Done) -> Prepared:
    """Read, decode, degrade and transform one image, as far as units are missing. Runs in a worker thread."""
    sha256 = job.sha256
    try:
        data, sha256 = read_file(job.path, job.sha256)
        missing = plan.missing(done, sha256, job.view)
        if not missing:
            return Prepared(job, sha256)
        whole = read_rgb(data, name=job.path)
        del data  # up to half a gigabyte
        rgb = job.view.apply(whole, key=sha256, seed=plan.seed)
    except OSError as error:
        return Prepared(job, sha256, str(error))
    count = len(plan.conditions)
    inputs: dict[int, list[Tensor] | str] = {}
    for number, units in groupby(sorted(missing, key=lambda unit: unit % count), key=lambda unit: unit % count):
        detectors = {unit: plan.detectors[unit // count] for unit in units}
        try:
            degraded = plan.conditions[number].apply(rgb, key=sha256, seed=plan.seed)
            inputs |= _inputs(degraded, detectors, plan.crops)
        except OSError as error:
            inputs |= dict.fromkeys(detectors, str(error))
    return Prepared(job, sha256, None, inputs)


def _inputs(rgb: np.ndarray, detectors: dict[int, Detector], crops: Crops) -> dict[int, list[Tensor] | str]:
    shared: dict[Hashable, list[Tensor] | str] = {}
    for detector in detectors.values():
        key = transform_key(detector)
        if key not in shared:
            try:
                shared[key] = crops.inputs(detector, rgb)
            except (OSError, RuntimeError, ValueError) as error:  # such as a size that the transform cannot handle
                shared[key] = str(error)
    return {unit: shared[transform_key(detector)] for unit, detector in detectors.items()}


def transform_key(detector: Detector) -> Hashable:
    """Equal for two detectors whose ``preprocess`` does the same."""
    own = type(detector).preprocess is not Detector.preprocess
    return (detector.config.input.digest(), id(detector) if own else None)


def prepare_ahead(jobs: Iterable[Job], plan: Plan, done: Done, pool: Executor) -> Iterator[Prepared]:
    """Prepared images in the order of the jobs, a few ahead of the consumer."""
    waiting: deque[Future[Prepared]] = deque()
    for job in jobs:
        waiting.append(pool.submit(prepare, job, plan, done))
        if len(waiting) > 2 * plan.workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
