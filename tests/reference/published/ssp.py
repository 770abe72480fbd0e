"""Plain copy of SSP's network: one 32-pixel patch, enlarged, through three SRM filters; its positive logit is real."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models, transforms

from tests.reference.published.plain import IMAGENET, sigmoid

KB = np.pad([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], 1) / 4
KV = (
    np.array(
        [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]],
    )
    / 12
)
HORIZONTAL = np.pad([[1, -2, 1]], ((2, 2), (1, 1))) / 2


class Srm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        kernels = np.stack([KB, KV, HORIZONTAL])[:, None].repeat(3, axis=1)
        self.kernel = nn.Parameter(torch.from_numpy(kernels).float(), requires_grad=False)


class Ssp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.srm = Srm()
        self.disc = models.resnet50(weights=None, num_classes=1)

    def forward(self, patch: Tensor) -> Tensor:
        x = F.interpolate(patch, (256, 256), mode="bilinear", align_corners=False)
        return self.disc(F.conv2d(x, self.srm.kernel, padding=2).clamp(-3, 3))


def texture(patch: np.ndarray) -> int:
    """Sum of absolute differences to the right, lower and both diagonal neighbours."""
    p = patch.astype(np.int64)
    pairs = (p[:, :-1], p[:, 1:]), (p[:-1], p[1:]), (p[:-1, :-1], p[1:, 1:]), (p[1:, :-1], p[:-1, 1:])
    return int(sum(np.abs(a - b).sum() for a, b in pairs))


def p_ai(network: nn.Module, patch: np.ndarray) -> float:
    """Score of a (32, 32, 3) RGB patch."""
    x = IMAGENET(transforms.ToTensor()(Image.fromarray(patch)))[None]
    return 1 - sigmoid(network(x))
