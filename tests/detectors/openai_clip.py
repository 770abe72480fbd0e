"""CLIP's image tower written out in plain torch, and random weights in OpenAI's names."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

TINY = {"width": 32, "depth": 2, "heads": 4, "features": 12}
SIDE = 42  # 3 x 3 patches


def openai_state(*, width: int, depth: int, heads: int, features: int, side: int = SIDE) -> dict[str, Tensor]:
    """Random weights in OpenAI's names and shapes, biases and gains included."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "class_embedding": (width,),
        "positional_embedding": ((side // 14) ** 2 + 1, width),
        "proj": (width, features),
        "conv1.weight": (width, 3, 14, 14),
    }
    for norm in ("ln_pre", "ln_post"):
        shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    for number in range(depth):
        block = f"transformer.resblocks.{number}"
        shapes |= {f"{block}.attn.in_proj_weight": (3 * width, width), f"{block}.attn.in_proj_bias": (3 * width,)}
        shapes |= {f"{block}.attn.out_proj.weight": (width, width), f"{block}.attn.out_proj.bias": (width,)}
        shapes |= {f"{block}.mlp.c_fc.weight": (4 * width, width), f"{block}.mlp.c_fc.bias": (4 * width,)}
        shapes |= {f"{block}.mlp.c_proj.weight": (width, 4 * width), f"{block}.mlp.c_proj.bias": (width,)}
        shapes |= {f"{block}.ln_{n}.{part}": (width,) for n in (1, 2) for part in ("weight", "bias")}
    return {f"visual.{key}": torch.from_numpy(rng.normal(0, 0.3, shape)).float() for key, shape in shapes.items()}


def openai_embedding(state: dict[str, Tensor], images: Tensor, *, depth: int, heads: int) -> Tensor:
    """CLIP's ``encode_image`` as in the paper, in float64, with explicit attention."""
    w = {key.removeprefix("visual."): value.double() for key, value in state.items()}

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return (
            centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]
        )

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    patches = functional.conv2d(images.double(), w["conv1.weight"], stride=14).flatten(2).transpose(1, 2)
    tokens = torch.cat([w["class_embedding"].expand(len(images), 1, -1), patches], 1) + w["positional_embedding"]
    tokens = norm(tokens, "ln_pre")
    for number in range(depth):
        block = f"transformer.resblocks.{number}"
        x = norm(tokens, f"{block}.ln_1")
        qkv = x @ w[f"{block}.attn.in_proj_weight"].T + w[f"{block}.attn.in_proj_bias"]
        query, key, value = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in qkv.chunk(3, -1))
        scores = (query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])).softmax(-1)
        tokens = tokens + linear((scores @ value).transpose(1, 2).flatten(2), f"{block}.attn.out_proj")
        hidden = linear(norm(tokens, f"{block}.ln_2"), f"{block}.mlp.c_fc")
        tokens = tokens + linear(hidden * torch.sigmoid(1.702 * hidden), f"{block}.mlp.c_proj")
    return norm(tokens[:, 0], "ln_post") @ w["proj"]


STATE = openai_state(**TINY)


TEXT = {
    "logit_scale": torch.ones(()),
    "token_embedding.weight": torch.ones(5, 3),
    "transformer.resblocks.0.ln_1.bias": torch.ones(3),
}
