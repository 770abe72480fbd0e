"""DDA: DINOv2 ViT-L/14 with low-rank updates, trained on fakes aligned with their reals (Chen et al., NeurIPS 2025)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthscope import runtime
from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.clip import CLIP_MEAN, CLIP_STD
from synthscope.detectors.input import InputConfig
from synthscope.detectors.probe import Probe, ProbeOptions
from synthscope.errors import UsageError

RANK, ALPHA = 8, 1
LAYERS = "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"  # of every block, that get an update
TINY = {"embed_dim": 64, "depth": 2, "num_heads": 4}


class Dda(Probe):
    """The normalised class token through one linear layer; of the backbone the low-rank updates are trained.

    Native crops, black around small images, and CLIP's mean and deviation, all as published.
    """

    class Options(ProbeOptions):
        """Of the backbone."""

        size: Literal["large", "tiny"] = "large"  # tiny: without published weights, to train or try out on a CPU
        trained: Literal["low_rank", "all"] = "low_rank"  # all: also the backbone itself, for random weights

    options: Options
    default_input = InputConfig(resize=None, crop=336, small="pad", mean=CLIP_MEAN, std=CLIP_STD)
    paper = (
        "Chen et al., Dual Data Alignment Makes AI-Generated Image Detector Easier Generalizable, NeurIPS 2025, "
        "arXiv 2505.14359"
    )
    licence = "Apache-2.0"
    weights = (
        "trained by you: synthscope train, from DINOv2's own in options.weights; published: "
        "hf-hub:Junwei-Xi/Dual-Data-Alignment"
    )

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        if config.input.side is None or config.input.side % 14:
            raise UsageError(
                f"Expected input.crop in whole patches of 14 pixels for DINOv2, got {config.input.side}. Set "
                f"input.crop, such as 336."
            )
        sizes: dict[str, Any] = TINY if self.options.size == "tiny" else {}
        vit: Any = runtime.import_timm().create_model(
            "vit_large_patch14_dinov2", img_size=518, num_classes=0, dynamic_img_size=True, **sizes
        )
        for block in vit.blocks:
            for name in LAYERS:
                owner, leaf = name.split(".")
                part = block.get_submodule(owner)
                setattr(part, leaf, LowRank(part.get_submodule(leaf)))
        self.net = nn.ModuleDict({"model": vit, "fc": nn.Linear(vit.embed_dim, 1)})
        self._freeze()
        for module in vit.modules():
            if isinstance(module, LowRank):
                module.lora.requires_grad_()
        if self.options.trained == "all":
            self.backbone.requires_grad_()

    def features(self, images: Tensor) -> Tensor:
        """The normalised class token ``(B, 1024)``."""
        if not self.has_features:
            raise self._no_features()
        vit: Any = self.backbone
        patches = vit.patch_embed(self.normalize(images))
        tokens = torch.cat([vit.cls_token.expand(len(images), -1, -1), patches.flatten(1, 2)], 1)
        tokens = tokens + interpolated(vit.pos_embed, *patches.shape[1:3])
        return vit.norm(vit.blocks(tokens))[:, 0]

    def logits_and_embeddings(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B,)`` of the class tokens, and these, which the published training also contrasts."""
        return self.head(features), features

    def backbone_name(self) -> str:
        """timm's name of DINOv2's weights."""
        return "vit_large_patch14_dinov2.lvd142m"

    def backbone_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """DINOv2's weights, in timm's names or its own, and the updates as they are."""
        own = {key: value for key, value in self.backbone.state_dict().items() if ".lora." in key}
        renamed = {key: value for key, value in state.items() if key != "mask_token" and not key.startswith("head.")}
        for name in LAYERS:
            renamed = {key.replace(f".{name}.", f".{name}.original_layer."): v for key, v in renamed.items()}
        return renamed | own


class LowRank(nn.Module):
    """``W x + b + (alpha / r) B A x`` with the published names; ``B`` starts at zero (Hu et al., LoRA, ICLR 2022)."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.original_layer = layer
        down, up = torch.empty(RANK, layer.in_features), torch.zeros(layer.out_features, RANK)
        nn.init.kaiming_uniform_(down, a=5**0.5)
        self.lora = nn.ParameterDict({"lora_A": down, "lora_B": up})

    def forward(self, inputs: Tensor) -> Tensor:
        """``(..., in)`` to ``(..., out)``."""
        update = functional.linear(functional.linear(inputs, self.lora["lora_A"]), self.lora["lora_B"])
        return self.original_layer(inputs) + update * (ALPHA / RANK)


def interpolated(table: Tensor, rows: int, columns: int) -> Tensor:
    """Position embeddings ``(1, 1 + n * n, C)`` for ``rows x columns`` patches: ``(1, 1 + rows * columns, C)``.

    As DINOv2 does: bicubic, not antialiased, by a scale of a tenth of a patch too much, which changes the numbers.
    """
    first, rest = table[:, :1], table[:, 1:]
    side = round(rest.shape[1] ** 0.5)
    if rows == columns == side:
        return table
    grid = rest.unflatten(1, (side, side)).permute(0, 3, 1, 2)
    scale = (rows + 0.1) / side, (columns + 0.1) / side
    grid = functional.interpolate(grid, scale_factor=scale, mode="bicubic", align_corners=False)
    return torch.cat([first, grid.permute(0, 2, 3, 1).flatten(1, 2)], 1)
