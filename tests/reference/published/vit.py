"""Plain vision transformers under timm's names, in functions over the weights, and the programs that stand on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision import transforms

from tests.reference.published.clip import CLIP
from tests.reference.published.plain import IMAGENET, Logit, rgb

Weights = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]


def block_shapes(width: int, depth: int, mlp: int, *, scale: bool) -> Shapes:
    shapes: Shapes = {}
    for b in range(depth):
        layers = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
        layers |= {"mlp.fc1": (mlp, width), "mlp.fc2": (width, mlp)}
        for name, shape in layers.items():
            shapes |= {f"blocks.{b}.{name}.weight": shape, f"blocks.{b}.{name}.bias": shape[:1]}
        for name in ("norm1", "norm2"):
            shapes |= {f"blocks.{b}.{name}.weight": (width,), f"blocks.{b}.{name}.bias": (width,)}
        if scale:
            shapes |= {f"blocks.{b}.ls1.gamma": (width,), f"blocks.{b}.ls2.gamma": (width,)}
    return shapes


def tower_shapes(width: int, depth: int, mlp: int, patch: int, positions: int, *, scale: bool = False) -> Shapes:
    """Without class token, registers and head."""
    ends: Shapes = {"pos_embed": (1, positions, width), "norm.weight": (width,), "norm.bias": (width,)}
    ends |= {"patch_embed.proj.weight": (width, 3, patch, patch), "patch_embed.proj.bias": (width,)}
    return ends | block_shapes(width, depth, mlp, scale=scale)


def random_weights(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(shape, generator=generator)
        * (0.3 if len(shape) < 2 else 0.5 if "pos_embed" in key else 1.2 / math.sqrt(math.prod(shape[1:])))
        + (1.0 if key.endswith(("norm.weight", "norm1.weight", "norm2.weight", "gamma")) else 0.0)
        for key, shape in shapes.items()
    }


def norm(x: Tensor, w: Weights, name: str) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], 1e-6)


def linear(x: Tensor, w: Weights, name: str) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def patches(images: Tensor, w: Weights) -> Tensor:
    """(B, C, rows, columns); the rest at the right and below is dropped."""
    kernel = w["patch_embed.proj.weight"]
    return F.conv2d(images, kernel, w["patch_embed.proj.bias"], stride=kernel.shape[-1])


Layer = Callable[[Tensor, Weights, str], Tensor]


def blocks(x: Tensor, w: Weights, heads: int, layer: Layer = linear) -> Tensor:
    """All blocks and the last norm over (B, T, C)."""
    b = 0
    while f"blocks.{b}.norm1.weight" in w:
        name = f"blocks.{b}"
        q, k, v = layer(norm(x, w, f"{name}.norm1"), w, f"{name}.attn.qkv").chunk(3, -1)
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, k, v))
        attention = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
        y = layer((attention @ v).transpose(1, 2).flatten(2), w, f"{name}.attn.proj")
        x = x + y * w.get(f"{name}.ls1.gamma", torch.ones(()))
        y = F.gelu(layer(norm(x, w, f"{name}.norm2"), w, f"{name}.mlp.fc1"))
        x = x + layer(y, w, f"{name}.mlp.fc2") * w.get(f"{name}.ls2.gamma", torch.ones(()))
        b += 1
    return norm(x, w, "norm")


def commfor(w: Weights, heads: int, resize: int, crop: int) -> Logit:
    """Class token and positions added together, one output."""
    prepare = transforms.Compose(
        [transforms.Resize(resize), transforms.CenterCrop(crop), transforms.ToTensor(), IMAGENET]
    )

    def logit(file: str) -> float:
        tokens = patches(prepare(rgb(file))[None], w).flatten(2).mT
        tokens = torch.cat([w["cls_token"], tokens], 1) + w["pos_embed"]
        return float(linear(blocks(tokens, w, heads)[:, 0], w, "head"))

    return logit


def bfree(w: Weights, heads: int) -> Logit:
    """Five crops in the space of tokens: centre, top left, bottom left, bottom right, top right; mean logit."""
    prepare = transforms.Compose([transforms.ToTensor(), IMAGENET])
    side = 36

    def logit(file: str) -> float:
        grid = patches(prepare(rgb(file))[None], w)
        gh, gw = grid.shape[-2:]
        if gh < side or gw < side:
            grid = grid.tile(1, 1, max(1, -(-side // gh)), max(1, -(-side // gw)))[..., :side, :side]
            gh, gw = grid.shape[-2:]
        y, x = gh - side, gw - side
        logits = []
        for top, left in ((y // 2, x // 2), (0, 0), (y, 0), (y, x), (0, x)):
            tokens = grid[..., top : top + side, left : left + side].flatten(2).mT + w["pos_embed"]
            tokens = torch.cat([w["cls_token"], w["reg_token"], tokens], 1)
            logits.append(float(linear(blocks(tokens, w, heads)[:, 0], w, "head")))
        return sum(logits) / 5

    return logit


def lora(x: Tensor, w: Weights, name: str) -> Tensor:
    """Rank 8, alpha 1."""
    return linear(x, w, f"{name}.original_layer") + x @ w[f"{name}.lora.lora_A"].T @ w[f"{name}.lora.lora_B"].T / 8


def dda(w: Weights, fc: Weights, heads: int) -> Logit:
    """CLIP's norm, zero padding, DINOv2's interpolation of 37 x 37 positions by a scale factor."""
    prepare = transforms.Compose([transforms.CenterCrop(336), transforms.ToTensor(), CLIP])

    def logit(file: str) -> float:
        tokens = patches(prepare(rgb(file))[None], w).flatten(2).mT
        table = w["pos_embed"][:, 1:].reshape(1, 37, 37, -1).permute(0, 3, 1, 2)
        table = F.interpolate(table, scale_factor=((24 + 0.1) / 37, (24 + 0.1) / 37), mode="bicubic")
        assert table.shape[-2:] == (24, 24)
        positions = torch.cat([w["pos_embed"][:, :1], table.flatten(2).mT], 1)
        tokens = blocks(torch.cat([w["cls_token"], tokens], 1) + positions, w, heads, lora)
        return float(tokens[:, 0] @ fc["weight"].T + fc["bias"])

    return logit
