"""Plain copy of the FreqNet program: high-pass filters in space and channels, convolutions on spectra."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.reference.published.npr import stage
from tests.reference.published.plain import Program, rgb, sigmoid, square


def high_pass_space(x: Tensor) -> Tensor:
    """Remove the middle half of the shifted spectrum's rows and columns."""
    height, width = x.shape[-2:]
    spectrum = torch.fft.fftshift(torch.fft.fft2(x, norm="ortho"), dim=(-2, -1))
    top, left = height // 2 - height // 4, width // 2 - width // 4
    spectrum[:, :, top : height // 2 + height // 4, left : width // 2 + width // 4] = 0
    return F.relu(torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(-2, -1)), norm="ortho").real)


def high_pass_channels(x: Tensor) -> Tensor:
    channels = x.shape[1]
    spectrum = torch.fft.fftshift(torch.fft.fft(x, dim=1, norm="ortho"), dim=1)
    spectrum[:, channels // 2 - channels // 4 : channels // 2 + channels // 4] = 0
    return F.relu(torch.fft.ifft(torch.fft.ifftshift(spectrum, dim=1), dim=1, norm="ortho").real)


class FreqNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for n, (out, into) in enumerate([(64, 3), (64, 64), (256, 256), (256, 256)], start=1):
            self.register_parameter(f"weight{n}", nn.Parameter(torch.zeros(out, into, 1, 1)))
            self.register_parameter(f"bias{n}", nn.Parameter(torch.zeros(out)))
            self.add_module(f"realconv{n}", nn.Conv2d(out, out, 1, bias=False))
            self.add_module(f"imagconv{n}", nn.Conv2d(out, out, 1, bias=False))
        self.layer1 = stage(64, 64, 3, 1)
        self.layer2 = stage(256, 128, 4, 2)
        self.fc1 = nn.Linear(512, 1)

    def weighted(self, n: int, x: Tensor, stride: int) -> Tensor:
        return F.relu(F.conv2d(x, getattr(self, f"weight{n}"), getattr(self, f"bias{n}"), stride))

    def spectral(self, n: int, x: Tensor) -> Tensor:
        spectrum = torch.fft.fftshift(torch.fft.fft2(x, norm="ortho"), dim=(-2, -1))
        real, imaginary = getattr(self, f"realconv{n}")(spectrum.real), getattr(self, f"imagconv{n}")(spectrum.imag)
        spectrum = torch.fft.ifftshift(torch.complex(real, imaginary), dim=(-2, -1))
        return F.relu(torch.fft.ifft2(spectrum, norm="ortho").real)

    def forward(self, x: Tensor) -> Tensor:
        x = self.spectral(1, high_pass_channels(self.weighted(1, high_pass_space(x), 1)))
        x = self.spectral(2, high_pass_channels(self.weighted(2, high_pass_space(x), 2)))
        x = self.layer1(F.max_pool2d(x, 3, 2, 1))
        x = self.spectral(3, self.weighted(3, high_pass_space(x), 1))
        x = self.spectral(4, self.weighted(4, high_pass_space(x), 2))
        return self.fc1(F.adaptive_avg_pool2d(self.layer2(x), 1).flatten(1))


def program(network: nn.Module) -> Program:
    return lambda path: sigmoid(network(square(256)(rgb(path))[None]))
