"""Ways to run a detector: a detector and a precision in, a callable from uint8 batches to float32 logits out.

One file each. Whatever is no exact eager float32 is compared with that before it is used: see ``choose``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from synthscope.errors import UsageError
from synthscope.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from synthscope.detectors.base import Detector

PRECISIONS = ("fp32", "bf16", "fp16", "int8")


class Setting(NamedTuple):
    """What a backend may know of the run in which it is to work."""

    images: Tensor  # uint8 (N, 3, h, w) as the detector gets them, N >= 2; all later batches have their size
    batch_size: int  # of nearly all batches
    workers: int  # threads that call at the same time, each to use one core
    folder: Path  # of this detector, for graphs that several backends read; gone when all are loaded


Model = Callable[["Tensor"], "Tensor"]  # uint8 (B, 3, h, w) to float32 (B,), on the detector's device, from any thread
# Raises ``UsageError`` for a precision that it never has, ``SynthscopeError`` where its packages are not installed, and
# anything else for a detector that it cannot take.
Backend = Callable[["Detector", str, Setting], Model]

BACKENDS: Registry[Backend] = Registry("backend")
BACKENDS.register("eager", "synthscope.inference.backends.eager:eager")
BACKENDS.register("openvino", "synthscope.inference.backends.openvino:openvino")
BACKENDS.register("onnx", "synthscope.inference.backends.onnx:onnx")
BACKENDS.register("compile", "synthscope.inference.backends.compile:compiled")


def check_precision(backend: str, precision: str, known: tuple[str, ...]) -> None:
    """Raises ``UsageError`` unless ``backend`` has the precision."""
    if precision not in known:
        raise UsageError(
            f"Expected {' or '.join(known)} for the backend {backend}, got {precision}. "
            f"{'Add --backend onnx or openvino' if precision == 'int8' else 'Change --precision or --backend'}."
        )
