"""The files that GenImage's three backbone scripts write, and their evaluation; output 0 (folder ``ai``) is AI."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from synthscope import runtime
from tests.reference.published.plain import IMAGENET, Program, rgb, softmax

MODELS = {
    "resnet50": ("resnet50", 235),
    "deit_s": ("deit_small_patch16_224", 256),
    "swin_t": ("swin_tiny_patch4_window7_224", 256),
}


def network(name: str) -> nn.Module:
    return runtime.import_timm().create_model(MODELS[name][0], num_classes=2)


def program(name: str, network: nn.Module) -> Program:
    short = transforms.Resize(MODELS[name][1], InterpolationMode.BICUBIC)
    prepare = transforms.Compose([short, transforms.CenterCrop(224), transforms.ToTensor(), IMAGENET])
    return lambda path: softmax(network(prepare(rgb(path))[None]), 0)


def original_swin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's state under the names of microsoft/Swin-Transformer, with the constants that its files carry: 190 keys."""
    out = {}
    for key, value in state.items():
        key = re.sub(r"^layers\.(\d)\.downsample", lambda m: f"layers.{int(m[1]) - 1}.downsample", key)
        out[key.replace("head.fc.", "head.")] = value
    for stage, depth in enumerate((2, 2, 6, 2)):
        for block in range(depth):
            prefix = f"layers.{stage}.blocks.{block}"
            out[f"{prefix}.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
            if block % 2 and stage < 3:
                out[f"{prefix}.attn_mask"] = torch.zeros((56 // 7 // 2**stage) ** 2, 49, 49)
    return out
