"""GramNet: a ResNet-18 beside six branches that read its global texture from Gram matrices.

A branch turns a feature map into 32 channels F, takes G = F F^T / (C H W), a 32 x 32 image of which channels fire
together anywhere, and two strided convolutions of it. Any input size gives features of one length.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from synthscope.detectors.backbones import GENIMAGE, Backbone, BackboneOptions
from synthscope.detectors.input import InputConfig

BRANCHES = (  # published names; channels of the input, the stem, its pooled map and stages 1 to 3
    ("conv_interi_0", "gi_fc1", "gi_fc2", 3),
    ("conv_inter0_0", "g0_fc1", "g0_fc2", 64),
    ("conv_inter1_0", "g_fc1r", "g_fc2r", 64),
    ("conv_inter2_0", "g2_fc1", "g2_fc2", 64),
    ("conv_inter3_0", "g3_fc1", "g3_fc2", 128),
    ("conv_inter4_0", "g4_fc1", "g4_fc2", 256),
)


class GramNetOptions(BackboneOptions):
    """What the network reads."""

    residual: Literal[False] = False  # texture at every scale, not the finest alone
    # The paper starts from ImageNet weights, which want normalised RGB; the published code defines that transform,
    # never applies it and feeds OpenCV's BGR in 0..255, which published weights need.
    pixels: Literal["normalized", "bgr255"] = "normalized"


class GramNet(Backbone):
    """ResNet-18 with Gram blocks at 512 x 512, aspect not kept; other sizes by ``input``."""

    Options = GramNetOptions  # narrower: without residual
    options: GramNetOptions
    model = "resnet18.tv_in1k"  # torchvision's ImageNet weights, as published
    default_input = InputConfig(resize=512, resize_mode="square", interpolation="opencv_bilinear", crop=None)
    paper = f"Liu et al., Global texture enhancement for fake face detection in the wild, CVPR 2020; {GENIMAGE}"
    licence = "Apache-2.0 (this code and timm); the published code has no licence file"

    def _build(self, *, pretrained: bool) -> nn.Module:
        return GramResnet18(super()._build(pretrained=pretrained))

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        published = self.options.pixels == "bgr255"
        return self.net(images.float().flip(1) if published else self.normalize(images))[:, 0]


class GramResnet18(nn.Module):
    """The published ``resnet18_gram`` with one output; ``trunk`` is a ResNet-18 whose head is dropped."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.conv1, self.bn1, self.maxpool = map(trunk.get_submodule, ("conv1", "bn1", "maxpool"))
        self.layer1, self.layer2, self.layer3, self.layer4 = (trunk.get_submodule(f"layer{n}") for n in (1, 2, 3, 4))
        for texture, first, second, channels in BRANCHES:
            self.add_module(texture, _conv(channels, 32))
            self.add_module(first, _conv(1, 16, stride=2))
            self.add_module(second, _conv(16, 32, stride=2))
        self.scale = Scale()
        self.fcnewr = nn.Sequential(nn.Linear(512 + 6 * 32, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 1))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, 1)``."""
        stem = nn.functional.relu(self.bn1(self.conv1(images)))
        maps = [images, stem, self.maxpool(stem)]
        for stage in (self.layer1, self.layer2, self.layer3):
            maps.append(stage(maps[-1]))
        content = self.layer4(maps[-1]).mean((2, 3))
        textures = [self._texture(*branch[:3], maps=level) for branch, level in zip(BRANCHES, maps, strict=True)]
        return self.fcnewr(torch.cat([content, *textures], 1))

    def _texture(self, texture: str, first: str, second: str, *, maps: Tensor) -> Tensor:
        matrix = gram(self.get_submodule(texture)(maps))[:, None]
        return self.scale(self.get_submodule(second)(self.get_submodule(first)(matrix)).mean((2, 3)))


class Scale(nn.Module):
    """One learned factor, which all branches share; starts at 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, features: Tensor) -> Tensor:
        """Multiply."""
        return features * self.scale


def gram(maps: Tensor) -> Tensor:
    """Gram matrices, float32 ``(B, C, C)``, of ``(B, C, h, w)``, divided by ``C h w`` as in the published code.

    >>> gram(torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]])).tolist()
    [[[1.25, 0.5], [0.5, 0.25]]]
    """
    with torch.autocast(maps.device.type, enabled=False):  # sums over a whole map leave the range of float16
        rows = maps.float().flatten(2)
        return rows @ rows.mT / rows[0].numel()


def _conv(channels: int, width: int, *, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU())
