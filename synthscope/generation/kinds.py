"""What a class of pipelines takes and needs, read from its signature, before any weights are loaded."""

from __future__ import annotations

import inspect
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from synthscope.errors import SynthscopeError, UsageError
from synthscope.generation.checkpoints import check_pipeline
from synthscope.generation.libraries import import_diffusers

Takes = dict[str, inspect.Parameter]  # of one call of a pipeline
_OPTIONS = {"num_inference_steps": "steps", "guidance_scale": "guidance", "height": "size", "width": "size"}


def pipeline_class(folder: Path, *, from_image: bool = False) -> Any:
    """The class that ``model_index.json`` names, or the one that makes images from images with the same weights.

    Raises:
        SynthscopeError: One that this version of diffusers does not have.
    """
    diffusers = import_diffusers()
    told = check_pipeline(folder)["_class_name"]
    kind = getattr(diffusers, told, None)
    if not (inspect.isclass(kind) and issubclass(kind, diffusers.DiffusionPipeline)):
        raise SynthscopeError(
            f"Expected a pipeline that diffusers {diffusers.__version__} has in {folder}, got {told}. Install another "
            "version, or use another pipeline."
        )
    if not from_image or "strength" in takes(kind):
        return kind
    from diffusers.pipelines.auto_pipeline import (
        AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
        AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
    )

    family = next((name for name, one in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.items() if one is kind), "")
    return AUTO_IMAGE2IMAGE_PIPELINES_MAPPING.get(family, kind)


def takes(kind: Any) -> Takes:
    """Parameters of a call."""
    return dict(inspect.signature(kind.__call__).parameters)


def needs(taken: Takes) -> tuple[str, ...]:
    """Fields of an order without which a call is impossible."""
    image = taken.get("image")
    from_image = image is not None and ("strength" in taken or image.default is inspect.Parameter.empty)
    return ("class_index",) * ("class_labels" in taken) + ("source",) * from_image


def check_options(kind: Any, call: dict[str, Any], *, watermark: bool) -> None:
    """Raise ``UsageError`` for options that a pipeline has no use for. Sources can always be made to fit a size."""
    taken = takes(kind)
    unused = [_OPTIONS.get(key, key) for key in call if key not in taken]
    if "source" in needs(taken):
        unused = [key for key in unused if key != "size"]
    if watermark and not marks(kind):
        unused.append("watermark")
    if unused:
        raise UsageError(f"Expected options that {kind.__name__} has a use for, got {unused[0]}. Leave it out.")
    if watermark and not find_spec("imwatermark"):
        raise SynthscopeError(
            "Expected the package invisible-watermark for watermark=on, got none. Run pip install --no-deps "
            "invisible-watermark PyWavelets."
        )


def marks(kind: Any) -> bool:
    """Whether it can add an invisible watermark."""
    return "add_watermarker" in inspect.signature(kind.__init__).parameters


def value_of(taken: Takes, call: dict[str, Any], key: str) -> Any:
    """A number that a call is given, or has by default; None where neither is."""
    default = taken[key].default if key in taken else None
    return call.get(key, default if isinstance(default, int | float) else None)
