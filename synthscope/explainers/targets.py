"""Which layer of a detector to look at, and its outputs as maps over the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from synthscope.detectors.aide import Aide
from synthscope.detectors.base import Detector
from synthscope.detectors.cospy import CoSpy, CoSpyProgan
from synthscope.detectors.f3net import F3Net
from synthscope.detectors.gramnet import GramNet
from synthscope.detectors.rine import Rine
from synthscope.detectors.spec import Spec
from synthscope.errors import UsageError, suggest

ANY = "Use input_x_grad, integrated_gradients, occlusion or rise, which work for every detector."
_CHOSEN: WeakKeyDictionary[nn.Module, tuple[str, ...]] = WeakKeyDictionary()


def target_layers(detector: Detector) -> tuple[str, ...]:
    """Names of the modules whose outputs are the last maps over the image.

    - Transformers with global attention: the first norm of the last block. What follows mixes tokens once more, and of
      what comes out behind it a head on the class token reads no patch.
    - RINE: that norm of every block, whose heatmaps are added up. Its head reads the class token behind the attention
      of each block, so the last block alone would show one term of a sum, and none where its weight is small.
    - F3Net and CO-SPY: the end of both streams, whose heatmaps are added up.
    - AIDE: the end of its semantic trunk and of both trunks of noise, whose heatmaps lie on the patches that it picked.
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
        raise UsageError(f"Expected maps over the image, got {detector.config.name}, which reads a spectrum. {ANY}")
    if isinstance(detector, F3Net):
        return "net.fad_excep.bn4", "net.lfs_excep.bn4"
    if isinstance(detector, Aide):
        return "net.openclip_convnext_xxl.head.norm", "net.model_min.layer4", "net.model_max.layer4"
    if isinstance(detector, GramNet):
        return ("net.layer4",)
    if found := find_transformer(detector):
        name, transformer = found
        norms = tuple(f"{name}.blocks.{number}.norm1" for number in range(len(transformer.blocks)))
        if isinstance(detector, Rine):
            return norms
        beside = "net.artifact.artifact_encoder.layer2"
        both = isinstance(detector, CoSpyProgan) or (isinstance(detector, CoSpy) and detector.options.branch == "both")
        return (norms[-1], beside) if both else norms[-1:]
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
        raise UsageError(f"Expected maps over the image, got {detector.config.name}, which has none. {ANY}")
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
    rows, columns = transformer.patch_embed.grid_size
    if rows * columns != patches.shape[-1]:  # a network of any size
        rows, columns = (side // patch for side, patch in zip(size, transformer.patch_embed.patch_size, strict=True))
    return patches.unflatten(-1, (rows, columns))
