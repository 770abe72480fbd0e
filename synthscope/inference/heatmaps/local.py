"""The local engine for heatmaps: chunks of images are read and prepared while those before them are explained."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import Any, NamedTuple

from synthscope.inference.engines.local import exact_convolutions, threads
from synthscope.inference.heatmaps.batches import Made, Own, batches, start
from synthscope.inference.heatmaps.plan import Shown, Unit, show

Row = tuple[str, str | None, str, str | None]  # path, sha256, view and error of an image
Done = set[tuple[Any, ...]]  # values of KEY
Seen = tuple[str | None, str | None]  # sha256 and error of an image


class Settings(NamedTuple):
    """How work is cut up."""

    batch_size: int  # images that an explainer gets at once
    workers: int  # threads that read and prepare images and, on a CPU, explain them
    chunk: int  # images that are read, explained and written together
    at_once: bool  # enough batches for all threads; else each has all cores


Engine = Callable[[Iterable[Row], list[Unit], Done, Settings], Iterator[tuple[list[Seen], list[Made]]]]


def explained(
    rows: Iterable[Row], units: list[Unit], done: Done, settings: Settings
) -> Iterator[tuple[list[Seen], list[Made]]]:
    """What is missing of all images, chunk by chunk, in order.

    Args:
        rows: Of a manifest.
        units: What for each of them.
        done: Keys that are there; grows as the work goes on.
        settings: See there.
    """
    with threads(settings.workers) as pool, exact_convolutions():
        on_cpu = units[0].detector.mean.device.type == "cpu"
        explainers, own = pool if on_cpu and settings.at_once else None, Own()
        begun: deque[tuple[list[Shown], list[Future[list[Made]]]]] = deque()

        def finish() -> tuple[list[Seen], list[Made]]:
            shown, futures = begun.popleft()
            made = [each for future in futures for each in future.result()]
            return [(image.sha256, image.error) for image in shown], made

        for shown in _prepared(rows, units, done, pool, settings.chunk):
            found = batches(shown, units, done, settings.batch_size)
            begun.append((shown, [start(each, units, explainers, own) for each in found]))
            if len(begun) > 1:
                yield finish()
        while begun:
            yield finish()


def _prepared(rows: Iterable[Row], units: list[Unit], done: Done, pool: Executor, chunk: int) -> Iterator[list[Shown]]:
    """Chunks of images in their order, the next one under way while one is in use."""
    rows = iter(rows)
    ahead: deque[list[Future[Shown]]] = deque()
    while some := list(islice(rows, chunk)):
        ahead.append([pool.submit(show, row, units, done, units[0].row["seed"]) for row in some])
        if len(ahead) > 1:
            yield [future.result() for future in ahead.popleft()]
    for futures in ahead:
        yield [future.result() for future in futures]
