"""Networks without numbers, for their names, shapes and counts of parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_DRAWN = {"normal_", "uniform_", "trunc_normal_", "erfinv_", "clamp_", "mul_", "add_", "fill_", "zero_", "copy_"}


class _Undrawn(TorchFunctionMode):
    """What first weights are drawn by does nothing: without numbers it costs most of the time and changes nothing."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        first = args[0] if args else None
        if isinstance(first, torch.Tensor) and first.is_meta and getattr(function, "__name__", "") in _DRAWN:
            return first
        return function(*args, **(kwargs or {}))


@contextmanager
def shapes_only() -> Iterator[None]:
    """What is made in this block lies on the device ``meta``: it takes no memory and cannot be computed with.

    >>> with shapes_only():
    ...     layer = torch.nn.Linear(10_000, 10_000)
    >>> sum(parameter.numel() for parameter in layer.parameters())
    100010000
    """
    with torch.device("meta"), _Undrawn():
        yield
