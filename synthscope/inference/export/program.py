"""``run.py`` beside an exported graph: the shortest program that gives the logit of an image file, without torch."""

from __future__ import annotations

from synthscope.detectors.input import InputConfig

_RUN = {
    "onnx": (
        "import onnxruntime",
        'logit = onnxruntime.InferenceSession(HERE / "model.onnx").run(None, {"images": pixels(sys.argv[1])})[0][0]',
    ),
    "openvino": (
        "import openvino",
        'model = openvino.Core().compile_model(HERE / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})\n'
        "logit = model([pixels(sys.argv[1])])[0][0]",
    ),
}


def example(name: str, config: InputConfig, threshold: float, form: str) -> str:
    """Python source for one input configuration, with what it does not need left out.

    Args:
        name: The detector's, for the first line.
        config: With a fixed size of input.
        threshold: On the logit.
        form: ``onnx`` or ``openvino``.
    """
    library, call = _RUN[form]
    steps = _geometry(config, _resized(config.interpolation))
    opencv = ["import cv2"] if any("cv2" in step for step in steps) else []
    imports = ["import sys", "from pathlib import Path", "", *opencv, "import numpy as np"]
    lines = [
        f'"""Logit of an image by {"".join(c for c in name if c.isalnum() or c in "._-+@")}: python run.py IMAGE."""',
        *imports, library, "from PIL import Image, ImageOps", "", "HERE = Path(__file__).parent", "", "",
        "def pixels(file):",
        '    image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")',
        *[f"    {step}" for step in steps],
        "    return np.ascontiguousarray(np.asarray(image)[None].transpose(0, 3, 1, 2))",
        "", "", 'if __name__ == "__main__":',
        *[f"    {line}" for line in call.splitlines()],
        f'    print(float(logit), "AI" if logit > {threshold!r} else "real")',
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _resized(interpolation: str) -> str:
    library, _, kernel = interpolation.rpartition("_")
    if library == "opencv":
        return "Image.fromarray(cv2.resize(np.asarray(image), {size}, interpolation=cv2.INTER_LINEAR))"
    return f"image.resize({{size}}, Image.Resampling.{kernel.upper()})"


def _geometry(config: InputConfig, resized: str) -> list[str]:
    """Statements that resize and crop ``image``, as ``detectors.base.preprocess`` does."""
    steps = []

    def short_side_to(target: int) -> str:
        scaled = f"[{target} * side // min(image.size) for side in image.size]"
        return f"image = {resized.format(size=scaled)}"

    if config.resize is not None:
        square = config.resize_mode == "square"
        size = f"({config.resize}, {config.resize})"
        steps.append(f"image = {resized.format(size=size)}" if square else short_side_to(config.resize))
    if (crop := config.crop) is None:
        return steps
    if config.small == "upscale":
        steps += [f"if min(image.size) < {crop}:", f"    {short_side_to(crop)}"]
    elif config.small == "tile":
        across, down = (f"-(-{crop} // image.{side})" for side in ("width", "height"))
        steps.append(f"image = Image.fromarray(np.tile(np.asarray(image), ({down}, {across}, 1)))")
    inside = f"(side - {crop}) // 2" if config.corner == "floor" else f"round((side - {crop}) / 2)"
    start = f"-(({crop} - side) // 2) if side < {crop} else {inside}" if config.small == "pad" else inside
    steps.append(f"left, top = [{start} for side in image.size]")
    steps.append(f"image = image.crop((left, top, left + {crop}, top + {crop}))")
    return steps
