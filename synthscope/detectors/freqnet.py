"""FreqNet: a small ResNet that keeps only high frequencies of images and features (Tan et al., AAAI 2024).

The published code goes to the frequency domain and back ten times an image; what follows is the same function with six
transforms of real numbers, as the docstrings show.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.bottleneck import init_convolutions, stage
from synthscope.detectors.input import InputConfig

SPACE, CHANNELS = (-2, -1), (-3,)


class FreqNet(Detector):
    """High-pass filters over space and channels, and convolutions of real and imaginary parts, between ResNet stages.

    The published constructor needs CUDA; this one does not.
    """

    Options = Config  # none
    default_input = InputConfig(resize=256, resize_mode="square", interpolation="pillow_bilinear", crop=None)
    paper = (
        "Tan et al., Frequency-Aware Deepfake Detection: Improving Generalizability through Frequency Space Domain "
        "Learning, AAAI 2024, arXiv 2403.07240"
    )
    licence = "Apache-2.0 (this code); the published weights have no licence: fetch them, do not redistribute them"
    weights = (
        "trained by you: synthscope train; published: 4-classes-freqnet-v2.pth of "
        "chuangchuangtan/FreqNet-DeepfakeDetection"
    )

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.net = FreqNetNet()

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI; any size."""
        return self.net(self.normalize(images))[:, 0]


class FreqNetNet(nn.Module):
    """The published network, ``layer1`` and ``layer2`` being ResNet-50's."""

    def __init__(self) -> None:
        super().__init__()
        for number, (inputs, outputs) in enumerate(((3, 64), (64, 64), (256, 256), (256, 256)), start=1):
            weight = nn.init.kaiming_normal_(torch.empty(outputs, inputs, 1, 1), mode="fan_out", nonlinearity="relu")
            self.register_parameter(f"weight{number}", nn.Parameter(weight))
            self.register_parameter(f"bias{number}", nn.Parameter(torch.zeros(outputs)))
            self.add_module(f"realconv{number}", nn.Conv2d(outputs, outputs, 1, bias=False))
            self.add_module(f"imagconv{number}", nn.Conv2d(outputs, outputs, 1, bias=False))
        self.layer1 = stage(64, 64, (3, 3, 3))
        self.layer2 = stage(256, 128, (3, 3, 3, 3), stride=2)
        self.fc1 = nn.Linear(512, 1)
        init_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, 1)``."""
        maps = self._project(high_pass(images, SPACE), 1)
        maps = self._convolve_spectrum(high_pass(maps, CHANNELS), 1)
        maps = self._project(high_pass(maps, SPACE), 2, stride=2)
        maps = self._convolve_spectrum(high_pass(maps, CHANNELS), 2)
        maps = self.layer1(functional.max_pool2d(maps, 3, stride=2, padding=1))
        maps = self._convolve_spectrum(self._project(high_pass(maps, SPACE), 3), 3)
        maps = self._convolve_spectrum(self._project(high_pass(maps, SPACE), 4, stride=2), 4)
        return self.fc1(self.layer2(maps).mean((2, 3)))

    def _project(self, maps: Tensor, number: int, stride: int = 1) -> Tensor:
        weight, bias = self.get_parameter(f"weight{number}"), self.get_parameter(f"bias{number}")
        return functional.relu(functional.conv2d(maps, weight, bias, stride=stride))

    def _convolve_spectrum(self, maps: Tensor, number: int) -> Tensor:
        """Rectified real part of the inverse FFT of ``realconv(Re X) + i imagconv(Im X)``.

        Of a real map, Re X is the spectrum of its even part and i Im X that of its odd part. A 1 x 1 convolution
        treats all frequencies alike, so it commutes with the transform, which therefore drops out.
        """
        mirrored = maps.flip(-2, -1).roll((1, 1), (-2, -1))  # index -i modulo the side
        real, imaginary = self.get_submodule(f"realconv{number}"), self.get_submodule(f"imagconv{number}")
        return functional.relu(real((maps + mirrored) / 2) + imaginary((maps - mirrored) / 2))


def high_pass(maps: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Rectified real part of the inverse FFT without the low half of the frequencies.

    Frequencies -n/4 to n/4 - 1 count as low in a dimension of n; zeroed are those that are low in all ``dims``. The
    real part of the inverse is that of the spectrum times the even part of the mask, for which half a spectrum is
    enough.

    Args:
        maps: ``(B, C, h, w)``; transformed in float32 whatever the precision around.
        dims: Negative, adjacent, in order.

    >>> high_pass(torch.ones(1, 1, 8, 8), (-2, -1)).max().item()  # a constant has only the lowest frequency
    0.0
    """
    sizes = [maps.shape[dim] for dim in dims]
    low, mirrored = (torch.ones((), device=maps.device) for _ in range(2))
    for size in sizes:
        index = torch.arange(size, device=maps.device)
        band = (index < size // 4) | (index >= size - size // 4)
        low, mirrored = low[..., None] * band, mirrored[..., None] * band[-index]
    keep = 1 - (low + mirrored)[..., : sizes[-1] // 2 + 1] / 2
    keep = keep.view(*keep.shape, *[1] * (-1 - dims[-1]))
    with torch.autocast(maps.device.type, enabled=False):
        spectrum = torch.fft.rfftn(maps.float(), dim=dims, norm="ortho") * keep
        return functional.relu(torch.fft.irfftn(spectrum, s=sizes, dim=dims, norm="ortho"))
