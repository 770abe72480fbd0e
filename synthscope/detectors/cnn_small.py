"""A small residual network for CPUs that looks at low-level traces: native pixels, no early pooling.

Resizing and early pooling destroy the traces of up-sampling that betray generators, so the input is a centre crop at
native resolution, the first two convolutions read the full-resolution map, and they see only the high-pass residual,
amplified and truncated as in the Spatial Rich Model (Fridrich and Kodovsky, TIFS 2012): content would drown it.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.input import InputConfig
from synthscope.detectors.residual import residual


class CnnSmall(Detector):
    """A bank of full-resolution filters, a strided convolution, three residual stages; 0.22 M parameters.

    Batch normalisation keeps the absolute strength of high-frequency residuals, which normalising groups of channels
    within one image divides out; the filter bank has none, because full-resolution maps are what a CPU pays for.
    """

    class Options(Config):
        """Width of the strided convolution; stages are 2, 4 and 6 times as wide."""

        width: int = Field(default=16, ge=4, le=64, multiple_of=2)

    options: Options
    default_input = InputConfig(resize=None, crop=128, small="upscale")
    licence = "Apache-2.0"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        width = self.options.width
        self.filters = nn.Conv2d(3, width // 2, 3, padding=1)
        self.stem = nn.Sequential(*_conv(width // 2, width, stride=2), nn.ReLU())
        self.stages = nn.Sequential(Block(width, 2 * width), Block(2 * width, 4 * width), Block(4 * width, 6 * width))
        self.head = nn.Linear(6 * width, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        maps = self.stages(self.stem(nn.functional.relu(self.filters(self.contrast(images)))))
        return self.head(maps.mean((2, 3)))[:, 0]

    def contrast(self, images: Tensor) -> Tensor:
        """What the network sees, ``(B, 3, h, w)`` of images in 0..255: the high-pass residual."""
        return residual(self.normalize(images))


class Block(nn.Module):
    """Basic residual block (He et al., CVPR 2016) that halves the map; the shortcut averages before it projects."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_conv(channels, width, stride=2), nn.ReLU(), *_conv(width, width))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), *_conv(channels, width, kernel=1))

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, channels, h, w)`` to ``(B, width, ceil(h / 2), ceil(w / 2))``."""
        return nn.functional.relu(self.body(maps) + self.shortcut(maps))


def _conv(channels: int, width: int, *, kernel: int = 3, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(width)
