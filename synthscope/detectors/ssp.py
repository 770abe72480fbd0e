"""SSP: the noise of the one patch of an image that has the least texture (Chen et al., 2024).

A camera leaves noise on a plain patch, a generator paints it clean. The published network's positive sign means a
photograph; here, as everywhere, positive = AI, so imported weights change sign in the head.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from synthscope.detectors.backbones import Backbone, BackboneOptions
from synthscope.detectors.base import DetectorConfig, preprocess, resize
from synthscope.detectors.input import InputConfig, Interpolation
from synthscope.errors import UsageError
from synthscope.runtime import seed_for

DRAWS = 64  # patches to choose from: (256 / 32) squared
SMALL = 256  # an image smaller than a patch is resized to this square first


class Ssp(Backbone):
    """The simplest of 64 random patches, enlarged, through high-pass filters and a ResNet-50.

    Which patches are drawn follows from ``options.seed`` and the size of the image alone: an image always gets the same
    logit, and a degraded copy is judged on the same candidates. Other seeds give other logits.
    """

    class Options(BackboneOptions):
        """Of the patch and of the ResNet-50."""

        seed: int = 0  # of the places of the patches
        side: int = Field(default=256, ge=32, le=1024)  # pixels that the patch is enlarged to

    options: Options
    model = "resnet50"
    default_input = InputConfig(resize=None, crop=32, interpolation="pillow_bilinear")
    paper = "Chen et al., A Single Simple Patch is All You Need for AI-generated Image Detection, arXiv 2402.01123"
    licence = "MIT"
    weights = "trained by you: synthscope train; published: bcmi/SSP-AI-Generated-Image-Detection"

    def __init__(self, config: DetectorConfig) -> None:
        input = config.input
        if input.crop is None or input.crop > SMALL or input.small != "upscale":
            raise UsageError(
                f"Expected a patch of at most {SMALL} pixels in input.crop and input.small=upscale for SSP, got "
                f"crop={input.crop}, small={input.small}. Leave both at their defaults, 32 and upscale."
            )
        super().__init__(config)

    def _build(self, *, pretrained: bool) -> nn.Module:
        return SspNet(super()._build(pretrained=pretrained), side=self.options.side)

    def preprocess(self, rgb: np.ndarray) -> Tensor:
        """The simplest patch of one image.

        Args:
            rgb: uint8 ``(H, W, 3)``.

        Returns:
            uint8 ``(3, 32, 32)``, of native pixels unless ``input.resize`` is set; 32 stands for ``input.crop``.
        """
        input = self.config.input
        side = input.crop or SMALL
        image = preprocess(rgb, input.model_copy(update={"crop": None}))
        seed = seed_for(self.options.seed, *image.shape[-2:])
        return simplest_patch(image, side, rng=np.random.default_rng(seed), interpolation=input.interpolation)


class SspNet(nn.Module):
    """The published network: ``srm``, then ``disc`` on the enlarged patch."""

    def __init__(self, disc: nn.Module, *, side: int) -> None:
        super().__init__()
        self.side = side
        self.srm = SpatialRichModel()
        self.disc = disc

    def forward(self, patches: Tensor) -> Tensor:
        """Normalised ``(B, 3, h, w)`` to ``(B, 1)``."""
        enlarged = functional.interpolate(patches, (self.side, self.side), mode="bilinear", align_corners=False)
        return self.disc(self.srm(enlarged))


class SpatialRichModel(nn.Module):
    """Three fixed high-pass filters, each over the sum of the colours, cut at 3 (Fridrich and Kodovsky, TIFS 2012)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        square3 = torch.tensor([[-1.0, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
        square5 = torch.tensor(
            [[-1.0, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
        )
        second = torch.tensor([[1.0, -2, 1]]) / 2
        filters = torch.stack(
            [functional.pad(square3, (1, 1, 1, 1)), square5 / 12, functional.pad(second, (1, 1, 2, 2))]
        )
        self.register_buffer("kernel", filters[:, None].repeat(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, 3, h, w)`` in [-3, 3]."""
        return functional.conv2d(images, self.kernel, padding=2).clamp(-3, 3)


def simplest_patch(
    image: Tensor, side: int, *, rng: np.random.Generator, interpolation: Interpolation = "pillow_bilinear"
) -> Tensor:
    """The one of 64 crops at random places that has the least :func:`texture`, the first of equals.

    Args:
        image: uint8 ``(3, H, W)``; one lower or narrower than ``side`` is resized to 256 x 256 first.
        side: Of the patch in pixels, at most 256.
        rng: Source of the places.
        interpolation: Of that resize.

    Returns:
        uint8 ``(3, side, side)``.
    """
    if min(image.shape[-2:]) < side:
        image = resize(image, SMALL, SMALL, interpolation)
    tops, lefts = (torch.from_numpy(rng.integers(length - side + 1, size=DRAWS)) for length in image.shape[-2:])
    patches = image.unfold(1, side, 1).unfold(2, side, 1)[:, tops, lefts].transpose(0, 1)
    return patches[int(texture(patches).numpy().argmin())].contiguous()  # numpy promises the first minimum


def texture(patches: Tensor) -> Tensor:
    """Sum of the absolute differences between neighbours in a row, in a column and on both diagonals, over colours.

    Zhong et al., PatchCraft, arXiv 2311.12397, whose measure SSP takes over.

    Args:
        patches: uint8 ``(N, 3, h, w)``.

    Returns:
        int64 ``(N,)``.

    >>> texture(torch.tensor([[[[0, 3], [0, 0]]]], dtype=torch.uint8)).tolist()  # right, below and diagonally
    [9]
    """
    pixels = patches.to(torch.int16)
    differences = (
        pixels[..., :, 1:] - pixels[..., :, :-1],
        pixels[..., 1:, :] - pixels[..., :-1, :],
        pixels[..., 1:, 1:] - pixels[..., :-1, :-1],
        pixels[..., 1:, :-1] - pixels[..., :-1, 1:],
    )
    return torch.stack([difference.abs().sum((1, 2, 3)) for difference in differences]).sum(0)
