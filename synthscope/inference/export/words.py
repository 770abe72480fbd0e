"""``detector.json`` beside an exported graph: what goes in, what comes out, and every step before it, in words."""

from __future__ import annotations

from typing import Any

from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.input import InputConfig
from synthscope.inference.backends.graph import INPUT, OPSET, OUTPUT
from synthscope.runtime import versions

_KERNELS = {
    "bilinear": "torch's antialiased bilinear kernel (within one grey level of Pillow's BILINEAR)",
    "bicubic": "torch's antialiased bicubic kernel (within one grey level of Pillow's BICUBIC)",
    "pillow_bilinear": "Pillow's BILINEAR",
    "pillow_bicubic": "Pillow's BICUBIC",
    "opencv_bilinear": "OpenCV's INTER_LINEAR, without antialiasing",
}
_SMALL = {
    "upscale": "Enlarge an image whose shorter side is below {crop}: that side to {crop}, the other in proportion, cut "
    "to whole pixels; {kernel}.",
    "pad": "Set an image smaller than {crop} into black: (crop - side) // 2 zeros before it, the rest behind.",
    "tile": "Repeat the image to the right and down until both sides have {crop} pixels.",
}
_CORNER = {"round": "rounded, half a pixel to the even number", "floor": "rounded down"}


def steps(config: InputConfig) -> list[str]:
    """From a file to the graph's input, one sentence a step."""
    kernel, side = _KERNELS[config.interpolation], config.side
    told = [
        "Decode the file to 8-bit RGB: apply the EXIF orientation, composite transparent pixels onto white, keep the "
        "high byte of 16-bit channels, of an animation take the first frame; apply no colour profile.",
    ]
    if config.resize is not None and config.resize_mode == "square":
        told.append(f"Resize both sides to {config.resize} pixels; {kernel}.")
    elif config.resize is not None:
        told.append(
            f"Resize the shorter side to {config.resize} pixels, the other in proportion, cut to whole pixels; "
            f"{kernel}."
        )
    if config.crop is not None:
        told.append(_SMALL[config.small].format(crop=config.crop, kernel=kernel))
        told.append(
            f"Cut {config.crop} x {config.crop} pixels out of the middle; the crop begins at "
            f"(side - {config.crop}) / 2, {_CORNER[config.corner]}."
        )
    told.append(f"Lay out as uint8 (batch, 3, {side}, {side}): red, green, blue, values 0 to 255.")
    told.append("Mean and standard deviation are applied inside the graph: do not normalise.")
    return told


def description(name: str, config: DetectorConfig, file: str, hashes: dict[str, str]) -> dict[str, Any]:
    """Everything a foreign program needs. ``hashes``: SHA-256 of every file of the graph."""
    side = config.input.side
    temperature, bias = config.calibration.temperature, config.calibration.bias
    packages = ("torch", "onnx", *(["openvino"] if file.endswith(".xml") else []))
    return {
        "detector": name,
        "architecture": config.architecture,
        "licence": config.licence,
        "graph": file,
        "sha256": hashes,
        "weights_sha256": config.weights_sha256,
        "opset": OPSET,
        "versions": versions(*packages),
        "input": {"name": INPUT, "type": "uint8", "shape": ["batch", 3, side, side], "order": "RGB"},
        "output": {"name": OUTPUT, "type": "float32", "shape": ["batch"], "meaning": "logit, positive speaks for AI"},
        "steps": steps(config.input),
        "fields": config.input.model_dump(mode="json") | {"corner": config.input.corner},
        "threshold": config.threshold,
        "verdict": f"AI where the logit is above {config.threshold!r}, else real",
        "calibration": config.calibration.model_dump(mode="json"),
        "probability": f"p(AI) = 1 / (1 + exp(-(logit / {temperature!r} + {bias!r})))",
    }
