"""What generators that start from a photograph have in common: one picture at a time, loaded when first asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from synthscope.data.images import read_file, read_rgb
from synthscope.errors import SynthscopeError
from synthscope.generation.contract import Made, Order
from synthscope.generation.libraries import offline
from synthscope.generation.running import MODEL_ERRORS, failure
from synthscope.generation.spec import folder_name, number


class FromSource(ABC):
    """A generator of fakes of sources, each of its source's size.

    Args:
        name: Of the generator.
        megapixels: Of the largest picture that goes through in one piece.
        device: Of torch; empty = the first GPU, if there is one.
    """

    batch = 1
    needs = ("source",)

    def __init__(self, name: str, megapixels: str, device: str) -> None:
        self.name = folder_name(name)
        self.largest = number(megapixels, "megapixels", least=0.01, most=100)
        self.device = device
        self._model: Any = None

    def generate(self, orders: Sequence[Order]) -> list[Made]:
        """Fakes of the sources; a source that cannot be read, or not be used, is an answer with an error."""
        if self._model is None:
            self._model = self.load()
        return [self._made(order) for order in orders]

    def close(self) -> None:
        """Forget the weights."""
        self._model = None

    @abstractmethod
    def load(self) -> Any:
        """The model. Raises ``SynthscopeError`` where it cannot be had: the run stops."""

    @abstractmethod
    def from_pixels(self, model: Any, rgb: np.ndarray, sha256: str, order: Order) -> Made:
        """The fake of uint8 ``(H, W, 3)`` pixels. Raises ``SynthscopeError`` where there is none of this source."""

    def fits(self, rgb: np.ndarray) -> bool:
        """Whether a picture goes through in one piece."""
        return rgb.shape[0] * rgb.shape[1] <= self.largest * 1e6

    def too_large(self, order: Order) -> SynthscopeError:
        """The sentence on a source that does not."""
        return SynthscopeError(
            f"Expected at most {self.largest:g} megapixels of {order.source}, got more. Scale it, or raise megapixels=."
        )

    def _made(self, order: Order) -> Made:
        assert order.source is not None
        try:
            data, sha256 = read_file(order.source)
            rgb = read_rgb(data, name=order.source)
            with offline():
                return self.from_pixels(self._model, rgb, sha256, order)
        except SynthscopeError as error:
            return Made(error=str(error))
        except MODEL_ERRORS as error:
            raise failure(error, self.name) from error
