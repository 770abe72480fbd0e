"""The local engine: one pool of threads prepares images and, on a CPU, also runs the detectors.

On a CPU every batch runs on one thread, several at a time: as fast as one batch on all cores while these are free, and
two to three times faster where preparation or other programs make the threads of one batch wait for each other. On
an accelerator the calling thread runs the detectors. Batches are made up inside fixed chunks of the manifest, so that
a resumed run repeats the very arithmetic of an uninterrupted one.
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import cache
from itertools import groupby
from typing import NamedTuple

import cv2
import torch
from torch import Tensor

from synthscope.errors import SynthscopeError
from synthscope.inference.plan import Done, Plan
from synthscope.inference.preparation import Job, Prepared, prepare_ahead
from synthscope.runtime.told import printable

OUT_OF_MEMORY = re.compile("out of memory|can't allocate memory|bad_alloc|failed to allocate memory", re.IGNORECASE)
MAX_WAITING_BYTES = 256 * 2**20  # of inputs that wait for a full batch of their size
_halving = threading.Lock()


class Result(NamedTuple):
    """One logit, or the reason why there is none."""

    image: Prepared
    unit: int
    logit: float | None
    error: str | None


def score(jobs: Iterable[Job], plan: Plan, done: Done) -> Iterator[tuple[list[Prepared], list[Result]]]:
    """Score images, chunk by chunk of the manifest, in order; memory does not grow with their number.

    Args:
        jobs: In order of position.
        plan: Detectors, which must not keep state between calls, and conditions.
        done: Finished units, which are left out; grows as the work goes on.

    Yields:
        The images of a chunk, without their inputs, and the results of the chunk.

    Raises:
        SynthscopeError: A detector that does not return one logit an image.
    """
    with threads(plan.workers) as pool, exact_convolutions():
        chunks = groupby(prepare_ahead(jobs, plan, done, pool), key=lambda image: image.job.position // plan.chunk)
        begun: deque[tuple[list[Prepared], Batches]] = deque()
        for _, images in chunks:
            begun.append(_begin(images, plan, done, pool))
            if len(begun) > 1:  # the next chunk is under way while the results of this one are waited for
                prepared, batches = begun.popleft()
                yield prepared, batches.finish()
        for prepared, batches in begun:
            yield prepared, batches.finish()


@contextlib.contextmanager
def threads(workers: int) -> Iterator[Executor]:
    """Threads whose operations in torch and OpenCV stay on one core; nothing that still waits is run after an error."""
    before, opencv = torch.get_num_threads(), cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        cv2.setNumThreads(opencv)
        torch.set_num_threads(before)  # what a worker sets is the default of all threads born later


@contextlib.contextmanager
def exact_convolutions() -> Iterator[None]:
    """cuDNN rounds the factors of float32 convolutions to 10 bits unless told otherwise."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def _begin(images: Iterable[Prepared], plan: Plan, done: Done, pool: Executor) -> tuple[list[Prepared], Batches]:
    """Queue what is missing now: a duplicate that came before has left nothing to do."""
    batches, begun = Batches(plan, pool), []
    for image in images:
        for unit in plan.missing(done, image.sha256 or "", image.job.view):
            ready = image.error or image.inputs[unit]
            if isinstance(ready, str):
                batches.results.append(Result(image, unit, None, ready))
            else:
                for crop in ready:
                    batches.add(image, unit, crop)
        if image.error is None:
            done[image.sha256 or "", str(image.job.view)] = plan.everything
        image.inputs = {}
        begun.append(image)
    batches.run_all()
    return begun, batches


class Batches:
    """Inputs that wait for a full batch of their detector and size, and what came of the earlier ones."""

    def __init__(self, plan: Plan, pool: Executor) -> None:
        self.plan, self.pool = plan, pool
        self.results: list[Result] = []
        self._waiting: defaultdict[tuple[int, torch.Size], list[tuple[Prepared, int, Tensor]]] = defaultdict(list)
        self._waiting_bytes = 0
        self._running: list[tuple[list[tuple[Prepared, int]], Future[Tensor | list[float | str]]]] = []

    def add(self, image: Prepared, unit: int, input: Tensor) -> None:
        """Queue one input; starts what is full."""
        key = (unit // len(self.plan.conditions), input.shape)
        self._waiting[key].append((image, unit, input))
        self._waiting_bytes += input.nbytes
        if len(self._waiting[key]) == self.plan.batch_size:
            self._run(key)
        elif self._waiting_bytes > MAX_WAITING_BYTES:
            self.run_all()

    def run_all(self) -> None:
        """Start what waits, full or not."""
        for key in list(self._waiting):
            self._run(key)

    def finish(self) -> list[Result]:
        """Wait for the logits of everything that was started, and make one of all crops of an image."""
        found: defaultdict[tuple[Prepared, int], list[float | str]] = defaultdict(list)
        for origins, future in self._running:
            outcome = future.result()
            values = outcome.tolist() if isinstance(outcome, Tensor) else outcome
            for origin, value in zip(origins, values, strict=True):
                found[origin].append(value if isinstance(value, str) or math.isfinite(value) else "non-finite logit")
        for (image, unit), outcomes in found.items():
            error = next((value for value in outcomes if isinstance(value, str)), None)
            logits = [value for value in outcomes if isinstance(value, float)]
            logit = None if error else self.plan.crops.pooled(logits)
            self.results.append(Result(image, unit, logit, error))
        self._running = []
        return self.results

    def _run(self, key: tuple[int, torch.Size]) -> None:
        batch = self._waiting.pop(key)
        inputs = [input for _, _, input in batch]
        self._waiting_bytes -= sum(input.nbytes for input in inputs)
        future: Future[Tensor | list[float | str]] = Future()
        if self.plan.device.type == "cpu":
            future = self.pool.submit(forward_or_reason, key[0], inputs, self.plan)
        else:
            future.set_result(forward_or_reason(key[0], inputs, self.plan))
        self._running.append(([(image, unit) for image, unit, _ in batch], future))


def forward_or_reason(detector: int, inputs: list[Tensor], plan: Plan) -> Tensor | list[float | str]:
    """Logits of a batch; where that fails, of each image alone or the reason, so that one odd size stops nothing.

    Where memory is short, the batch is halved until there is enough, and so are all later ones of this size of images.
    """
    kind = (detector, inputs[0].shape)
    size = plan.largest.get(kind, len(inputs))
    if len(inputs) <= size:
        try:
            return forward(detector, inputs, plan)
        except (RuntimeError, MemoryError) as error:
            if len(inputs) == 1:
                return [str(error)]
            short = isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error))
            size = _halved(kind, len(inputs), plan) if short else 1
    outcomes = [forward_or_reason(detector, inputs[i : i + size], plan) for i in range(0, len(inputs), size)]
    return [value for outcome in outcomes for value in (outcome.tolist() if isinstance(outcome, Tensor) else outcome)]


def _halved(kind: tuple[int, torch.Size], count: int, plan: Plan) -> int:
    """Remember and say that there is no memory for ``count`` images; how many to try instead."""
    half = -(-count // 2)
    with _halving:
        if plan.largest.get(kind, count) > half:
            plan.largest[kind] = half
            name = printable(plan.detectors[kind[0]].config.name)
            print(
                f"predict: not enough memory for {count} images a batch of {name}, going on with {half}",
                file=sys.stderr,
            )
        if plan.device.type == "cuda":
            torch.cuda.empty_cache()
        return plan.largest[kind]


def forward(detector: int, inputs: list[Tensor], plan: Plan) -> Tensor:
    """Float32 logits ``(B,)`` of a plan's n-th detector for equally large uint8 ``(3, h, w)``, still on the device.

    Raises:
        SynthscopeError: A detector that does not return one logit an image.
    """
    batch = torch.stack([input.permute(1, 2, 0) for input in inputs]).permute(0, 3, 1, 2)  # channels last
    logits = plan.models[detector].model(_moved(batch, plan.device))
    if logits.shape != (len(inputs),):
        raise SynthscopeError(
            f"Expected logits of shape ({len(inputs)},) from detector {plan.detectors[detector].config.name!r}, "
            f"got {tuple(logits.shape)}. Return one logit an image."
        )
    return logits


def _moved(batch: Tensor, device: torch.device) -> Tensor:
    """The batch on the device; to a GPU it is copied while earlier batches are in work there."""
    if device.type != "cuda":
        return batch.to(device)
    copying, working = _copying(device), torch.cuda.current_stream(device)
    with torch.cuda.stream(copying):
        there = batch.pin_memory().to(device, non_blocking=True)
    working.wait_stream(copying)
    there.record_stream(working)
    return there


@cache
def _copying(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)
