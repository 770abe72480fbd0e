"""Bottleneck blocks of ResNet-50, which the published networks on pixel differences and frequencies are cut from."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional


class Bottleneck(nn.Module):
    """1 x 1, k x k with the stride, 1 x 1 to four times the width, each normalised; plus a shortcut.

    He et al., CVPR 2016, with torchvision's names (v1.5). Without padding the shortcut is the larger of the two maps;
    it is cut at the right and bottom edge (Cavia et al., arXiv 2406.09398).
    """

    def __init__(self, inputs: int, width: int, *, kernel: int = 3, stride: int = 1, pad: bool = True) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel, stride=stride, padding=kernel // 2 if pad else 0, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential()
        if stride != 1 or inputs != outputs:
            convolution = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, inputs, h, w)`` to ``(B, 4 * width, h', w')``."""
        out = functional.relu(self.bn1(self.conv1(maps)))
        out = functional.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        height, width = out.shape[-2:]
        return functional.relu(out + self.downsample(maps)[..., :height, :width])


def stage(inputs: int, width: int, kernels: Sequence[int], *, stride: int = 1, pad: bool = True) -> nn.Sequential:
    """One block for each of ``kernels``; the first has the stride.

    >>> import torch
    >>> stage(64, 128, (3, 3), stride=2)(torch.zeros(1, 64, 8, 8)).shape
    torch.Size([1, 512, 4, 4])
    """
    first = Bottleneck(inputs, width, kernel=kernels[0], stride=stride, pad=pad)
    return nn.Sequential(first, *(Bottleneck(4 * width, width, kernel=kernel, pad=pad) for kernel in kernels[1:]))


def init_convolutions(net: nn.Module) -> None:
    """He's normal initialisation over the outputs of every convolution, as torchvision's ResNet."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
