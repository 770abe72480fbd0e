"""CLIP's image tower in the names of Hugging Face's transformers, with or without low-rank residuals, in timm's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

_TOWER = {
    "embeddings.class_embedding": "cls_token",
    "embeddings.position_embedding.weight": "pos_embed",
    "embeddings.patch_embedding.weight": "patch_embed.proj.weight",
    "pre_layrnorm.weight": "norm_pre.weight",  # the misspelling is theirs
    "pre_layrnorm.bias": "norm_pre.bias",
    "post_layernorm.weight": "norm.weight",
    "post_layernorm.bias": "norm.bias",
}
_BLOCK = {"layer_norm1": "norm1", "layer_norm2": "norm2", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
_ATTENTION = re.compile(r"encoder\.layers\.(\d+)\.self_attn\.([qkv]|out)_proj\.(\w+)")
_UNUSED = re.compile(r"embeddings\.position_ids|.*\.[SUV]_r")  # an index; the frozen factors of Effort's main weight
_RESIDUAL = {"weight_main": "weight", "S_residual": "S", "U_residual": "U", "V_residual": "V"}


def from_hf_clip(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The image tower under ``prefix``, such as ``model.vision_model.``, in timm's names; other keys are left out.

    Queries, keys and values are one layer in timm. Residuals ``S``, ``U``, ``V`` of Effort keep a dimension for the
    three of them. Unknown keys stay as they are, and so do queries without their keys and values.

    >>> parts = {f"encoder.layers.0.self_attn.{p}_proj.bias": torch.full((2,), i) for i, p in enumerate("qkv", 1)}
    >>> from_hf_clip(parts, "")
    {'blocks.0.attn.qkv.bias': tensor([1, 1, 2, 2, 3, 3])}
    """
    tower = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    renamed: dict[str, Tensor] = {}
    groups: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    for key, value in tower.items():
        if _UNUSED.fullmatch(key):
            continue
        if found := _ATTENTION.fullmatch(key):
            block, part, leaf = found.groups()
            layer, leaf = "proj" if part == "out" else "qkv", _RESIDUAL.get(leaf, leaf)
            groups[f"blocks.{block}.attn.{layer}.{leaf}"][part] = value
        else:
            renamed[_name(key)] = _shaped(key, value)
    for name, parts in groups.items():
        if tuple(sorted(parts)) not in (("out",), ("k", "q", "v")):
            renamed |= {f"{name}.{part}": value for part, value in parts.items()}
            continue
        ordered = [parts[part] for part in ("out", "q", "k", "v") if part in parts]
        same = len({value.shape for value in ordered}) == 1
        join = torch.stack if same and name.endswith((".S", ".U", ".V")) else torch.cat
        renamed[name] = join(ordered) if same else ordered[0]
    return renamed


def _name(key: str) -> str:
    if block := re.fullmatch(r"encoder\.layers\.(\d+)\.([\w.]+)\.(\w+)", key):
        return f"blocks.{block[1]}.{_BLOCK.get(block[2], block[2])}.{block[3]}"
    return _TOWER.get(key, key)


def _shaped(key: str, value: Tensor) -> Tensor:
    if key == "embeddings.class_embedding":
        return value.reshape(1, 1, -1)
    return value[None] if key == "embeddings.position_embedding.weight" else value
