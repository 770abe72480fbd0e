"""What a generator is asked for, what it answers, and what it may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from synthscope.errors import SynthscopeError

NAME = "{generator}"  # in the path of an order that no generator has been given yet


@dataclass(frozen=True)
class Order:
    """One image to make."""

    uid: str  # the same for all generators, so that the fakes of one uid pair, and with its real
    path: str  # below the output folder, POSIX, without suffix; NAME stands for the generator's
    split: str  # train | val | test
    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0  # 63 bits
    attempt: int = 0  # how many images of this order were refused before
    class_index: int | None = None
    synset: str | None = None
    class_name: str | None = None
    source: Path | None = None  # the real image of this uid: to start from, and to stand beside the fake


@dataclass(frozen=True)
class Made:
    """The answer to an order: a picture, or why there is none."""

    rgb: np.ndarray | None = None  # (H, W, 3) uint8
    record: Mapping[str, Any] = field(default_factory=dict)  # further columns: nsfw, watermark, cost …
    error: str | None = None  # another seed is tried
    mask: np.ndarray | None = None  # (H, W) bool, where it differs from its source
    file: bytes | None = None  # the picture as it was delivered, if it came as a file: saved unchanged


@dataclass
class Permission:
    """What the user allows: nothing is downloaded and nothing is paid for unless somebody said so."""

    download: bool = False
    max_cost: float = 0.0
    spent: float = 0.0  # by earlier runs, too

    def pay(self, cost: float) -> None:
        """Count ``cost`` before it arises. Raises ``SynthscopeError`` where that would be more than is allowed."""
        if cost and self.spent + cost > self.max_cost * (1 + 1e-9):
            raise SynthscopeError(
                f"Expected costs of at most {self.max_cost:g} in all, got {self.spent:g} so far and {cost:g} for the "
                "next image. Allow more by --max-cost and run again to go on."
            )
        self.spent += cost


class Generator(Protocol):
    """Makes images; loaded on first use."""

    name: str  # of its folder, and in the column generator
    batch: int  # orders in a call; the run halves it where memory ends
    needs: tuple[str, ...]  # fields of an order that must be there, such as ("source",)

    def facts(self) -> dict[str, Any]:
        """What is the same for all its images, as columns of prompts.parquet: model, revision, scheduler, steps, …

        A later run in the same folder must have the same. A generator with a ``price`` is not tried out by a dry run.
        """

    def generate(self, orders: Sequence[Order]) -> list[Made]:
        """One answer an order, in their order; how orders are put together changes no picture.

        Raises:
            MemoryError: There is too little for so many at a time.
            SynthscopeError: The run must stop.
        """

    def close(self) -> None:
        """Give memory back."""


Maker = Callable[..., Generator]  # (target: str, permission: Permission, *, option: str = "")
Save = Callable[[Made, Order, Path], str]
"""Writes the picture of an order below a folder, whole or not at all; returns its path below it, with suffix."""
