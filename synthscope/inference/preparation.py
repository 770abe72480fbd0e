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
from functools import reduce
from itertools import groupby
from typing import NamedTuple

import numpy as np
from torch import Tensor

from synthscope.data.degrade.recipe import Recipe
from synthscope.data.degrade.windows import Window
from synthscope.data.images import read_file, read_rgb
from synthscope.data.in_work import image_task
from synthscope.detectors.base import Detector
from synthscope.inference.plan import Done, Plan


class Job(NamedTuple):
    """One manifest row to score."""

    position: int
    path: str
    sha256: str | None
    view: Recipe
    earlier: str | None = None  # sha256 that an earlier call has read, where the manifest has none


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
        distinct = {transform_key(detector): detector for detector in detectors.values()}
        try:
            made = _inputs(rgb, plan.conditions[number], distinct, plan, key=sha256)
            inputs |= {unit: made[transform_key(detector)] for unit, detector in detectors.items()}
        except OSError as error:
            inputs |= dict.fromkeys(detectors, str(error))
    return Prepared(job, sha256, None, inputs)


def _inputs(
    rgb: np.ndarray, condition: Recipe, detectors: dict[Hashable, Detector], plan: Plan, *, key: str
) -> dict[Hashable, list[Tensor] | str]:
    """Crops, or what is wrong, for every distinct transform; only what all of them see is degraded."""
    size = rgb.shape[:2]
    windows = {
        transform: plan.crops.window(detector, *size) if condition.local else None
        for transform, detector in detectors.items()
    }
    seen = [window for window in windows.values() if window is not None]
    part = reduce(Window.joined, seen) if len(seen) == len(windows) else None
    degraded = condition.apply(rgb, key=key, seed=plan.seed, window=part)
    made: dict[Hashable, list[Tensor] | str] = {}
    for transform, detector in detectors.items():
        window = windows[transform]
        image = window.within(part).of(degraded) if part is not None and window is not None else degraded
        try:
            made[transform] = plan.crops.inputs(detector, image)
        except (OSError, RuntimeError, ValueError) as error:  # such as a size that the transform cannot handle
            made[transform] = str(error)
    return made


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
