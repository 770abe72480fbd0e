"""The autoencoder of Stable Diffusion 1 (Rombach et al., CVPR 2022) in the names of diffusers: pixels to pixels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (128, 256, 512, 512)
_OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class Autoencoder(nn.Module):
    """Encodes to the mean of the latent and decodes it, without a scaling factor; nothing is drawn or clipped."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(widths), Decoder(widths)
        self.quant_conv, self.post_quant_conv = nn.Conv2d(8, 8, 1), nn.Conv2d(4, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` with sides of whole eights to the same shape."""
        mean = self.quant_conv(self.encoder(images))[:, :4]
        return self.decoder(self.post_quant_conv(mean))


class Encoder(nn.Module):
    """Three halvings; 8 channels, mean and logarithm of the variance."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        ends = pairwise((widths[0], *widths))
        self.down_blocks = nn.ModuleList(
            _level(a, b, 2, "downsamplers", nn.Conv2d(b, b, 3, stride=2) if number < len(widths) - 1 else None)
            for number, (a, b) in enumerate(ends)
        )
        self.mid_block = _middle(widths[-1])
        self.conv_norm_out = _norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], 8, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, 8, h / 8, w / 8)``."""
        maps = self.conv_in(images)
        level: Any
        for level in self.down_blocks:
            maps = _through(level["resnets"], maps)
            if "downsamplers" in level:  # a column of zeros at the right and a row below
                maps = level["downsamplers"][0]["conv"](functional.pad(maps, (0, 1, 0, 1)))
        maps = _through_middle(self.mid_block, maps)
        return self.conv_out(functional.silu(self.conv_norm_out(maps)))


class Decoder(nn.Module):
    """Three doublings."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        widths = widths[::-1]
        self.conv_in = nn.Conv2d(4, widths[0], 3, padding=1)
        self.mid_block = _middle(widths[0])
        ends = pairwise((widths[0], *widths))
        self.up_blocks = nn.ModuleList(
            _level(a, b, 3, "upsamplers", nn.Conv2d(b, b, 3, padding=1) if number < len(widths) - 1 else None)
            for number, (a, b) in enumerate(ends)
        )
        self.conv_norm_out = _norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """``(B, 4, h, w)`` to ``(B, 3, 8 * h, 8 * w)``."""
        maps = _through_middle(self.mid_block, self.conv_in(latents))
        level: Any
        for level in self.up_blocks:
            maps = _through(level["resnets"], maps)
            if "upsamplers" in level:
                maps = level["upsamplers"][0]["conv"](functional.interpolate(maps, scale_factor=2.0, mode="nearest"))
        return self.conv_out(functional.silu(self.conv_norm_out(maps)))


class Resnet(nn.Module):
    """Norm, SiLU, convolution, twice, plus a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = _norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        if inputs != outputs:
            self.conv_shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, inputs, h, w)`` to ``(B, outputs, h, w)``."""
        out = self.conv1(functional.silu(self.norm1(maps)))
        out = self.conv2(functional.silu(self.norm2(out)))
        return out + (self.conv_shortcut(maps) if hasattr(self, "conv_shortcut") else maps)


class Attention(nn.Module):
    """One head over all positions, plus its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.group_norm = _norm(width)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, C, h, w)`` to the same shape."""
        tokens = self.group_norm(maps).flatten(2).mT
        mixed = functional.scaled_dot_product_attention(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens))
        return maps + self.to_out[0](mixed).mT.unflatten(2, maps.shape[2:])


def modern_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state with the attention's layers as today's diffusers name them; old files say ``query`` for ``to_q``.

    >>> list(modern_names({"mid_block.attentions.0.query.bias": Tensor([0])}))
    ['mid_block.attentions.0.to_q.bias']
    """
    old = r"(attentions\.0)\.(query|key|value|proj_attn)\."
    return {re.sub(old, lambda m: f"{m[1]}.{_OLD[m[2]]}.", key): value for key, value in state.items()}


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, width, eps=1e-6)


def _level(inputs: int, outputs: int, count: int, name: str, resize: nn.Module | None) -> nn.ModuleDict:
    blocks = [Resnet(inputs if number == 0 else outputs, outputs) for number in range(count)]
    level = nn.ModuleDict({"resnets": nn.ModuleList(blocks)})
    if resize is not None:
        level[name] = nn.ModuleList([nn.ModuleDict({"conv": resize})])
    return level


def _middle(width: int) -> nn.ModuleDict:
    resnets = nn.ModuleList(Resnet(width, width) for _ in range(2))
    return nn.ModuleDict({"resnets": resnets, "attentions": nn.ModuleList([Attention(width)])})


def _through(blocks: nn.Module, maps: Tensor) -> Tensor:
    for block in blocks.children():
        maps = block(maps)
    return maps


def _through_middle(middle: nn.ModuleDict, maps: Tensor) -> Tensor:
    first, second = middle["resnets"].children()
    return second(_through(middle["attentions"], first(maps)))
