"""Which layer of a detector to look at, and its maps and gradients at the price of hardly more than a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.detectors.f3net import F3Net
from synthscope.detectors.gramnet import GramNet
from synthscope.detectors.spec import Spec
from synthscope.errors import UsageError, suggest

NO_MAPS = "Use input_x_grad, integrated_gradients, occlusion or rise."
_CHOSEN: WeakKeyDictionary[nn.Module, tuple[str, ...]] = WeakKeyDictionary()


def target_layers(detector: Detector) -> tuple[str, ...]:
    """Names of the modules whose outputs are the last maps over the image.

    - Transformers with global attention: the first norm of the last block. What follows mixes tokens once more, and of
      what comes out behind it a head on the class token reads no patch.
    - F3Net: the end of both streams, whose heatmaps are added up.
    - GramNet: the last stage, which is its content branch; what only the texture branches see is not in the heatmap.
    - FreqNet: its last stage; layers before it mix every position with the one opposite, so heatmaps show both.
    - Any other network: the last module in order of execution whose output has more than one position.

    Raises:
        UsageError: Maps over a spectrum instead of the image, or none at all.
    """
    if detector not in _CHOSEN:
        _CHOSEN[detector] = _choose(detector)
    return _CHOSEN[detector]


def _choose(detector: Detector) -> tuple[str, ...]:
    if isinstance(detector, Spec) and detector.options.feature == "spectrum":
        raise UsageError(f"Expected maps over the image, got {detector.config.name}, which reads a spectrum. {NO_MAPS}")
    if isinstance(detector, F3Net):
        return "net.fad_excep.bn4", "net.lfs_excep.bn4"
    if isinstance(detector, GramNet):
        return ("net.layer4",)
    if found := find_transformer(detector):
        name, transformer = found
        return (f"{name}.blocks.{len(transformer.blocks) - 1}.norm1",)
    return (_last_maps(detector),)


def _last_maps(detector: Detector) -> str:
    seen: list[str] = []

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and min(as_maps(detector, output).shape[2:]) > 1:
                seen.append(name)

        return hook

    inner = [
        (name, module) for name, module in detector.named_modules() if name and not isinstance(module, nn.Identity)
    ]
    handles = [module.register_forward_hook(note(name)) for name, module in inner]
    side = detector.config.input.side or 224
    try:
        with torch.no_grad():
            detector(torch.zeros(1, 3, side, side, dtype=torch.uint8, device=detector.mean.device))
    finally:
        for handle in handles:
            handle.remove()
    if not seen:
        raise UsageError(f"Expected maps over the image, got {detector.config.name}, which has none. {NO_MAPS}")
    return seen[-1]


def named_layers(detector: Detector, names: str | None) -> tuple[str, ...]:
    """The modules that ``names`` says, joined by ``+``; the default where None. Raises ``UsageError``."""
    if names is None:
        return target_layers(detector)
    modules = [name for name, _ in detector.named_modules() if name]
    for name in names.split("+"):
        if name not in modules:
            advice = suggest(name, [module for module in modules if module.count(".") <= name.count(".")])
            raise UsageError(f"Expected a module of {detector.config.name}, got {name!r}. {advice}")
    return tuple(names.split("+"))


def find_transformer(detector: nn.Module) -> tuple[str, Any] | None:
    """Name and module of a vision transformer with global attention (timm's ViT and its kin), if there is one."""
    for name, module in detector.named_modules():
        if hasattr(module, "num_prefix_tokens") and hasattr(module, "patch_embed") and hasattr(module, "blocks"):
            attention = getattr(module.blocks[-1], "attn", None)  # type: ignore[index]
            if hasattr(attention, "attn_drop") and hasattr(attention, "fused_attn"):
                return name, module
    return None


def activations_and_gradients(detector: Detector, images: Tensor, layers: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
    """Maps of some layers and the gradient of each image's logit by them, both ``(B, C, h, w)``.

    The graph starts at the first of the layers: what lies before runs without gradients, and only what follows is
    repeated backwards.

    Raises:
        UsageError: A layer that is not used, does not lead to the logit, or gives no maps.
    """
    taken: dict[str, Tensor] = {}

    def take(name: str) -> Callable[..., Tensor]:
        def hook(module: nn.Module, args: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor):
                raise UsageError(f"Expected maps from {name}, got {type(output).__name__}. Name another layer.")
            torch.set_grad_enabled(True)  # until the end of the forward pass; no_grad() around it restores the mode
            taken[name] = output if output.requires_grad else output.detach().requires_grad_()
            return taken[name].clone()  # which an activation in place may overwrite

        return hook

    handles = [detector.get_submodule(name).register_forward_hook(take(name)) for name in layers]
    try:
        with torch.no_grad():
            logits = detector(images)
    finally:
        for handle in handles:
            handle.remove()
    gradients: dict[str, Tensor | None] = dict.fromkeys(layers)
    if logits.requires_grad:
        found = torch.autograd.grad(logits, list(taken.values()), torch.ones_like(logits), allow_unused=True)
        gradients |= dict(zip(taken, found, strict=True))
    pairs, size = [], images.shape[-2:]
    for name, gradient in gradients.items():
        if gradient is None:
            raise UsageError(f"Expected layers between image and logit, got {name!r}, which is not. Name another one.")
        pairs.append((as_maps(detector, taken[name].detach(), size), as_maps(detector, gradient, size)))
    return pairs


def as_maps(detector: Detector, output: Tensor, size: Sequence[int] = (0, 0)) -> Tensor:
    """Outputs of a layer as ``(B, C, h, w)``: tokens ``(B, T, C)`` and channels last (Swin) are rearranged.

    Args:
        detector: Which the layer belongs to.
        output: Of the layer.
        size: Height and width of the detector's input, for tokens.
    """
    if output.ndim == 3 and (found := find_transformer(detector)):
        return patch_grid(found[1], output.mT[..., found[1].num_prefix_tokens :], size)
    if output.ndim != 4:
        raise UsageError(f"Expected maps of {detector.config.name}, got {tuple(output.shape)}. Name another layer.")
    channels_last = any(getattr(module, "output_fmt", None) == "NHWC" for module in detector.modules())
    return output.permute(0, 3, 1, 2) if channels_last else output


def patch_grid(transformer: Any, patches: Tensor, size: Sequence[int]) -> Tensor:
    """``(…, N)`` values of patches, without class token, as ``(…, rows, columns)``."""
    rows, columns = (side // patch for side, patch in zip(size, transformer.patch_embed.patch_size, strict=True))
    return patches.unflatten(-1, (rows, columns))
