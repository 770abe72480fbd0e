"""What every operation of a degradation recipe is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from synthscope.config import Config
from synthscope.errors import UnreadableImageError


class Step(Config, ABC):
    """One operation with its parameters; the fields, in order, are the grammar of its parameters.

    The ladders of severity 1 to 5 are this project's own choice: no source fixes them.
    """

    op: ClassVar[str]
    positional: ClassVar[str | None] = None  # the parameter that may stand without its name, and is written so
    ladder: ClassVar[tuple[str, ...]] = ()  # parameters at severity 1..5
    draws: ClassVar[bool] = True  # numbers from the generator that it is given
    moves: ClassVar[bool] = False  # what an image shows to other places: masks have to follow

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


def check_side(rgb: np.ndarray, limit: int, name: str) -> None:
    """Raises ``UnreadableImageError`` for a side longer than ``limit`` pixels, all that ``name`` can hold."""
    if max(rgb.shape[:2]) > limit:
        size = f"{rgb.shape[1]}x{rgb.shape[0]}"
        raise UnreadableImageError(f"Expected sides of at most {limit} pixels for {name}, got {size}. Crop the image.")


def strips(rgb: np.ndarray) -> Iterator[slice]:
    """Rows of an image, about a million pixels at a time: floats of all of them would be gigabytes."""
    rows = max(1, 2**20 // rgb.shape[1])
    return (slice(top, top + rows) for top in range(0, rgb.shape[0], rows))


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")
