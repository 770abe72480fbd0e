"""Where models run, and what their errors mean for a run."""

from __future__ import annotations

from typing import Any

from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime import best_device
from synthscope.runtime.files import reason

MODEL_ERRORS = (RuntimeError, ValueError, TypeError, KeyError, AttributeError)  # of torch and diffusers
_MEMORY = ("out of memory", "allocate memory", "not enough memory")


def device_of(name: str) -> Any:
    """A ``torch.device``; without a name, the best one. Raises ``UsageError`` for one that is not there."""
    import torch

    try:
        device = torch.device(name) if name else best_device()
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"Expected a device of this machine, got device={name}: {reason(error)}. Correct it."
        ) from error
    return device


def failure(error: Exception, name: str) -> Exception:
    """What one of ``MODEL_ERRORS`` means for a run: ``MemoryError``, or the sentence that stops it."""
    if any(word in str(error).lower() for word in _MEMORY):
        return MemoryError(reason(error))
    return SynthscopeError(
        f"Expected images of {name}, got: {reason(error)}. Change its options, or use another model."
    )
