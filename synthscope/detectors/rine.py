"""RINE: what every block of CLIP ViT-L/14 says of an image, weighed block by block and channel by channel.

Koutlis and Papadopoulos, ECCV 2024. What the paper calls the output of a block is, in the published program and here,
that of its second norm: behind the attention, before the MLP.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.clip import CLIP_MEAN, CLIP_STD, AnyClipOptions, ClipProbe
from synthscope.detectors.input import InputConfig


class Rine(ClipProbe):
    """Frozen CLIP ViT-L/14; the class token's 24 features through ``proj1``, a weighted sum, ``proj2`` and ``head``.

    Published figures of Synthbuster's sets are means over ten crops: ``synthscope predict --crops 10``.
    """

    class Options(AnyClipOptions):
        """Of the trained part; the defaults are those of the file for four classes."""

        layers: int = Field(default=2, ge=1, le=8)  # linear layers of each projection
        width: int = Field(default=1024, ge=8, le=4096)  # of the projections

    options: Options
    default_input = InputConfig(resize=None, crop=224, small="pad", mean=CLIP_MEAN, std=CLIP_STD)
    paper = (
        "Koutlis, Papadopoulos, Leveraging Representations from Intermediate Encoder-Blocks for Synthetic Image "
        "Detection, ECCV 2024, arXiv 2402.19091"
    )
    licence = "Apache-2.0; CLIP's weights are MIT"
    weights = "trained by you: synthscope train; published: ckpt/ of mever-team/rine, on OpenAI's CLIP ViT-L/14"
    net: Any

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.net = RineNet(self._tower(), layers=self.options.layers, width=self.options.width)
        self._freeze()

    def features(self, images: Tensor) -> Tensor:
        """``(B, blocks, D)``, the class token behind the second norm of each block."""
        if not self.has_features:
            raise self._no_features()
        return second_norms(self.backbone, self.normalize(images))

    def head(self, features: Tensor) -> Tensor:
        """Logits ``(B,)`` of the blocks' features."""
        return self.logits_and_embeddings(features)[0]

    def logits_and_embeddings(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B,)`` of the blocks' features, and ``(B, width)``, which the published training also contrasts."""
        embeddings = self.net.embed(features)
        return self.net.head(embeddings)[:, 0], embeddings


class RineNet(nn.Module):
    """The published trained part, in its names, beside the tower."""

    def __init__(self, tower: nn.Module, *, layers: int, width: int) -> None:
        super().__init__()
        self.model = tower
        blocks, features = len(tower.blocks), int(tower.embed_dim)  # type: ignore[arg-type]
        self.alpha = nn.Parameter(torch.randn(1, blocks, width))
        self.proj1 = _projection(features, width, layers)
        self.proj2 = _projection(width, width, layers)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(), nn.Linear(width, width), nn.ReLU(), nn.Dropout(),
            nn.Linear(width, 1),
        )  # fmt: skip

    def embed(self, features: Tensor) -> Tensor:
        """``(B, blocks, D)`` to ``(B, width)``, which ``head`` judges."""
        return self.proj2((self.alpha.softmax(1) * self.proj1(features)).sum(1))


def _projection(inputs: int, width: int, layers: int) -> nn.Sequential:
    sizes = [inputs, *[width] * layers]
    inner = (nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Dropout()) for a, b in pairwise(sizes))
    return nn.Sequential(nn.Dropout(), *(module for part in inner for module in part))


def second_norms(tower: Any, images: Tensor) -> Tensor:
    """The class token behind the second norm of every block of timm's CLIP tower: ``(B, blocks, D)``."""
    tokens = tower.patch_embed(images)
    tokens = torch.cat([tower.cls_token.expand(len(images), -1, -1), tokens], 1) + tower.pos_embed
    tokens, seen = tower.norm_pre(tokens), []
    for block in tower.blocks:
        tokens = tokens + block.attn(block.norm1(tokens))
        normed = block.norm2(tokens)
        seen.append(normed[:, 0])
        tokens = tokens + block.mlp(normed)
    return torch.stack(seen, 1)
