"""The orders of one generator, batch after batch: bad pictures are made again, and memory that ends is made do with."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.generation.contract import Generator, Made, Order, Save
from synthscope.generation.plan import addressed
from synthscope.generation.reals import copy_real
from synthscope.generation.record import Done, Log, row_of
from synthscope.runtime import Progress
from synthscope.runtime.told import printable

ATTEMPTS = 3  # pictures that a run makes for an order until one is good
PLAIN = 2  # grey levels between the darkest and the brightest value of a picture that shows nothing


@dataclass(frozen=True)
class Task:
    """An order on its way."""

    order: Order
    left: int = ATTEMPTS
    cost: float = 0.0
    rejected: tuple[str, ...] = ()

    def after(self, made: Made, problem: str | None) -> Task:
        """The task once an answer has come: its cost counted, a bad picture noted."""
        told = () if problem is None else (f"attempt {self.order.attempt}: {problem}",)
        cost = self.cost + made.record.get("cost", 0.0)
        return replace(self, left=self.left - 1, cost=cost, rejected=self.rejected + told)


def outstanding(orders: Sequence[Order], generator: str, before: Done, seed: int) -> list[Task]:
    """What a generator has still to make, failures of earlier runs with the attempts after theirs."""
    tasks = []
    for order in orders:
        row = before.get((generator, order.uid))
        if row is None:
            tasks.append(Task(addressed(order, generator, seed)))
        elif row["error"] is not None:
            again = replace(order, attempt=row["attempt"] + 1)
            tasks.append(Task(addressed(again, generator, seed), cost=row["cost"] or 0.0))
    return tasks


def make(
    tasks: Sequence[Task], generator: Generator, facts: Mapping[str, Any], log: Log, out: Path, *, save: Save, seed: int
) -> None:
    """Fill ``out`` and ``log``. Raises ``SynthscopeError`` where the generator, the memory or the disk says no."""
    waiting, size, name = deque(tasks), generator.batch, generator.name
    with Progress(f"generating with {printable(name)}", total=len(tasks)) as progress:
        while waiting:
            batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
            try:
                answers = generator.generate([task.order for task in batch])
            except MemoryError as error:
                size = _smaller(len(batch), name, error)
                waiting.extendleft(reversed(batch))
                continue
            rows = []
            for task, made in zip(batch, answers, strict=True):
                problem = made.error or flaw(made)
                task = task.after(made, problem)
                if problem and task.left:
                    again = replace(task.order, attempt=task.order.attempt + 1)
                    waiting.append(replace(task, order=addressed(again, name, seed)))
                else:
                    told = {"error": problem} if problem else _saved(made, task.order, out, save)
                    told |= {"cost": task.cost or None, "rejected": "; ".join(task.rejected) or None}
                    rows.append(row_of(task.order, name, facts, {**made.record, **told}))
            log.add(rows)
            progress.advance(len(rows))


def flaw(made: Made) -> str | None:
    """What is wrong with a picture, as far as that can be told without looking at it."""
    if made.rgb is None:
        return "no picture"
    return "a picture of one colour" if int(made.rgb.max()) - int(made.rgb.min()) <= PLAIN else None


def _saved(made: Made, order: Order, out: Path, save: Save) -> dict[str, Any]:
    """The real image and the fake, in this order, so that no fake stands alone."""
    assert made.rgb is not None
    height, width = made.rgb.shape[:2]
    try:
        real = copy_real(order, out)
    except UnreadableImageError as error:
        return {"error": str(error)}
    return {"path": save(made, order, out), "real": real, "width": width, "height": height}


def _smaller(size: int, name: str, error: MemoryError) -> int:
    """Half a batch. Raises ``SynthscopeError`` where that is none."""
    if size == 1:
        raise SynthscopeError(
            f"Expected memory for one image of {name}, got too little. Choose a smaller size=, dtype=fp16, or another "
            "device."
        ) from error
    print(f"{printable(name)}: memory ended with {size} images at a time; going on with {size // 2}", file=sys.stderr)
    return size // 2
