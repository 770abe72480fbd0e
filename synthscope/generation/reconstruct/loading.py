"""Pipelines of diffusers that start from a picture."""

from __future__ import annotations

import math
from typing import Any

from synthscope.errors import SynthscopeError
from synthscope.generation.checkpoints import Checkpoint
from synthscope.generation.libraries import import_diffusers, offline
from synthscope.generation.running import device_of
from synthscope.runtime.files import reason


def open_pipeline(checkpoint: Checkpoint, task: str, device: str) -> Any:
    """A pipeline, in float32, as the class that one of diffusers' auto pipelines has for it, such as
    ``AutoPipelineForInpainting``.

    Raises:
        UsageError: No such device.
        SynthscopeError: No such class, or weights that cannot be loaded.
    """
    diffusers, place = import_diffusers(), device_of(device)
    try:
        with offline():
            pipeline = getattr(diffusers, task).from_pretrained(
                checkpoint.folder, use_safetensors=True, local_files_only=True
            )
    except Exception as error:  # of three libraries
        raise SynthscopeError(
            f"Expected a pipeline that diffusers {diffusers.__version__} can load by {task} in {checkpoint.folder}, "
            f"got: {reason(error)}. Name another one."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(place)


def multiple_of(pipeline: Any) -> int:
    """What heights and widths have to be multiples of, in pixels: transformers join latents two by two, and
    diffusers asks for multiples of 8."""
    factor: int = pipeline.vae_scale_factor
    return math.lcm(8, factor * (2 if getattr(pipeline, "transformer", None) is not None else 1))
