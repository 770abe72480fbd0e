"""The tiny pipelines of ``synthscope.generation.tiny``, written once a process; and a generator without any model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from synthscope.generation.contract import Made, Order


@lru_cache(maxsize=1)
def folder() -> Path:
    """Holds ``text`` and ``classes``; tests copy what they change."""
    from synthscope.generation.tiny import class_pipeline, text_pipeline

    place = Path(tempfile.mkdtemp())
    text_pipeline(place / "text")
    class_pipeline(place / "classes")
    return place


def copied(name: str, to: Path) -> Path:
    return Path(shutil.copytree(folder() / name, to))


class Noise:
    """Noise by the seed; ``answer`` may be replaced."""

    needs: tuple[str, ...] = ()

    def __init__(self, name: str = "noise", batch: int = 2, **facts: Any) -> None:
        self.name, self.batch, self._facts = name, batch, facts
        self.asked: list[list[Order]] = []

    def facts(self) -> dict[str, Any]:
        return {"model": self.name, **self._facts}

    def generate(self, orders: Sequence[Order]) -> list[Made]:
        self.asked.append(list(orders))
        return [self.answer(order) for order in orders]

    def answer(self, order: Order) -> Made:
        return Made(np.random.default_rng(order.seed).integers(0, 256, (16, 16, 3), np.uint8))

    def close(self) -> None:
        self.asked.append([])
