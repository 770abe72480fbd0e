"""Plain copy of the NPR program: ResNet-50 cut after its second stage, on differences to the 2 x 2 cells' corner."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import Bottleneck

from tests.reference.published.plain import Program, rgb, sigmoid, square


def stage(channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """A stage of ResNet-50 under torchvision's names."""
    project = nn.Sequential(nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))
    first = Bottleneck(channels, width, stride, project)
    return nn.Sequential(first, *(Bottleneck(4 * width, width) for _ in range(blocks - 1)))


class Npr(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = stage(64, 64, 3, 1)
        self.layer2 = stage(256, 128, 4, 2)
        self.fc1 = nn.Linear(512, 1)

    def forward(self, x: Tensor) -> Tensor:
        small = F.interpolate(x, scale_factor=0.5, mode="nearest")
        residual = x - F.interpolate(small, scale_factor=2, mode="nearest")
        x = F.relu(self.bn1(self.conv1(residual * 2 / 3)))
        x = self.layer2(self.layer1(F.max_pool2d(x, 3, 2, 1)))
        return self.fc1(F.adaptive_avg_pool2d(x, 1).flatten(1))


def program(network: nn.Module) -> Program:
    return lambda path: sigmoid(network(square(256)(rgb(path))[None]))
