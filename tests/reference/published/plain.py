"""Random weights, image files and input transforms for the plain copies of the published programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

IMAGENET = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
Program = Callable[[str], float]  # file -> probability of AI, as published
Logit = Callable[[str], float]  # file -> log-odds of AI


def randomize(network: nn.Module, seed: int, *, head: float = 1.0) -> None:
    """Seeded weights far from their initial values, ``head`` times as large in classifiers; frozen ones stay."""
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor: Tensor, std: float) -> None:
        tensor.data.normal_(0, std, generator=generator)

    def uniform(tensor: Tensor, low: float, high: float) -> None:
        tensor.data.uniform_(low, high, generator=generator)

    for module in network.modules():
        own = dict(module.named_parameters(recurse=False))
        if isinstance(module, nn.BatchNorm2d):
            uniform(module.weight, 0.4, 0.9)
            normal(module.bias, 0.3)
        elif isinstance(module, nn.LayerNorm):
            uniform(module.weight, 0.5, 1.5)
            normal(module.bias, 0.2)
        else:
            for name, parameter in own.items():
                if parameter.requires_grad and parameter.ndim >= 2:
                    classifier = isinstance(module, nn.Linear) and module.out_features <= 2
                    normal(parameter, math.sqrt(2 / parameter[0].numel()) * (head if classifier else 1))
                elif parameter.requires_grad:
                    normal(parameter, 0.3 if name.endswith("bias") else 1.0)


def settle(network: nn.Module, program: Program, file: str) -> None:
    """Batch statistics of one image file, as training would leave them; then evaluation mode."""
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train().momentum = 1.0
    program(file)
    network.eval()


def square(side: int) -> Callable[[Image.Image], Tensor]:
    """Resize without the aspect, ToTensor, ImageNet normalisation."""
    return transforms.Compose([transforms.Resize((side, side)), transforms.ToTensor(), IMAGENET])


def rgb(path: str | Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def sigmoid(logit: Tensor) -> float:
    return float(torch.sigmoid(logit.double()).reshape(()))


def softmax(logits: Tensor, index: int) -> float:
    return float(torch.softmax(logits.double(), 1)[0, index])


SIZES = (300, 400), (341, 261), (120, 150)  # wide, tall with odd sides, and smaller than every crop


def write_images(folder: Path, sizes: Sequence[tuple[int, int]] = SIZES) -> list[str]:
    """PNG files of (height, width) pixels."""
    paths = []
    for i, (height, width) in enumerate(sizes):
        noise = np.random.default_rng(i)
        y, x = np.mgrid[:height, :width][..., None] / 40
        smooth = 127 + 60 * np.sin(x * (1 + i / 4) + np.arange(3)) * np.cos(y + i)
        pixels = (smooth + noise.normal(0, 6 + i, (height, width, 3))).clip(0, 255).astype(np.uint8)
        paths.append(str(folder / f"{i}.png"))
        Image.fromarray(pixels).save(paths[-1])
    return paths
