"""Plain copy of OpenAI CLIP's vision transformer under its published names, and of the detectors that stand on it."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

from tests.reference.published.plain import IMAGENET, Program, rgb, sigmoid, softmax

CLIP = transforms.Normalize([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


class Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.c_fc(x)
        return self.c_proj(hidden * torch.sigmoid(1.702 * hidden))


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Blocks(nn.Module):
    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))


class Tower(nn.Module):
    """Image to the projected, not normalised embedding."""

    def __init__(self, width: int, depth: int, heads: int, patch: int, out: int, side: int = 224) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros((side // patch) ** 2 + 1, width))
        self.proj = nn.Parameter(torch.zeros(width, out))
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Blocks(width, depth, heads)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.conv1(x).flatten(2).mT
        tokens = torch.cat([self.class_embedding.expand(len(x), 1, -1), patches], 1)
        tokens = self.transformer.resblocks(self.ln_pre(tokens + self.positional_embedding))
        return self.ln_post(tokens[:, 0]) @ self.proj


def text_tower(width: int) -> dict[str, Tensor]:
    """A shortened text side of CLIP, which image detectors carry along and never use."""
    block = {f"transformer.resblocks.0.{key}": value for key, value in Block(width, 1).state_dict().items()}
    rest = {
        "positional_embedding": torch.rand(77, width),
        "text_projection": torch.rand(width, width),
        "logit_scale": torch.tensor(4.6),
        "token_embedding.weight": torch.rand(30, width),
        "ln_final.weight": torch.rand(width),
        "ln_final.bias": torch.rand(width),
    }
    return block | rest


def universal_fake_detect(tower: nn.Module, fc: nn.Module) -> Program:
    prepare = transforms.Compose([transforms.CenterCrop(224), transforms.ToTensor(), CLIP])
    return lambda path: sigmoid(fc(tower(prepare(rgb(path))[None])))


def padded_centre(image: Image.Image) -> Image.Image:
    """PadIfNeeded with zeros and CenterCrop of albumentations at 224: both corners round down."""
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    rows, columns = max(224 - height, 0), max(224 - width, 0)
    pixels = np.pad(pixels, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0)))
    y, x = (pixels.shape[0] - 224) // 2, (pixels.shape[1] - 224) // 2
    return Image.fromarray(pixels[y : y + 224, x : x + 224])


def drct(backbone: nn.Module, fc: nn.Module) -> Program:
    """``backbone`` gives the 1024 features; output 0 is real."""
    prepare = transforms.Compose([padded_centre, transforms.ToTensor(), IMAGENET])
    return lambda path: 1 - softmax(fc(backbone(prepare(rgb(path))[None])), 0)
