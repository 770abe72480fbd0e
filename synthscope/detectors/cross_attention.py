"""Where F3Net's two streams look at each other: attention of the rows of one map over those of the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelScale(nn.Conv2d):
    """A 1 x 1 convolution of every channel by itself, as the product that it is: torch would loop over channels."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 1, groups=channels)

    def forward(self, input: Tensor) -> Tensor:
        """``(B, channels, h, w)``, each channel times its weight plus its bias."""
        assert self.bias is not None
        return input * self.weight[:, 0] + self.bias[:, None, None]


class MixBlock(nn.Module):
    """Cross-attention between two streams, channel by channel (F3Net, section 3.3).

    The sum of both streams' query-key products attends over the rows of the other stream's map; two scalars, zero at
    the start, let it in, so that the block begins as the identity. Maps are square.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.FAD_query = nn.Conv2d(channels, channels, 1)
        self.LFS_query = nn.Conv2d(channels, channels, 1)
        self.FAD_key = nn.Conv2d(channels, channels, 1)
        self.LFS_key = nn.Conv2d(channels, channels, 1)
        self.FAD_gamma = nn.Parameter(torch.zeros(1))
        self.LFS_gamma = nn.Parameter(torch.zeros(1))
        self.FAD_conv = ChannelScale(channels)
        self.FAD_bn = nn.BatchNorm2d(channels)
        self.LFS_conv = ChannelScale(channels)
        self.LFS_bn = nn.BatchNorm2d(channels)
        for conv in (self.FAD_conv, self.LFS_conv):
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)  # else an untrained network is no identity in evaluation mode

    def forward(self, fad: Tensor, lfs: Tensor) -> tuple[Tensor, Tensor]:
        """Both streams ``(B, channels, s, s)``, mixed."""
        energy = self.FAD_query(fad) @ self.FAD_key(fad).mT + self.LFS_query(lfs) @ self.LFS_key(lfs).mT
        attention = energy.softmax(-1)
        from_lfs = lfs * attention * (2 * self.LFS_gamma.sigmoid() - 1)
        from_fad = fad * attention * (2 * self.FAD_gamma.sigmoid() - 1)
        return fad + self.FAD_bn(self.FAD_conv(from_lfs)), lfs + self.LFS_bn(self.LFS_conv(from_fad))
