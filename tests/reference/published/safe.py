"""Plain copy of the SAFE program: diagonal band of bior1.3 by its formula, NPR's trunk with two outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import transforms

from tests.reference.published.npr import stage
from tests.reference.published.plain import Logit, rgb


def mirrored(index: int, side: int) -> int:
    if index < 0:
        return -1 - index
    return 2 * side - 1 - index if index >= side else index


def diagonal(x: Tensor) -> Tensor:
    """``HH[i, j] = (x[a, c] - x[a, d] - x[b, c] + x[b, d]) / 2``."""
    height, width = x.shape[-2:]
    a, b = ([mirrored(2 * i - k, height) for i in range((height + 5) // 2)] for k in (2, 1))
    c, d = ([mirrored(2 * j - k, width) for j in range((width + 5) // 2)] for k in (2, 1))
    upper, lower = x[..., a, :], x[..., b, :]
    return (upper[..., c] - upper[..., d] - lower[..., c] + lower[..., d]) * 0.5


class Safe(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = stage(64, 64, 3, 1)
        self.layer2 = stage(256, 128, 4, 2)
        self.fc1 = nn.Linear(512, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(diagonal(x), x.shape[-2:], mode="bilinear", align_corners=False, antialias=True)
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc1(F.adaptive_avg_pool2d(self.layer2(self.layer1(x)), 1).flatten(1))


def program(network: nn.Module) -> Logit:
    """Output 1 is AI; ``log(p / (1 - p))`` of its softmax is the difference of both."""
    prepare = transforms.Compose([transforms.CenterCrop(256), transforms.ToTensor()])

    def logit(file: str) -> float:
        outputs = network(prepare(rgb(file))[None])[0]
        assert torch.isfinite(outputs).all()
        return float(outputs[1] - outputs[0])

    return logit
