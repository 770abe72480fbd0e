"""LaDeDa and Tiny-LaDeDa: the mean verdict of small patches (Cavia et al., Real-Time Deepfake Detection, 2024).

Networks without padding, whose last map has one position a patch; a linear head makes the image's logit the mean of the
patches' logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig, holding_a_patch
from synthscope.detectors.bottleneck import init_convolutions, stage
from synthscope.detectors.input import InputConfig
from synthscope.detectors.residual import nearest_residual

# Correlated with every colour; the names are the published ones.
GRADIENTS = {
    "x_grad": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "y_grad": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "left_diag": ((0, 1, 2), (-1, 0, 1), (-2, -1, 0)),
    "right_diag": ((-2, -1, 0), (-1, 0, 1), (0, 1, 2)),
}


class LaDeDa(Detector):
    """ResNet-50 without padding and with 1 x 1 kernels but for three, so that a verdict sees 9 x 9 pixels."""

    class Options(Config):
        """What the network sees: nearest-neighbour residual, a Sobel-like gradient, or the normalised image."""

        preprocessing: Literal["NPR", "x_grad", "y_grad", "left_diag", "right_diag", "raw"] = "NPR"

    options: Options
    default_input = InputConfig(resize=256, resize_mode="square", interpolation="pillow_bilinear", crop=None)
    paper = "Cavia et al., Real-Time Deepfake Detection in the Real-World, 2024, arXiv 2406.09398"
    licence = "Apache-2.0 (this code); the published weights: Yissum Software Research License, research use only"
    weights = (
        "trained by you: synthscope train; published: ForenSynth_LaDeDa.pth, WildRF_LaDeDa.pth of "
        "barcavia/RealTime-DeepfakeDetection-in-the-RealWorld"
    )
    patch: ClassVar[int] = 9  # side in pixels of what one verdict sees

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        kernel = torch.zeros(0)
        if self.options.preprocessing in GRADIENTS:
            kernel = torch.tensor(GRADIENTS[self.options.preprocessing], dtype=torch.float32).expand(3, 1, 3, 3)
        self.register_buffer("kernel", kernel, persistent=False)  # the published files do not hold it
        self.net = self._build()

    def _build(self) -> PatchNet:
        layers = (
            stage(64, 64, (3, 1, 1), stride=2, pad=False),
            stage(256, 128, (3, 1, 1, 1), stride=2, pad=False),
            stage(512, 256, (1, 1, 1, 1, 1, 1), stride=2, pad=False),
            stage(1024, 512, (1, 1, 1), pad=False),
        )
        return PatchNet(64, layers, outputs=2048)

    def preprocess(self, rgb: np.ndarray) -> Tensor:
        """Resize one image as configured.

        Raises:
            UnreadableImageError: Smaller than one patch, as only images of native size can be.
        """
        smallest = self.patch + (self.options.preprocessing == "NPR")  # an odd side loses a pixel
        return holding_a_patch(super().preprocess(rgb), smallest, self.config.architecture)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        return self.net(self._contrast(images))[:, 0]

    def patch_logits(self, images: Tensor) -> Tensor:
        """One logit a patch; their mean is the logit of the image.

        Args:
            images: ``(B, 3, h, w)``, uint8 or float in 0..255.

        Returns:
            ``(B, h', w')``. Entry (i, j) of LaDeDa sees 9 x 9 pixels from (8 i, 8 j), of Tiny-LaDeDa 5 x 5 from
            (2 i, 2 j); gradients see one more pixel on every side.
        """
        return self.verdicts(self.net.features(self._contrast(images)))

    @property
    def patch_layer(self) -> str:
        """Name of the module whose output has one position a patch."""
        return f"net.{self.net.names[-1]}"

    def verdicts(self, maps: Tensor) -> Tensor:
        """:meth:`patch_logits` from the output of ``patch_layer``."""
        return self.net.fc(maps.permute(0, 2, 3, 1))[..., 0]

    def _contrast(self, images: Tensor) -> Tensor:
        images = self.normalize(images)
        if self.options.preprocessing == "NPR":
            return nearest_residual(images)  # not scaled, unlike NPR's own
        if self.options.preprocessing == "raw":
            return images
        return functional.conv2d(images, self.get_buffer("kernel"), padding=1, groups=3)


class TinyLaDeDa(LaDeDa):
    """Four convolutions of eight channels, 1,297 parameters, 5 x 5 pixels a verdict.

    The published files want ``preprocessing`` NPR (ForenSynth) and left_diag (WildRF), judging by their statistics.
    """

    weights = (
        "trained by you: synthscope train; published: ForenSynth_Tiny_LaDeDa.pth (options.preprocessing=NPR), "
        "WildRF_Tiny_LaDeDa.pth (left_diag) of barcavia/RealTime-DeepfakeDetection-in-the-RealWorld"
    )
    patch = 5

    def _build(self) -> PatchNet:
        return PatchNet(8, [nn.Sequential(TinyBlock())], outputs=8)


class PatchNet(nn.Module):
    """A stem of two convolutions, ``layer1`` and further ones, nothing padded, and a linear head on every position."""

    def __init__(self, width: int, layers: Sequence[nn.Module], *, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.names = [f"layer{number}" for number in range(1, len(layers) + 1)]
        for name, layer in zip(self.names, layers, strict=True):
            self.add_module(name, layer)
        self.fc = nn.Linear(outputs, 1)
        init_convolutions(self)

    def features(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, outputs, h', w')``, one position a patch."""
        maps = functional.relu(self.bn1(self.conv2(self.conv1(images))))
        for name in self.names:
            maps = self.get_submodule(name)(maps)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, 1)``."""
        return self.fc(self.features(images).mean((2, 3)))


class TinyBlock(nn.Module):
    """1 x 1, then 3 x 3 with stride 2, eight channels, no shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(8, 8, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, stride=2, bias=False)
        self.bn2 = nn.BatchNorm2d(8)

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, 8, h, w)`` to ``(B, 8, h', w')``."""
        maps = functional.relu(self.bn1(self.conv1(maps)))
        return functional.relu(self.bn2(self.conv2(maps)))
