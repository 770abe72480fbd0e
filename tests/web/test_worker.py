"""A process that decodes may do nothing but answer, and is replaced when it does not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from synthscope.data.images import read_rgb
from synthscope.web.limits import Limits
from synthscope.web.problems import Problem
from synthscope.web.worker import Worker, Workers
from tests.web.conftest import encoded
from tests.web.hostile import hostile

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep to a limit of address space")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    one = Worker(Limits(examine_seconds=60), hostile)
    yield one
    one.kill()


def answers(worker: Worker) -> bool:
    data = encoded()
    rgb = worker.examine(data, "a.jpg").rgb
    return rgb is not None and np.array_equal(rgb, read_rgb(data))


def test_pixels_and_facts_are_those_of_examining_here(worker: Worker) -> None:
    examined = worker.examine(encoded(1, "PNG"), "somewhere/a.png")
    assert examined.rgb is not None and np.array_equal(examined.rgb, read_rgb(encoded(1, "PNG")))
    assert examined.rgb.flags.writeable and examined.rgb.flags.c_contiguous
    assert examined.file.name == "a.png" and examined.file.format == "PNG"


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("crash", "the decoder crashed"),
        ("raise", "the decoder crashed"),
        pytest.param("memory", "GB of memory", marks=linux),
    ],
)
def test_what_ends_it_is_told_and_the_next_file_is_answered(worker: Worker, word: str, sentence: str) -> None:
    with pytest.raises(Problem, match=sentence) as caught:
        worker.examine(word.encode(), "a.jpg")
    assert caught.value.status == 422
    assert answers(worker)


def test_what_takes_too_long_is_killed() -> None:
    worker = Worker(Limits(examine_seconds=0.5), hostile)
    try:
        process = worker._process.pid
        assert process is not None
        with pytest.raises(Problem, match="takes longer"):
            worker.examine(b"hang", "a.jpg")
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    finally:
        worker.kill()


@pytest.mark.parametrize("word", ["connect", "program"])
def test_it_may_neither_connect_nor_start_a_program(worker: Worker, word: str) -> None:
    assert worker.examine(word.encode(), "a.jpg").file.name == "PermissionError"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_it_may_not_write_a_file(worker: Worker) -> None:
    assert worker.examine(b"write", "a.jpg").file.name in ("File too large", "No such file or directory")  # no folder


def test_one_that_was_ended_from_outside_blames_no_file(worker: Worker) -> None:
    worker._process.kill()
    worker._process.join()
    assert answers(worker)


def test_restarts_are_counted() -> None:
    restarts: list[int] = []
    workers = Workers(Limits(workers=1), hostile, lambda: restarts.append(1))
    try:
        with pytest.raises(Problem):
            workers.examine(b"crash", "a.jpg")
        assert workers.examine(encoded(), "a.jpg").rgb is not None
        assert len(restarts) == 1
    finally:
        workers.close()
