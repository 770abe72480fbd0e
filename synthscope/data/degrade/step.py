"""What every operation of a degradation recipe is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from synthscope.config import Config
from synthscope.registry import Registry

DEGRADATIONS: Registry[type[Step]] = Registry("degradation")


class Step(Config, ABC):
    """One operation with its parameters; the fields, in order, are the grammar of its parameters.

    The ladders of severity 1 to 5 are this project's own choice: no source fixes them.
    """

    op: ClassVar[str]
    positional: ClassVar[str | None] = None  # the parameter that may stand without its name, and is written so
    ladder: ClassVar[tuple[str, ...]] = ()  # parameters at severity 1..5
    draws: ClassVar[bool] = True  # numbers from the generator that it is given

    @abstractmethod
    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 ``(H, W, 3)`` to a new or shared uint8 ``(H', W', 3)``; the input is not modified."""

    @property
    def reach(self) -> int | None:
        """How many pixels beyond its own block of 16 x 16 a pixel of the result depends on; None = on any of them."""
        return None

    def shape_after(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what ``apply`` makes of an image; a step that changes them says so here."""
        return height, width

    def __str__(self) -> str:
        given = {name: getattr(self, name) for name in type(self).model_fields}
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        written = [
            _plain(value) if name == self.positional else f"{name}={_plain(value)}"
            for name, value in given.items()
            if value != defaults[name]
        ]
        return f"{self.op}:{','.join(written)}" if written else self.op


class Fixed(Step, ABC):
    """An operation that draws nothing."""

    draws = False


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")
