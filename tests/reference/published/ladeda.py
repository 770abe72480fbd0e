"""Plain copies of LaDeDa9 and Tiny-LaDeDa: bags of small patches, without any padding after the gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.reference.published.plain import Program, rgb, sigmoid, square

SOBEL = {
    "x_grad": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "y_grad": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "left_diag": [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]],
    "right_diag": [[-2, -1, 0], [-1, 0, 1], [0, 1, 2]],
}


def gradient(x: Tensor, mode: str) -> Tensor:
    """The published input of the network, (B, 3, H, W) to the same shape, written as sums of shifted images."""
    if mode == "raw":
        return x
    if mode == "NPR":
        corner = x[:, :, ::2, ::2]
        return x - corner.repeat_interleave(2, 2).repeat_interleave(2, 3)
    padded = F.pad(x, (1, 1, 1, 1))
    height, width = x.shape[-2:]
    total = torch.zeros_like(x)
    for i, row in enumerate(SOBEL[mode]):
        for j, factor in enumerate(row):
            total = total + factor * padded[:, :, i : i + height, j : j + width]
    return total


class Block(nn.Module):
    def __init__(self, channels: int, width: int, stride: int, kernel: int, first: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, kernel, stride, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = None
        if first:
            project = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(out)))))
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(out + shortcut[:, :, : out.shape[2], : out.shape[3]])


class LaDeDa9(nn.Module):
    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.conv1, self.conv2 = nn.Conv2d(3, 64, 1, bias=False), nn.Conv2d(64, 64, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for n, (width, blocks, stride) in enumerate([(64, 3, 2), (128, 4, 2), (256, 6, 2), (512, 3, 1)], start=1):
            made = []
            for b in range(blocks):
                kernel = 3 if b == 0 and n <= 2 else 1
                made.append(Block(channels, width, stride if b == 0 else 1, kernel, b == 0))
                channels = 4 * width
            self.add_module(f"layer{n}", nn.Sequential(*made))
        self.fc = nn.Linear(2048, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv2(self.conv1(gradient(x, self.mode)))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class TinyBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, 2, bias=False), nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class TinyLaDeDa(nn.Module):
    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 1, bias=False), nn.Conv2d(8, 8, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(TinyBlock())
        self.fc = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv2(self.conv1(gradient(x, self.mode)))))
        return self.fc(self.layer1(x).mean((2, 3)))


def program(network: nn.Module) -> Program:
    return lambda path: sigmoid(network(square(256)(rgb(path))[None]))
