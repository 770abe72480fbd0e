"""Memory of images in work: shared by threads, without a deadlock, and bounded as a whole."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthscope.data.in_work import Budget

PEAK = """
import resource, sys, tempfile
import polars as pl
from synthscope.data.manifest import verify
from synthscope.schema import MANIFEST, conform
table = conform(pl.DataFrame({"path": sys.argv[1:], "label": 1}), MANIFEST, "x")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(verify(table, workers=16)["error"].to_list().count(None))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_large_images_take_turns_in_memory(tmp_path: Path) -> None:
    """Six images of 100 megapixels and files of a gigabyte at 16 threads: at most 1.3 GB; one image needs 0.8."""
    image = np.zeros((9999, 9999, 3), np.uint8)
    image[::97] = 200
    Image.fromarray(image).save(tmp_path / "0.png", compress_level=1)
    del image
    for number in range(1, 6):
        (tmp_path / f"{number}.png").symlink_to(tmp_path / "0.png")
    data = (tmp_path / "0.png").read_bytes()[:4096]
    for number in range(6):
        with (tmp_path / f"long{number}.png").open("wb") as file:
            file.write(data)
            file.truncate(2**30 - number * 2**26)
    files = sorted(map(str, tmp_path.glob("*.png")))
    done = subprocess.run([sys.executable, "-c", PEAK, *files], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    readable, kilobytes = map(int, done.stdout.split())
    assert readable == 6
    assert kilobytes < 1.3e6


def run_all(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task, daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"


@pytest.mark.parametrize("sizes", [[1] * 40, [10] * 10, [25, 3, 3, 12, 1] * 6, [11, 1] * 20])
def test_the_budget_holds_and_every_task_ends(sizes: list[float]) -> None:
    budget, lock = Budget(10.0), threading.Lock()
    at_once: list[float] = []
    most: list[list[float]] = []

    def task(size: float) -> None:
        with budget.task():
            budget.claim(size)
            with lock:
                at_once.append(size)
                most.append(list(at_once))
            threading.Event().wait(0.002)
            with lock:
                at_once.remove(size)

    run_all([lambda size=size: task(size) for size in sizes])
    assert len(most) == len(sizes)
    assert all(sum(taken) <= 10 or len(taken) == 1 for taken in most)  # a larger one is alone
    if sizes == [1] * 40:
        assert max(map(len, most)) > 1  # small ones are not


def test_small_tasks_do_not_overtake_a_large_one_for_ever() -> None:
    budget, order = Budget(10.0), []
    held, free = threading.Event(), threading.Event()

    def first() -> None:
        with budget.task():
            budget.claim(6)
            held.set()
            free.wait(60)

    def later(size: float) -> None:
        with budget.task():
            budget.claim(size)
            order.append(size)

    holder = threading.Thread(target=first)
    holder.start()
    held.wait(60)
    threads = []
    for size in (9, 1, 1, 1):  # the small ones would fit beside the first
        threads.append(threading.Thread(target=later, args=(size,)))
        threads[-1].start()
        while len(budget._queue) < len(threads):
            threading.Event().wait(0.001)
    free.set()
    for thread in [holder, *threads]:
        thread.join(60)
    assert order == [9, 1, 1, 1]


def test_a_task_claims_its_largest_image_and_blocks_in_each_other_are_one() -> None:
    budget = Budget(10.0)
    with budget.task():
        budget.claim(4)
        with budget.task():
            budget.claim(3)
            budget.claim(30)  # it holds some already, so that it goes on
        assert budget._taken == 30
    assert budget._taken == 0
    budget.claim(99)  # outside of a task nothing is counted
    assert budget._taken == 0


def test_a_failed_task_gives_back_what_it_had() -> None:
    budget = Budget(10.0)
    with pytest.raises(KeyError), budget.task():
        budget.claim(10)
        raise KeyError
    assert budget._taken == 0
