"""``diffusers:``, pipelines that make images from words, classes or images."""

from __future__ import annotations

import re
from typing import Any

from synthscope.errors import UsageError
from synthscope.generation.checkpoints import find_pipeline
from synthscope.generation.contract import Permission
from synthscope.generation.kinds import check_options, pipeline_class
from synthscope.generation.pipeline import DTYPES, Pipeline, Settings
from synthscope.generation.spec import folder_name, number


def diffusers_pipeline(
    target: str,
    permission: Permission,
    *,
    name: str = "",
    steps: str = "",
    guidance: str = "",
    strength: str = "",
    size: str = "",
    batch: str = "4",
    device: str = "",
    dtype: str = "",
    revision: str = "",
    variant: str = "",
    watermark: str = "off",
) -> Pipeline:
    """A pipeline from a folder or, with ``--download`` or from the cache, of a hub id.

    Args:
        target: Folder, or OWNER/NAME.
        permission: Whether it may be downloaded.
        name: In folders and tables; default: the last part of ``target``.
        steps: Of the sampler; default: the pipeline's, as of ``guidance`` and ``size``.
        guidance: Classifier-free guidance scale.
        strength: Share of the noise that is added to the source, up to 1: makes images from images.
        size: Pixels, such as 512 or 768x512 (width x height).
        batch: Images at a time.
        device: Such as cuda:1 or cpu; default: the best one.
        dtype: fp32, fp16 or bf16; default: fp16 on CUDA devices, else fp32.
        revision: Branch, tag or commit of a hub id.
        variant: Of the weights' files, such as fp16.
        watermark: on or off: the invisible one of Stable Diffusion XL.

    Raises:
        UsageError: A bad value, or an option that the pipeline has no use for.
        SynthscopeError: No such pipeline.
    """
    for key, value, choices in (("dtype", dtype, ["", *DTYPES]), ("watermark", watermark, ["on", "off"])):
        if value not in choices:
            raise UsageError(f"Expected {key}={' or '.join(filter(None, choices))}, got {value!r}. Choose one.")
    call: dict[str, Any] = _pixels(size) if size else {}
    if steps:
        call["num_inference_steps"] = int(number(steps, "steps", least=1, most=10_000, whole=True))
    if guidance:
        call["guidance_scale"] = number(guidance, "guidance", least=0, most=1000)
    if strength:
        call["strength"] = number(strength, "strength", least=0.01, most=1)
    own = folder_name(name or re.split(r"[/\\]", target.rstrip("/\\"))[-1])
    many = int(number(batch, "batch", least=1, most=10_000, whole=True))
    checkpoint = find_pipeline(target, permission, revision=revision, variant=variant)
    kind = pipeline_class(checkpoint.folder, from_image="strength" in call)
    check_options(kind, call, watermark=watermark == "on")
    return Pipeline(Settings(own, many, checkpoint, kind, call, device, dtype, variant, watermark == "on"))


def _pixels(size: str) -> dict[str, int]:
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", size)
    if not match:
        raise UsageError(f"Expected size=512 or size=768x512, got {size!r}. Correct it.")
    return {"width": int(match[1]), "height": int(match[2] or match[1])}
