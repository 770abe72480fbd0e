"""One forward pass that several explainers share: outputs of modules on the way, and the logit's gradients by them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError, UsageError

INPUT = ""  # the images themselves, among names of modules


class Taps(NamedTuple):
    """What an explainer reads of a forward pass beside the logits: names of modules, ``INPUT`` = the images."""

    outputs: tuple[str, ...] = ()  # what these modules return; nothing may overwrite it later in the pass
    gradients: tuple[str, ...] = ()  # the same, and the gradient of each image's logit by it


class Forward(NamedTuple):
    """What a forward pass has left; nothing of it is part of a graph."""

    logits: Tensor  # float32 (B,)
    outputs: dict[str, Tensor]  # of all modules that were asked for
    gradients: dict[str, Tensor]  # shaped as the outputs


def forward(detector: Detector, images: Tensor, taps: Iterable[Taps] = ()) -> Forward:
    """One pass for everybody's ``taps``, as dear as the earliest gradient among them.

    The graph starts at the first module whose gradient is wanted: what lies before runs without gradients, and only
    what follows is repeated backwards.

    Args:
        detector: In evaluation mode; nobody else may run it meanwhile.
        images: ``(B, 3, h, w)``, uint8 or float in 0..255.
        taps: Of all explainers.

    Raises:
        UsageError: A module that is not used, does not lead to the logit, or returns no tensor.
        SynthscopeError: A detector that does not return one logit an image.
    """
    asked = list(taps)
    followed = list(dict.fromkeys(name for tap in asked for name in tap.gradients))
    read = dict.fromkeys([*followed, *(name for tap in asked for name in tap.outputs)])
    taken: dict[str, Tensor] = {}

    def take(name: str) -> Callable[..., Tensor | None]:
        def hook(module: nn.Module, args: Any, output: Any) -> Tensor | None:
            if not isinstance(output, Tensor):
                raise UsageError(f"Expected maps from {name}, got {type(output).__name__}. Name another layer.")
            if name not in followed:
                taken[name] = output
                return None
            torch.set_grad_enabled(True)  # until the end of the forward pass; no_grad() around it restores the mode
            taken[name] = output if output.requires_grad else output.detach().requires_grad_()
            return taken[name].clone()  # which an activation in place may overwrite

        return hook

    modules = {name: detector.get_submodule(name) for name in read if name != INPUT}
    handles = [module.register_forward_hook(take(name)) for name, module in modules.items()]
    try:
        with torch.no_grad(), unfused(_attention_of(detector, modules)):
            if INPUT in followed:
                images = taken[INPUT] = images.float().detach().requires_grad_()
                torch.set_grad_enabled(True)
            logits = detector(images)
    finally:
        for handle in handles:
            handle.remove()
    if logits.shape != (len(images),):
        raise SynthscopeError(
            f"Expected logits of shape ({len(images)},) from detector {detector.config.name!r}, got "
            f"{tuple(logits.shape)}. Return one logit an image."
        )
    gradients = _gradients(logits, {name: taken[name] for name in followed if name in taken})
    for name in read:
        if name not in taken or (name in followed and name not in gradients):
            raise UsageError(f"Expected layers between image and logit, got {name!r}, which is not. Name another one.")
    return Forward(logits.detach().float(), {name: tensor.detach() for name, tensor in taken.items()}, gradients)


def _gradients(logits: Tensor, by: dict[str, Tensor]) -> dict[str, Tensor]:
    if not (by and logits.requires_grad):
        return {}
    found = torch.autograd.grad(logits, list(by.values()), torch.ones_like(logits), allow_unused=True)
    return {name: gradient for name, gradient in zip(by, found, strict=True) if gradient is not None}


def _attention_of(detector: Detector, modules: Iterable[str]) -> list[Any]:
    """Attention layers of timm whose matrices are to be read, which fused attention never holds."""
    return [detector.get_submodule(name.rpartition(".")[0]) for name in modules if name.endswith(".attn_drop")]


@contextlib.contextmanager
def unfused(layers: Sequence[Any]) -> Iterator[None]:
    """Attention layers of timm that compute their matrices, softmax and ``attn_drop`` one after the other meanwhile."""
    fused = [layer.fused_attn for layer in layers]
    try:
        for layer in layers:
            layer.fused_attn = False
        yield
    finally:
        for layer, was in zip(layers, fused, strict=True):
            layer.fused_attn = was
