"""Xception with the key names of its PyTorch port, cut into parts between which F3Net's two streams meet.

Chollet, Xception, CVPR 2017, arXiv 1610.02357; names as in tstandley/Xception-PyTorch and timm's ``legacy_xception``.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn

from synthscope import runtime
from synthscope.detectors.downloads import download
from synthscope.detectors.weights import misfit
from synthscope.errors import SynthscopeError

CLASSIFIERS = "fc.", "last_linear."


class SeparableConv(nn.Module):
    """A 3 x 3 convolution of every channel, then a 1 x 1 convolution across them; no bias."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, width, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, channels, h, w)`` to ``(B, width, h, w)``."""
        return self.pointwise(self.conv1(maps))


class Block(nn.Module):
    """Separable convolutions, ReLU before each, around a shortcut; with a stride, both halve the map.

    Args:
        channels: Of the input.
        width: Channels of the output.
        repeats: Number of separable convolutions.
        stride: 1 = the shortcut is the input itself, which then needs ``width`` channels.
        leading_relu: False in the first block only, whose input is rectified already.
        widen_last: The last convolution brings ``width`` channels instead of the first.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        repeats: int,
        *,
        stride: int = 1,
        leading_relu: bool = True,
        widen_last: bool = False,
    ) -> None:
        super().__init__()
        widths = [channels, *[channels if widen_last else width] * (repeats - 1), width]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.ReLU(inplace=bool(layers)), SeparableConv(before, after), nn.BatchNorm2d(after)]
        if not leading_relu:
            del layers[0]
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.rep = nn.Sequential(*layers)
        self.skip = nn.Conv2d(channels, width, 1, stride, bias=False) if stride > 1 else nn.Identity()
        self.skipbn = nn.BatchNorm2d(width) if stride > 1 else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, channels, h, w)`` to ``(B, width, ceil(h / stride), ceil(w / stride))``."""
        return self.rep(maps) + self.skipbn(self.skip(maps))


class Xception(nn.Module):
    """The convolutional part: 2048 maps at 1/32 of the resolution, not yet rectified.

    Args:
        channels: Of the input, a multiple of 3.
        stride: Of the first convolution.
    """

    def __init__(self, channels: int = 3, *, stride: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 3, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.block1 = Block(64, 128, 2, stride=2, leading_relu=False)
        self.block2 = Block(128, 256, 2, stride=2)
        self.block3 = Block(256, 728, 2, stride=2)
        for number in range(4, 12):
            self.add_module(f"block{number}", Block(728, 728, 3))
        self.block12 = Block(728, 1024, 2, stride=2, widen_last=True)
        self.conv3 = SeparableConv(1024, 1536)
        self.bn3 = nn.BatchNorm2d(1536)
        self.conv4 = SeparableConv(1536, 2048)
        self.bn4 = nn.BatchNorm2d(2048)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, channels, h, w)`` to ``(B, 2048, h', w')``."""
        return self.tail(self.blocks(self.stem(images), 1, 12))

    def stem(self, images: Tensor) -> Tensor:
        """The first two convolutions: ``(B, 64, h, w)``."""
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(images))))))

    def blocks(self, maps: Tensor, first: int, last: int) -> Tensor:
        """Blocks ``first`` to ``last``, both included."""
        for number in range(first, last + 1):
            maps = self.get_submodule(f"block{number}")(maps)
        return maps

    def tail(self, maps: Tensor) -> Tensor:
        """What follows the twelve blocks: ``(B, 1024, h, w)`` to ``(B, 2048, h, w)``."""
        return self.bn4(self.conv4(self.relu(self.bn3(self.conv3(maps)))))

    def load_imagenet(self, state: Mapping[str, Tensor], *, origin: str) -> None:
        """Take over the weights of a three-channel Xception, without its classifier.

        The first convolution's weights are repeated over the groups of three input channels and divided by their
        number, so that its response to copies of one image is the pretrained one. Old files store pointwise weights as
        matrices and no counts of batches; both are put right.

        Args:
            state: Of timm's ``legacy_xception`` or ``xception-b5690688.pth``.
            origin: Where it comes from, for the error.

        Raises:
            SynthscopeError: Missing, foreign or wrongly shaped keys.
        """
        wanted = self.state_dict()
        weights = {key: value for key, value in wanted.items() if key.endswith("num_batches_tracked")}
        for key, value in state.items():
            if not key.startswith(CLASSIFIERS):
                weights[key] = value[..., None, None] if "pointwise" in key and value.ndim == 2 else value
        groups = self.conv1.in_channels // 3
        if "conv1.weight" in weights:
            weights["conv1.weight"] = weights["conv1.weight"].repeat(1, groups, 1, 1) / groups
        if problem := misfit(weights, wanted):
            raise SynthscopeError(f"Expected the weights of an Xception in {origin}, got {problem}. Check the file.")
        self.load_state_dict(weights)


def timm_weights() -> dict[str, Tensor]:
    """State of timm's ``legacy_xception``, trained on ImageNet; downloaded where it isn't cached."""
    with download(
        "ImageNet weights of timm's legacy_xception from the network",
        "Connect, name a file in options.pretrained, or set options.pretrained=false to start from scratch.",
    ):
        model = runtime.import_timm().create_model("legacy_xception", pretrained=True)
    return model.state_dict()
