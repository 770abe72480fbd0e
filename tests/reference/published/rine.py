"""Plain copy of the RINE program on OpenAI's tower: ``ln_2`` at the class token of every block, and its own layers."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision import transforms

from tests.reference.published.clip import CLIP, Tower
from tests.reference.published.plain import Logit, rgb


class Trained(nn.Module):
    """What the published files hold; dropout is the identity and only counts in the names."""

    def __init__(self, blocks: int, features: int, n: int, p: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(1, blocks, p))
        self.proj1 = nn.Sequential(OrderedDict((str(3 * i + 1), nn.Linear(p if i else features, p)) for i in range(n)))
        self.proj2 = nn.Sequential(OrderedDict((str(3 * i + 1), nn.Linear(p, p)) for i in range(n)))
        self.head = nn.Sequential(OrderedDict({"0": nn.Linear(p, p), "3": nn.Linear(p, p), "6": nn.Linear(p, 1)}))

    def forward(self, tokens: list[Tensor]) -> Tensor:
        g = []
        for token in tokens:
            for linear in self.proj1:
                token = torch.relu(linear(token))
            g.append(token)
        weights = torch.exp(self.alpha[0]) / torch.exp(self.alpha[0]).sum(0)
        z = sum(weight * each for weight, each in zip(weights, g, strict=True))
        for linear in self.proj2:
            z = torch.relu(linear(z))
        first, second, last = self.head
        return last(torch.relu(second(torch.relu(first(z)))))


def tokens(tower: Tower, images: Tensor) -> list[Tensor]:
    seen: list[Tensor] = []
    handles = [
        block.ln_2.register_forward_hook(lambda module, args, output: seen.append(output[:, 0]))
        for block in tower.transformer.resblocks
    ]
    tower(images)
    for handle in handles:
        handle.remove()
    return seen


def program(tower: Tower, trained: Trained) -> Logit:
    prepare = transforms.Compose([transforms.CenterCrop(224), transforms.ToTensor(), CLIP])
    return lambda file: float(trained(tokens(tower, prepare(rgb(file))[None])))


def ten_crops(tower: Tower, trained: Trained) -> Logit:
    """Protocol of Synthbuster: the mean of ten logits."""
    prepare = transforms.Compose([transforms.ToTensor(), CLIP])

    def logit(file: str) -> float:
        crops = [prepare(crop)[None] for crop in transforms.TenCrop(224)(rgb(file))]
        return sum(float(trained(tokens(tower, crop))) for crop in crops) / 10

    return logit
