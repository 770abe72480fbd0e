"""AIDE: the noise of the plainest and the richest patches beside what CLIP's ConvNeXt sees (Yan et al., ICLR 2025).

Patches are ranked by their frequencies; two of either end go through high-pass filters and a ResNet-50 each. Weights
hold a random projection that was never trained: a training of one's own gets another one.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from synthscope import runtime
from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig, holding_a_patch
from synthscope.detectors.clip import CLIP_MEAN, CLIP_STD
from synthscope.detectors.downloads import download
from synthscope.detectors.input import InputConfig
from synthscope.detectors.srm_bank import HighPass

PATCH, STRIDE, BANDS = 32, 16, 6  # pixels, pixels, anti-diagonal bands
RESNET_WEIGHTS, TRUNK_WEIGHTS = "resnet50.tv_in1k", "convnext_xxlarge.clip_laion2b_soup"
TINY = {"dims": (16, 32, 64, 128), "depths": (1, 1, 1, 1)}
TINY_RESNET = {"layers": (1, 1, 1, 1)}


class Aide(Detector):
    """Five views of an image of native size: two plain patches, two rich ones, and the whole image squashed."""

    class Options(Config):
        """Of the networks."""

        size: Literal["xxl", "tiny"] = "xxl"  # tiny: without published weights, to train or try out on a CPU
        pretrained: bool = False  # start from the weights that the published training starts from
        view: int = Field(default=256, ge=PATCH)  # side of every view; smaller is cheaper, and not what was published

    options: Options
    clip_mean: Tensor
    clip_std: Tensor
    default_input = InputConfig(resize=None, crop=None)
    paper = "Yan et al., A Sanity Check for AI-generated Image Detection, ICLR 2025, arXiv 2406.19435"
    licence = "MIT"
    weights = (
        "published: progan_train.pth, sd14_train.pth of shilinyan99/AIDE; trained by you: synthscope train, from "
        "ImageNet's ResNet-50 and LAION's ConvNeXt with options.pretrained=true"
    )

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.net = AideNet(tiny=self.options.size == "tiny")
        self.register_buffer("clip_mean", torch.tensor(CLIP_MEAN).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("clip_std", torch.tensor(CLIP_STD).view(3, 1, 1) * 255, persistent=False)

    def load_pretrained(self) -> None:
        """Both ResNets but for their first layer from torchvision's of ImageNet, the frozen trunk from LAION's CLIP.

        Raises:
            UsageError: The tiny networks, which nobody trained.
        """
        if self.options.size == "tiny":
            super().load_pretrained()
        timm = runtime.import_timm()
        with download(
            f"the weights {RESNET_WEIGHTS} and {TRUNK_WEIGHTS} from the Hugging Face Hub",
            "Connect to the network, or set options.pretrained=false.",
        ):
            resnet = timm.create_model(RESNET_WEIGHTS, pretrained=True).state_dict()
            trunk = timm.create_model(TRUNK_WEIGHTS, pretrained=True, num_classes=0).state_dict()
        for ours in (self.net.model_min, self.net.model_max):
            ours.load_state_dict({**resnet, "conv1.weight": ours.conv1.weight})  # 30 filtered images, not three colours
        self.net.openclip_convnext_xxl.load_state_dict(trunk)

    def preprocess(self, rgb: np.ndarray) -> Tensor:
        """As configured. Raises ``UnreadableImageError`` for an image smaller than one patch."""
        return holding_a_patch(super().preprocess(rgb), PATCH, self.config.architecture)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI; any size from 32 x 32 pixels."""
        images = images.float()
        patches = ranked_patches(images)
        whole = _enlarged(images, self.options.view)
        noise = [self.normalize(_enlarged(patches[:, place], self.options.view)) for place in range(4)]
        return self.net(noise, (whole - self.clip_mean) / self.clip_std)[:, 0]

    def over_input(self, maps: Tensor, images: Tensor, layer: str) -> Tensor:
        """Maps ``(2 B, h, w)`` of one ResNet, laid over the patches that it saw and added up; others as they are."""
        if not layer.startswith(("net.model_min.", "net.model_max.")):
            return maps
        first = int(layer.startswith("net.model_max."))  # whose patches are the second and the fourth
        heat = functional.interpolate(maps[:, None], (PATCH, PATCH), mode="bilinear", align_corners=False)[:, 0]
        found = maps.new_zeros(len(images), *images.shape[-2:])
        corners = patch_corners(images.float())[:, first::2].transpose(0, 1).flatten(0, 1).tolist()
        for number, (patch, (top, left)) in enumerate(zip(heat, corners, strict=True)):
            found[number % len(images), top : top + PATCH, left : left + PATCH] += patch
        return found


class AideNet(nn.Module):
    """The published network, in its names; semantic trunk and projection are frozen."""

    def __init__(self, *, tiny: bool) -> None:
        super().__init__()
        timm = runtime.import_timm()
        resnet = TINY_RESNET if tiny else {}
        self.hpf = nn.ModuleDict({"hpf": HighPass()})
        self.model_min: Any = timm.create_model("resnet50", in_chans=30, **resnet)  # whose classifier is never asked
        self.model_max: Any = timm.create_model("resnet50", in_chans=30, **resnet)
        self.openclip_convnext_xxl: Any = timm.create_model("convnext_xxlarge", num_classes=0, **(TINY if tiny else {}))
        self.convnext_proj = nn.Sequential(nn.Linear(self.openclip_convnext_xxl.num_features, 256))
        self.fc = nn.ModuleDict({"fc1": nn.Linear(256 + 2048, 1024), "fc2": nn.Linear(1024, 1)})
        for frozen in (self.openclip_convnext_xxl, self.convnext_proj):
            frozen.requires_grad_(False)

    def forward(self, noise: list[Tensor], whole: Tensor) -> Tensor:
        """Four patches, plain and rich by turns, each ``(B, 3, v, v)``, and the whole image, to ``(B, 1)``."""
        traces = [
            trunk.forward_head(trunk.forward_features(self.hpf["hpf"](view)), pre_logits=True)
            for trunk, views in ((self.model_min, noise[0::2]), (self.model_max, noise[1::2]))
            for view in (views if self.training else [torch.cat(views)])  # one by one for the batch norms, as published
        ]
        maps = self.openclip_convnext_xxl.forward_features(whole)
        meaning = self.convnext_proj(self.openclip_convnext_xxl.head.norm(maps).mean((2, 3)))  # timm pools, then norms
        both = torch.cat([meaning, torch.cat(traces).unflatten(0, (4, -1)).mean(0)], 1)
        return self.fc["fc2"](functional.gelu(self.fc["fc1"](both)))


def _enlarged(images: Tensor, view: int) -> Tensor:
    """Bilinear without antialiasing, as torchvision resized tensors before 0.17."""
    return functional.interpolate(images, (view, view), mode="bilinear", align_corners=False)


def ranked_patches(images: Tensor) -> Tensor:
    """The patches of lowest, highest, second lowest and second highest :func:`frequency_scores`.

    Args:
        images: float ``(B, 3, h, w)`` in 0..255.

    Returns:
        ``(B, 4, 3, 32, 32)``; the same ones again where an image has fewer than four.
    """
    rows, columns = (patch_corners(images) // STRIDE).unbind(-1)
    windows = images.unfold(2, PATCH, STRIDE).unfold(3, PATCH, STRIDE)  # a view, (B, 3, rows, columns, 32, 32)
    which = torch.arange(len(images), device=images.device)[:, None]
    return windows[which, :, rows, columns]


def patch_corners(images: Tensor) -> Tensor:
    """First row and column of the patches that :func:`ranked_patches` takes, in its order: int64 ``(B, 4, 2)``."""
    with torch.no_grad():
        scores = frequency_scores(images / 255)
    order = scores.argsort(dim=1, stable=True)
    last = order.shape[1] - 1
    chosen = order[:, [0, last, min(1, last), max(last - 1, 0)]]
    columns = (images.shape[-1] - PATCH) // STRIDE + 1
    return torch.stack([chosen // columns, chosen % columns], -1) * STRIDE


def frequency_scores(images: Tensor) -> Tensor:
    """How much high frequency the windows of 32 pixels hold, 16 apart, row by row: ``(B, windows)``.

    ``ln(1 + |DCT|)``, averaged over six overlapping anti-diagonal bands, which count 1, 2, 4 … 32; sum of the colours.

    Args:
        images: float ``(B, 3, h, w)`` in 0..1.
    """
    basis, weights = (table.to(images) for table in (_cosines(), _band_weights()))
    scores = []
    for top in range(0, images.shape[-2] - PATCH + 1, STRIDE):  # row by row, since all windows are 4 times the image
        row = images[..., top : top + PATCH, :].unfold(-1, PATCH, STRIDE).transpose(-3, -2)
        scores.append(((basis @ row @ basis.T).abs().log1p() * weights).sum((1, 3, 4)))
    return torch.cat(scores, 1)


def _cosines() -> Tensor:
    """The orthonormal DCT-II ``(32, 32)``."""
    places, frequencies = torch.arange(PATCH), torch.arange(PATCH)[:, None]
    table = torch.cos(torch.pi * (2 * places + 1) * frequencies / (2 * PATCH)) * (2 / PATCH) ** 0.5
    return torch.where(frequencies == 0, table / 2**0.5, table)


def _band_weights() -> Tensor:
    """Of every coefficient, ``(32, 32)``: ``2^b / size`` of each band ``b`` that it lies in, both ends included."""
    diagonal = torch.arange(PATCH) + torch.arange(PATCH)[:, None]
    bands = [(diagonal * BANDS >= 2 * PATCH * b) & (diagonal * BANDS <= 2 * PATCH * (b + 1)) for b in range(BANDS)]
    return torch.stack([2**b * band / band.sum() for b, band in enumerate(bands)]).sum(0)
