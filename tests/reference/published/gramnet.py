"""Plain copy of GramNet: ResNet-18 with six branches of Gram matrices on raw BGR values; output 0 is AI."""

from __future__ import annotations

import cv2
import torch
from torch import Tensor, nn
from torchvision import models

from tests.reference.published.plain import Program

BRANCHES = [  # convolution before the Gram matrix, its channels, the two convolutions after it
    ("conv_interi_0", 3, "gi_fc1", "gi_fc2"),
    ("conv_inter0_0", 64, "g0_fc1", "g0_fc2"),
    ("conv_inter1_0", 64, "g_fc1r", "g_fc2r"),
    ("conv_inter2_0", 64, "g2_fc1", "g2_fc2"),
    ("conv_inter3_0", 128, "g3_fc1", "g3_fc2"),
    ("conv_inter4_0", 256, "g4_fc1", "g4_fc2"),
]


def conv(channels: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())


class Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


class GramNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        trunk = models.resnet18(weights=None)
        for name in ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4"):
            self.add_module(name, getattr(trunk, name))
        self.scale = Scale()
        self.fcnewr = nn.Sequential(
            nn.Linear(704, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 2), nn.LogSoftmax(dim=1)
        )
        for before, channels, first, second in BRANCHES:
            self.add_module(before, conv(channels, 32, 1))
            self.add_module(first, conv(1, 16, 2))
            self.add_module(second, conv(16, 32, 2))

    def forward(self, x: Tensor) -> Tensor:
        maps = [x, torch.relu(self.bn1(self.conv1(x)))]
        maps.append(nn.functional.max_pool2d(maps[-1], 3, 2, 1))
        for name in ("layer1", "layer2", "layer3"):
            maps.append(getattr(self, name)(maps[-1]))
        features = [self.layer4(maps[-1]).mean((2, 3))]
        for (before, _, first, second), branch in zip(BRANCHES, maps, strict=True):
            f = getattr(self, before)(branch)
            gram = torch.einsum("bchw,bdhw->bcd", f, f)[:, None] / f[0].numel()
            style = getattr(self, second)(getattr(self, first)(gram)).mean((2, 3))
            features.append(style * self.scale.scale)
        return self.fcnewr(torch.cat(features, 1))


def program(network: nn.Module) -> Program:
    def score(path: str) -> float:
        image = cv2.resize(cv2.imread(path), (512, 512))
        x = torch.from_numpy(image).float().permute(2, 0, 1)[None]
        return float(network(x).double().exp()[0, 0])

    return score
