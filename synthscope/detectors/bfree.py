"""B-Free: DINOv2 with registers, trained on images and their own regenerations (Guillaro et al., CVPR 2025).

Images keep their size. Five crops of 504 pixels, the centre and the corners of the grid of patches, each get a logit,
and the mean is that of the image: the inside of a very large image is never seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthscope import runtime
from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig, holding_a_patch
from synthscope.detectors.downloads import download
from synthscope.detectors.input import InputConfig
from synthscope.errors import UsageError

PATCH, SIDE = 14, 504  # pixels
BACKBONE = "vit_base_patch14_reg4_dinov2"
TINY = {"embed_dim": 64, "depth": 2, "num_heads": 4}


class BFree(Detector):
    """ViT-B/14 with four registers; the class token through one linear layer, the mean of five crops."""

    class Options(Config):
        """Of the transformer, and which crops count."""

        size: Literal["base", "tiny"] = "base"  # tiny: without published weights, to train or try out on a CPU
        crops: Literal["five", "centre"] = "five"  # centre: a fifth of the time, not the published logit
        pretrained: bool = False  # start from DINOv2's weights by timm, as published

    options: Options
    default_input = InputConfig(resize=None, crop=None)
    paper = (
        "Guillaro et al., A Bias-Free Training Paradigm for More General AI-generated Image Detection, CVPR 2025, "
        "arXiv 2412.17671"
    )
    licence = "Apache-2.0 (this code); the published weights: GRIP-UNINA's, non-profit use, not to be passed on"
    weights = (
        "trained by you: synthscope train, options.pretrained=true starts from DINOv2's; published: "
        "model_epoch_best.pth in BFREE_dino2reg4.zip of https://www.grip.unina.it/download/prog/B-Free/weights/"
    )

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        sizes: dict[str, Any] = TINY if self.options.size == "tiny" else {}
        self.net: nn.Module = runtime.import_timm().create_model(BACKBONE, img_size=SIDE, num_classes=1, **sizes)

    def load_pretrained(self) -> None:
        """Replace all weights but the head by DINOv2's, whose position embeddings timm resamples to 504 pixels.

        Raises:
            UsageError: The tiny size, which has none.
        """
        if self.options.size == "tiny":
            raise UsageError("Expected options.size=base for options.pretrained, got tiny. Set one of the two.")
        name = f"{BACKBONE}.lvd142m"
        with download(
            f"DINOv2's weights {name} from the Hugging Face Hub",
            "Connect to the network, or set options.pretrained=false to start from scratch.",
        ):
            timm = runtime.import_timm()
            state = timm.create_model(name, img_size=SIDE, num_classes=1, pretrained=True).state_dict()
        self.net.load_state_dict(state)

    def preprocess(self, rgb: np.ndarray) -> Tensor:
        """As configured. Raises ``UnreadableImageError`` for an image smaller than one patch."""
        return holding_a_patch(super().preprocess(rgb), PATCH, self.config.architecture)

    def no_decay(self) -> set[str]:
        """timm's list: class token, registers and position embeddings."""
        return {f"net.{name}" for name in self.net.no_weight_decay()}  # type: ignore[operator]

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI; any size from 14 x 14 pixels."""
        pixels = filled(self.normalize(images))
        places = self._places(images.shape[-2:])
        crops = [pixels[..., top : top + SIDE, left : left + SIDE] for top, left in places]
        logits = self.net(torch.cat(crops))[:, 0].unflatten(0, (len(places), -1))
        shares = torch.tensor(list(places.values()), device=logits.device)[:, None]
        return (logits * shares).sum(0)

    def over_input(self, maps: Tensor, images: Tensor, layer: str) -> Tensor:
        """Maps ``(N * B, h, w)`` of the crops, laid over the pixels of ``images`` and added up."""
        size = images.shape[-2:]
        places = self._places(size)
        heat = functional.interpolate(maps[:, None], (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
        whole = [side - side % PATCH for side in size]  # which repeats, where it is smaller than a crop
        found = maps.new_zeros(len(maps) // len(places), *size)
        for (top, left), crop in zip(places, heat.chunk(len(places)), strict=True):
            rows, columns = (
                (start + torch.arange(SIDE, device=maps.device)) % length
                for start, length in zip((top, left), whole, strict=True)
            )
            part = maps.new_zeros(len(found), size[0], SIDE).index_add(1, rows, crop)
            found = found.index_add(2, columns, part)
        return found

    def _places(self, size: Sequence[int]) -> dict[tuple[int, int], float]:
        """Where the crops begin, in pixels, and the share of each in the logit."""
        starts = crop_starts(*size)[: 1 if self.options.crops == "centre" else None]
        return {start: starts.count(start) / len(starts) for start in dict.fromkeys(starts)}


def crop_starts(height: int, width: int) -> list[tuple[int, int]]:
    """First row and column of centre, top left, bottom left, bottom right and top right, on the grid of patches.

    >>> crop_starts(1024, 800)
    [(252, 140), (0, 0), (518, 0), (518, 294), (0, 294)]
    """
    rows, columns = (side // PATCH - SIDE // PATCH for side in (height, width))
    if min(rows, columns) < 0:
        return [(0, 0)] * 5
    grid = [(rows // 2, columns // 2), (0, 0), (rows, 0), (rows, columns), (0, columns)]
    return [(PATCH * row, PATCH * column) for row, column in grid]


def filled(images: Tensor) -> Tensor:
    """Images ``(B, 3, h, w)`` with a side below 504: whole patches, repeated, and the top left 504 pixels of them."""
    height, width = (side - side % PATCH for side in images.shape[-2:])
    if min(height, width) >= SIDE:
        return images
    repeated = images[..., :height, :width].repeat(1, 1, -(-SIDE // height), -(-SIDE // width))
    return repeated[..., :SIDE, :SIDE]
