"""SAFE: the finest diagonal wavelet band of a native crop through half a ResNet-50 (Li et al., KDD 2025).

Images are cropped, never resized, since a resize smooths the differences between neighbours that generators leave.
JPEG compression removes them, too: what was compressed again looks real.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.input import InputConfig
from synthscope.detectors.npr import NprNet


class Safe(Detector):
    """Diagonal details of pixels in 0..1, brought back to the image's size, through NPR's network."""

    Options = Config  # none
    default_input = InputConfig(resize=None, crop=256, small="pad", mean=(0, 0, 0), std=(1, 1, 1))
    paper = (
        "Li et al., Improving Synthetic Image Detection Towards Generalization: An Image Transformation Perspective, "
        "KDD 2025, arXiv 2408.06741"
    )
    licence = "Apache-2.0"
    weights = "trained by you: synthscope train; published: checkpoint/checkpoint-best.pth of Ouxiang-Li/SAFE"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.net = NprNet()

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI; any size."""
        pixels = self.normalize(images)
        details = functional.interpolate(
            diagonal_details(pixels), pixels.shape[-2:], mode="bilinear", align_corners=False, antialias=True
        )
        return self.net(details)[:, 0]


def diagonal_details(images: Tensor) -> Tensor:
    """The diagonal band (HH) of one level of the bior1.3 wavelet, symmetric extension at the borders.

    The high-pass filter of bior1.3 is Haar's, (1, -1) / sqrt(2), at pairs of pixels that begin two before the image.

    Args:
        images: float ``(B, C, h, w)``.

    Returns:
        ``(B, C, (h + 5) // 2, (w + 5) // 2)``.

    >>> diagonal_details(torch.tensor([[[[1.0, 2.0], [4.0, 8.0]]]]))[0, 0].tolist()
    [[1.5, -1.5, 1.5], [-1.5, 1.5, -1.5], [1.5, -1.5, 1.5]]
    """
    rows, columns = (_pairs(side, images.device) for side in images.shape[-2:])
    down = images[..., rows[0], :] - images[..., rows[1], :]
    return (down[..., columns[0]] - down[..., columns[1]]) / 2


def _pairs(side: int, device: torch.device) -> Tensor:
    """Pixels ``(2, n)`` of a side whose differences are the coefficients; beyond a border the image is mirrored."""
    places = (torch.arange(2 * ((side + 5) // 2), device=device) - 2) % (2 * side)
    return torch.minimum(places, 2 * side - 1 - places).view(-1, 2).T
