"""Small detectors that the tests explain."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from synthscope import runtime
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import InputConfig

PLAIN = InputConfig(resize=None, crop=24, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


class Linear(Detector):
    """A weight for every normalised pixel."""

    def __init__(self, side: int = 24, *, weights: Tensor | None = None) -> None:
        super().__init__(DetectorConfig(name="linear", architecture="linear", input=PLAIN))
        generator = torch.Generator().manual_seed(0)
        self.kernel = nn.Parameter(torch.randn(3, side, side, generator=generator) if weights is None else weights)

    def forward(self, images: Tensor) -> Tensor:
        return (self.normalize(images) * self.kernel).sum((1, 2, 3)) + 0.5


class Network(Detector):
    """Any network with one output, such as one that no architecture's name stands for."""

    def __init__(self, net: nn.Module, side: int) -> None:
        config = DetectorConfig(name="net", architecture="net", input=InputConfig(resize=None, crop=side))
        super().__init__(config)
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net(self.normalize(images))[:, 0]


def swin() -> Network:
    torch.manual_seed(0)
    net = runtime.import_timm().create_model(
        "swin_tiny_patch4_window7_224", num_classes=1, embed_dim=12, depths=(1, 1), num_heads=(1, 2), img_size=56
    )
    net.head.fc.weight.data.normal_()  # timm starts heads near zero
    return settled(Network(net, 56))  # type: ignore[return-value]


def vit(name: str = "test_vit", *, side: int = 64, **arguments: Any) -> Network:
    torch.manual_seed(0)
    net = runtime.import_timm().create_model(name, num_classes=1, img_size=side, **arguments)
    for block in net.blocks:
        block.attn.qkv.weight.data.normal_(std=0.2)  # else attention is flat
    net.head.weight.data.normal_()
    return Network(net, side).eval()


def named(architecture: str, *, side: int = 64, **options: Any) -> Detector:
    input = {"resize": None, "resize_mode": "short", "crop": side}
    detector = settled(create_detector(architecture, input=input, options=options))
    if architecture.startswith("timm:"):  # whose heads start near zero
        generator = torch.Generator().manual_seed(1)
        head = detector.net.get_classifier()  # type: ignore[operator,union-attr]
        head.weight.data = torch.randn(head.weight.shape, generator=generator)
    return detector


def settled(detector: Detector) -> Detector:
    """With batch norms' statistics of noise, so that maps are alive."""
    side = detector.config.input.side or 64
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        detector.train()(pixels(8, 3, side, side, seed=9))
    return detector.eval()


def pixels(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))
