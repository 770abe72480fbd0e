"""Plain copy of CNNDetection's evaluation: ResNet-50 on a centre crop of native pixels, black around small images."""

from __future__ import annotations

from torch import nn
from torchvision import models, transforms

from tests.reference.published.plain import IMAGENET, Program, rgb, sigmoid


def network() -> nn.Module:
    return models.resnet50(weights=None, num_classes=1)


def program(network: nn.Module) -> Program:
    prepare = transforms.Compose([transforms.CenterCrop(224), transforms.ToTensor(), IMAGENET])
    return lambda path: sigmoid(network(prepare(rgb(path))[None]))
