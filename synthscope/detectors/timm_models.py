"""Models of timm by name, without their pretrained weights unless asked for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from synthscope import runtime
from synthscope.detectors.input import InputConfig
from synthscope.errors import UsageError, suggest


def timm_name(name: str) -> str:
    """``name``, which timm has a model for.

    Raises:
        UsageError: No such model; also for ``hf-hub:`` names, which would download and run a foreign configuration.
    """
    timm = runtime.import_timm()
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)  # naming all of a thousand helps nobody
        advice = suggest(name, near) if near else "Write timm:NAME, such as timm:convnext_tiny."
        raise UsageError(f"Expected a timm model, got {name!r}. {advice}")
    return name


def timm_model(name: str, input: InputConfig, **arguments: Any) -> nn.Module:
    """timm's model ``name``, made for the side of ``input`` where it takes one size only.

    Args:
        name: With or without the tag of its weights.
        input: Of the detector.
        arguments: For ``timm.create_model``.

    Raises:
        UsageError: No such model, or one of fixed size for an input without.
    """
    if pretrained_cfg(timm_name(name)).get("fixed_input_size"):
        if input.side is None:
            raise UsageError(f"Expected input.crop in pixels for {name}, got none. Set input.crop, such as 224.")
        arguments["img_size"] = input.side
    model: nn.Module = runtime.import_timm().create_model(name, **arguments)
    return model


def timm_input(name: str) -> InputConfig:
    """Resize, crop, interpolation, mean and standard deviation of timm's pretrained configuration.

    Raises:
        UsageError: No such model.
    """
    data = runtime.import_timm().data.resolve_data_config(pretrained_cfg=pretrained_cfg(timm_name(name)))
    crop = int(data["input_size"][1])
    return InputConfig(
        resize=int(crop / data["crop_pct"]),
        resize_mode="square" if data["crop_mode"] == "squash" else "short",
        crop=crop,
        interpolation="bilinear" if data["interpolation"] == "bilinear" else "bicubic",
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
    )


def pretrained_cfg(name: str) -> dict[str, Any]:
    """What timm knows of the weights of ``name``: size, normalisation, the classifier; empty where there are none."""
    config = runtime.import_timm().get_pretrained_cfg(name, allow_unregistered=True)
    return config.to_dict() if config else {}


def backbone_weights(state: Mapping[str, Tensor], name: str, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``state`` of the timm model ``name`` without timm's classifier, in the names of ``wanted``; foreign keys stay.

    Files of ``efficientnet_pytorch`` name the same layers otherwise, in the same order: that of the computation.
    """
    if "_conv_stem.weight" in state:
        kept = (value for key, value in state.items() if not key.startswith("_fc."))
        return dict(zip((key for key in wanted if "classifier" not in key), kept, strict=False))
    classifier = pretrained_cfg(name).get("classifier") or ()
    heads = tuple(f"{head}." for head in ((classifier,) if isinstance(classifier, str) else classifier))
    return {key: value for key, value in state.items() if key in wanted or not key.startswith(heads)}
