"""Plain copy of the F3Net program that GenImage ships: frequency heads as published, two Xceptions, mixed twice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from scipy import fft
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import transforms

from tests.reference.published.plain import Program, rgb, softmax


def frozen(values: np.ndarray) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.asarray(values)).float(), requires_grad=False)  # keeps the strides


class Filter(nn.Module):
    def __init__(self, size: int, start: float, end: float, *, counted: bool) -> None:
        super().__init__()
        order = np.add.outer(np.arange(size), np.arange(size))
        base = (order > start) & (order <= end)
        self.base = frozen(base)
        self.learnable = nn.Parameter(torch.zeros(size, size))
        if counted:
            self.ft_num = frozen(base.sum())

    def forward(self, x: Tensor) -> Tensor:
        y = x * (self.base + 2 * torch.sigmoid(self.learnable) - 1)
        return y / self.ft_num if hasattr(self, "ft_num") else y


class Fad(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        dct = np.ascontiguousarray(fft.dct(np.eye(299), norm="ortho", axis=0))
        self._DCT_all, self._DCT_all_T = frozen(dct), frozen(dct.T)
        bands = (0, 18), (18, 37), (37, 299), (0, 598)
        self.filters = nn.ModuleList(Filter(299, *band, counted=False) for band in bands)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = self._DCT_all @ x @ self._DCT_all_T
        return torch.cat([self._DCT_all_T @ f(spectrum) @ self._DCT_all for f in self.filters], 1)


class Lfs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        dct = np.ascontiguousarray(fft.dct(np.eye(10), norm="ortho", axis=0))
        self._DCT_patch, self._DCT_patch_T = frozen(dct), frozen(dct.T)
        self.filters = nn.ModuleList(Filter(10, 20 / 6 * i, 20 / 6 * (i + 1), counted=True) for i in range(6))

    def forward(self, x: Tensor) -> Tensor:
        """In float32, window by window: the logarithm of what cancels is that of rounding, so the order matters."""
        grey = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
        columns = F.unfold((grey[:, None] + 1) * 122.5, 10, padding=4, stride=2)
        windows = columns.transpose(1, 2).reshape(len(x), 149 * 149, 1, 10, 10)
        log = torch.log10(torch.abs(self._DCT_patch @ windows @ self._DCT_patch_T) + 1e-15)
        return torch.stack([f(log).sum((2, 3, 4)).reshape(len(x), 149, 149) for f in self.filters], 1)


class Separable(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.conv1(x))


class Block(nn.Module):
    def __init__(self, widths: list[int], stride: int, *, relu_first: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, width in pairwise(widths):
            layers += [nn.ReLU(), Separable(channels, width), nn.BatchNorm2d(width)]
        layers = layers if relu_first else layers[1:]
        self.rep = nn.Sequential(*layers)
        self.stride = stride
        if stride == 2:
            self.skip = nn.Conv2d(widths[0], widths[-1], 1, 2, bias=False)
            self.skipbn = nn.BatchNorm2d(widths[-1])

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            return self.rep(x) + x
        return F.max_pool2d(self.rep(x), 3, 2, 1) + self.skipbn(self.skip(x))


class Xception(nn.Module):
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, 32, 3, stride, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, bias=False), nn.BatchNorm2d(64)
        self.block1 = Block([64, 128, 128], 2, relu_first=False)
        self.block2 = Block([128, 256, 256], 2)
        self.block3 = Block([256, 728, 728], 2)
        for n in range(4, 12):
            self.add_module(f"block{n}", Block([728, 728, 728, 728], 1))
        self.block12 = Block([728, 728, 1024], 2)
        self.conv3, self.bn3 = Separable(1024, 1536), nn.BatchNorm2d(1536)
        self.conv4, self.bn4 = Separable(1536, 2048), nn.BatchNorm2d(2048)

    def start(self, x: Tensor) -> Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))

    def blocks(self, x: Tensor, first: int, last: int) -> Tensor:
        for n in range(first, last + 1):
            x = getattr(self, f"block{n}")(x)
        return x

    def end(self, x: Tensor) -> Tensor:
        return F.relu(self.bn4(self.conv4(F.relu(self.bn3(self.conv3(x)))))).mean((2, 3))


class Mix(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.FAD_gamma, self.LFS_gamma = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        for stream in ("FAD", "LFS"):
            self.add_module(f"{stream}_query", nn.Conv2d(channels, channels, 1))
            self.add_module(f"{stream}_key", nn.Conv2d(channels, channels, 1))
            self.add_module(f"{stream}_conv", nn.Conv2d(channels, channels, 1, groups=channels))
            self.add_module(f"{stream}_bn", nn.BatchNorm2d(channels))

    def forward(self, f: Tensor, l: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741
        energy = self.FAD_query(f) @ self.FAD_key(f).mT + self.LFS_query(l) @ self.LFS_key(l).mT
        attention = energy.softmax(-1)
        from_l = l * attention * (2 * torch.sigmoid(self.LFS_gamma) - 1)
        from_f = f * attention * (2 * torch.sigmoid(self.FAD_gamma) - 1)
        return f + self.FAD_bn(self.FAD_conv(from_l)), l + self.LFS_bn(self.LFS_conv(from_f))


class F3Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fad_head, self.lfs_head = Fad(), Lfs()
        self.fad_excep, self.lfs_excep = Xception(12, 2), Xception(6, 1)
        self.mix_block7, self.mix_block12 = Mix(728), Mix(1024)
        self.fc = nn.Linear(4096, 2)

    def forward(self, x: Tensor) -> Tensor:
        f, l = self.fad_excep.start(self.fad_head(x)), self.lfs_excep.start(self.lfs_head(x))  # noqa: E741
        f, l = self.mix_block7(self.fad_excep.blocks(f, 1, 7), self.lfs_excep.blocks(l, 1, 7))  # noqa: E741
        f, l = self.mix_block12(self.fad_excep.blocks(f, 8, 12), self.lfs_excep.blocks(l, 8, 12))  # noqa: E741
        return self.fc(torch.cat([self.fad_excep.end(f), self.lfs_excep.end(l)], 1))


def prepare(image: Image.Image) -> Tensor:
    """Resize with Pillow's default filter, values to -1..1."""
    return (transforms.ToTensor()(image.resize((299, 299))) * 2 - 1)[None]


def calm(network: nn.Module) -> None:
    """Small attention energies, as after training; large random ones make a softmax that turns on rounding."""
    for mix in (network.mix_block7, network.mix_block12):
        mix.FAD_query.weight.data *= 0.03
        mix.LFS_query.weight.data *= 0.03


def program(network: nn.Module, ai_index: int) -> Program:
    return lambda path: softmax(network(prepare(rgb(path))), ai_index)
