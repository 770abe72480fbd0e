"""Pipelines of diffusers that start from a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthscope.errors import SynthscopeError, needing
from synthscope.generation.reconstruct.from_source import device_of
from synthscope.runtime import import_torchvision
from synthscope.runtime.files import reason


def open_pipeline(target: str, kind: str, device: str) -> Any:
    """The pipeline of a folder, from safetensors, without a network, as one of a ``kind`` of diffusers' auto pipelines.

    Raises:
        SynthscopeError: No such pipeline, or no weights.
    """
    with needing("generate", "pipelines"):
        import_torchvision()
        import diffusers
    folder = Path(target).expanduser()
    if not (folder / "model_index.json").is_file():
        raise SynthscopeError(
            f"Expected the folder of a pipeline of diffusers at {folder}, got no model_index.json. Check the path."
        )
    try:
        pipeline = getattr(diffusers, kind).from_pretrained(folder, use_safetensors=True, local_files_only=True)
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise SynthscopeError(
            f"Expected a pipeline for {kind} in {folder}, got: {reason(error)}. Download the folder again, or name "
            "another one."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device_of(device))


def multiple_of(pipeline: Any) -> int:
    """What heights and widths have to be multiples of, in pixels: transformers join latents two by two."""
    return pipeline.vae_scale_factor * (2 if getattr(pipeline, "transformer", None) is not None else 1)
