"""NPR: half a ResNet-50 on the differences between neighbouring pixels (Tan et al., CVPR 2024).

Resizing and JPEG compression destroy the trace, so figures at native size (``input.resize=null``) and at the published
256 x 256 are two different results.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.bottleneck import init_convolutions, stage
from synthscope.detectors.input import InputConfig
from synthscope.detectors.residual import nearest_residual


class Npr(Detector):
    """The nearest-neighbour residual of the normalised image, times 2/3, through two stages of ResNet-50."""

    Options = Config  # none
    default_input = InputConfig(resize=256, resize_mode="square", interpolation="pillow_bilinear", crop=None)
    paper = (
        "Tan et al., Rethinking the Up-Sampling Operations in CNN-based Generative Network for Generalizable Deepfake "
        "Detection, CVPR 2024, arXiv 2312.10461"
    )
    licence = "Apache-2.0 (this code); the published weights have no licence: fetch them, do not redistribute them"
    weights = "trained by you: synthscope train; published: NPR.pth of chuangchuangtan/NPR-DeepfakeDetection"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.net = NprNet()

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI; any size from 2 x 2 pixels."""
        return self.net(nearest_residual(self.normalize(images)) * (2 / 3))[:, 0]


class NprTrunk(nn.Module):
    """A 3 x 3 stem, ``layer1`` and ``layer2`` of ResNet-50, the mean over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = stage(64, 64, (3, 3, 3))
        self.layer2 = stage(256, 128, (3, 3, 3, 3), stride=2)
        init_convolutions(self)

    def features(self, residual: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, 512)``."""
        maps = functional.relu(self.bn1(self.conv1(residual)))
        maps = functional.max_pool2d(maps, 3, stride=2, padding=1)
        return self.layer2(self.layer1(maps)).mean((2, 3))


class NprNet(NprTrunk):
    """The published network: the trunk and one output."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(512, 1)

    def forward(self, residual: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, 1)``."""
        return self.fc1(self.features(residual))
