"""Learning rates: a function of the epoch (constant, with drops or without, cosine), or CNNSpot's drops when held-out
accuracy stalls.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from synthscope.config import Config


class Schedule(Config):
    """Constant, cosine with warm-up, or ``plateau_drop``; lengths in epochs. A constant rate can drop by ten times."""

    name: Literal["constant", "cosine", "plateau_drop"] = "cosine"
    warmup_epochs: float = Field(default=0.0, ge=0)
    warmup_lr: float = Field(default=0.0, ge=0)  # where the warm-up starts
    warmup_prefix: bool = False  # the cosine starts after the warm-up; False = its clock runs through
    milestones: tuple[float, ...] = ()  # constant: epochs from which on it is a tenth of what it was
    cooldown_epochs: float = Field(default=0.0, ge=0)  # at min_lr, counted within `epochs`
    min_lr: float = Field(default=0.0, ge=0)  # of the cosine; plateau_drop stops below it
    patience: int = Field(default=5, ge=1)  # plateau_drop: epochs without improvement before a drop
    improvement: tuple[float, float] = (0.001, 0.002)  # plateau_drop: least gain before and after the first drop

    @field_validator("milestones")
    @classmethod
    def _of_a_constant(cls, milestones: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if milestones and info.data.get("name") != "constant":
            raise ValueError("milestones are for the schedule constant")
        return milestones


def learning_rate(epoch: float, *, lr: float, epochs: float, schedule: Schedule) -> float:
    """Learning rate after ``epoch`` (fractional) of ``epochs``; the published staircase by epochs made smooth.

    >>> [learning_rate(e, lr=1.0, epochs=4, schedule=Schedule(name="cosine")) for e in (0, 2, 4)]
    [1.0, 0.5, 0.0]
    >>> [learning_rate(e, lr=1.0, epochs=9, schedule=Schedule(name="constant", milestones=(2, 6))) for e in (0, 2, 7)]
    [1.0, 0.1, 0.01]
    """
    if epoch < schedule.warmup_epochs:
        return schedule.warmup_lr + (lr - schedule.warmup_lr) * epoch / schedule.warmup_epochs
    if schedule.name != "cosine":
        return _tenth(lr, sum(epoch >= milestone for milestone in schedule.milestones))
    start = schedule.warmup_epochs if schedule.warmup_prefix else 0.0
    length = max(epochs - schedule.cooldown_epochs - start, 1e-9)
    progress = min(max((epoch - start) / length, 0.0), 1.0)
    return schedule.min_lr + (lr - schedule.min_lr) * (1 + math.cos(math.pi * progress)) / 2


class PlateauDrop:
    """CNNSpot's stopping rule: ten times less after ``patience`` epochs without improvement, until below ``min_lr``.

    The published code forgets its best score at every drop, so that a worse epoch overwrites the best model; here the
    best score is kept.

    >>> rule = PlateauDrop(1e-5, Schedule(name="plateau_drop", min_lr=1e-6, patience=1))
    >>> [rule.update(0.9), rule.update(0.9), rule.update(0.9)], rule.stopped
    ([1e-05, 1e-06, 1e-07], True)
    """

    def __init__(self, lr: float, schedule: Schedule) -> None:
        self.schedule, self.start = schedule, lr
        self.drops, self.waited, self.best = 0, 0, -math.inf

    @property
    def lr(self) -> float:
        """Learning rate now."""
        return _tenth(self.start, self.drops)

    @property
    def stopped(self) -> bool:
        """Whether the rate fell below the least one."""
        return self.lr < self.schedule.min_lr

    def update(self, score: float) -> float:
        """Learning rate after an epoch whose held-out accuracy was ``score``."""
        if score > self.best + self.schedule.improvement[min(self.drops, 1)]:
            self.best, self.waited = score, 0
            return self.lr
        self.waited += 1
        if self.waited >= self.schedule.patience:
            self.drops, self.waited = self.drops + 1, 0
        return self.lr

    def state_dict(self) -> dict[str, float]:
        """What a resumed run needs."""
        return {"drops": self.drops, "waited": self.waited, "best": self.best}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Continue from :meth:`state_dict`."""
        self.drops, self.waited, self.best = int(state["drops"]), int(state["waited"]), float(state["best"])


def _tenth(lr: float, times: int) -> float:
    return float(f"{lr * 10.0**-times:.12g}")  # 1e-5, not 1.0000000000000001e-05
