"""The small network for CPUs behind fixed noise filters instead of one local mean."""

from __future__ import annotations

import torch
from torch import Tensor

from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.cnn_small import CnnSmall

# Of the 30 residuals of the Spatial Rich Model, the three that Zhou et al. chose; each with its divisor.
KERNELS = (
    (((0, 0, 0, 0, 0), (0, -1, 2, -1, 0), (0, 2, -4, 2, 0), (0, -1, 2, -1, 0), (0, 0, 0, 0, 0)), 4),
    (((-1, 2, -2, 2, -1), (2, -6, 8, -6, 2), (-2, 8, -12, 8, -2), (2, -6, 8, -6, 2), (-1, 2, -2, 2, -1)), 12),
    (((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 1, -2, 1, 0), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)), 2),
)
CUT = 3.0  # grey levels; what lies beyond is content


class SrmSmall(CnnSmall):
    """``cnn_small`` on three noise residuals, each the sum over colours as in the published front end."""

    paper = "Zhou et al., Learning Rich Features for Image Manipulation Detection, CVPR 2018, arXiv 1805.04953"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        kernels = torch.stack([torch.tensor(rows, dtype=torch.float32) / divisor for rows, divisor in KERNELS])
        self.register_buffer("kernels", kernels[:, None].expand(-1, 3, -1, -1).contiguous() / 3, persistent=False)

    def contrast(self, images: Tensor) -> Tensor:
        """Residuals ``(B, 3, h, w)`` in -CUT..CUT of images in 0..255; borders are mirrored."""
        padded = torch.nn.functional.pad(images.to(self.mean.dtype), (2, 2, 2, 2), mode="reflect")
        return torch.nn.functional.conv2d(padded, self.get_buffer("kernels")).clamp(-CUT, CUT)
