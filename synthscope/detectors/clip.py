"""CLIP's ViT-L/14 and ViT-B/16: image towers, OpenAI's names of their weights, a frozen one under a trained head."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from torch import Tensor, nn

from synthscope import runtime
from synthscope.config import Config
from synthscope.detectors.input import InputConfig
from synthscope.detectors.probe import Probe, ProbeOptions
from synthscope.errors import SynthscopeError, UsageError

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
CLIP = "vit_large_patch14_clip_quickgelu_224"
FEATURES = 768

# OpenAI's names to timm's, whole names after the tower's prefix or after that of a block
_TOWER = {
    "class_embedding": "cls_token",
    "positional_embedding": "pos_embed",
    "conv1.weight": "patch_embed.proj.weight",
    "ln_pre.weight": "norm_pre.weight",
    "ln_pre.bias": "norm_pre.bias",
    "ln_post.weight": "norm.weight",
    "ln_post.bias": "norm.bias",
    "proj": "head.weight",
}
_BLOCK = {
    "attn.in_proj_weight": "attn.qkv.weight",
    "attn.in_proj_bias": "attn.qkv.bias",
    "attn.out_proj": "attn.proj",
    "ln_1": "norm1",
    "ln_2": "norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


TINY = {"width": 64, "depth": 3, "heads": 4, "features": 32}
B16 = {"width": 768, "depth": 12, "heads": 12, "features": 512, "patch": 16}


class TowerOptions(Config):
    """How large a CLIP image tower is."""

    tower: Literal["vit_l14", "tiny"] = "vit_l14"  # tiny: without published weights, to train or try out on a CPU


class ClipOptions(ProbeOptions, TowerOptions):
    """Of a frozen CLIP tower: its size and where its weights come from."""


class AnyClipOptions(ProbeOptions):
    """Of a CLIP tower that may also be the smaller one of the two that OpenAI published at 224 pixels."""

    tower: Literal["vit_l14", "vit_b16", "tiny"] = "vit_l14"  # detectors were published on vit_l14


class ClipProbe(Probe):
    """A frozen CLIP ViT-L/14 image tower with its projection; the 768 features are not normalised."""

    Options: ClassVar[type[Config]] = ProbeOptions
    tower: ClassVar[dict[str, int]] = {}  # sizes that differ from ViT-L/14's

    def _sizes(self) -> dict[str, int]:
        """What of the tower's sizes differs from ViT-L/14's."""
        return {"tiny": TINY, "vit_b16": B16}.get(self._choice(), self.tower)

    def _choice(self) -> str:
        return getattr(self.options, "tower", "vit_l14")

    def _tower(self) -> nn.Module:
        return clip_tower_for(self.config.input, **self._sizes())

    def backbone_name(self) -> str:
        """timm's name of OpenAI's weights."""
        size = "base_patch16" if self._choice() == "vit_b16" else "large_patch14"
        return f"vit_{size}_clip_224.openai"

    def backbone_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """OpenAI's or timm's names to timm's, without the zero bias that timm adds to CLIP's projection."""
        if any(key.endswith("class_embedding") for key in state):
            return from_openai_clip(state)
        if "head.bias" in state and not state["head.bias"].any():
            return {key: value for key, value in state.items() if key != "head.bias"}
        return state


def clip_tower_for(input: InputConfig, **sizes: int) -> nn.Module:
    """:func:`clip_tower` for the side of ``input``. Raises ``UsageError`` where it has none."""
    if input.side is None:
        raise UsageError("Expected input.crop in pixels for CLIP, got none. Set input.crop, such as 224.")
    return clip_tower(input.side, **sizes)


def clip_tower(
    side: int, *, width: int = 1024, depth: int = 24, heads: int = 16, features: int = FEATURES, patch: int = 14
) -> nn.Module:
    """CLIP's ViT-L/14 image tower for ``side`` x ``side`` pixels, in timm's names: images to embeddings ``(B, 768)``.

    The class token after the last block, ``ln_post``, and a projection without bias; QuickGELU, eps 1e-5 (Radford et
    al., ICML 2021). 303 966 208 parameters.
    """
    tower = runtime.import_timm().create_model(
        CLIP, pretrained=False, img_size=side, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads,
        num_classes=features,
    )  # fmt: skip
    tower.head = nn.Linear(width, features, bias=False)
    nn.init.normal_(tower.head.weight, std=width**-0.5)
    return tower


def from_openai_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The image tower of a CLIP state in OpenAI's names (also open_clip's), in timm's names.

    The tower's keys start with ``visual.``, with anything before it (``model.visual.`` in checkpoints of detectors),
    or with nothing. Everything outside of the tower (text, scale) is left out; unknown keys inside stay as they are.

    Raises:
        SynthscopeError: No image tower in OpenAI's names, or more than one.

    >>> import torch
    >>> state = {"visual.class_embedding": torch.zeros(4), "visual.proj": torch.zeros(4, 2), "scale": torch.ones(())}
    >>> {key: tuple(value.shape) for key, value in from_openai_clip(state).items()}
    {'cls_token': (1, 1, 4), 'head.weight': (2, 4)}
    """
    prefixes = [key.removesuffix("class_embedding") for key in state if key.endswith("class_embedding")]
    if len(prefixes) != 1 or not re.fullmatch(r"((.*\.)?visual\.)?", prefixes[0]):
        raise SynthscopeError(
            f"Expected one CLIP image tower in OpenAI's names (visual.class_embedding …), got {len(prefixes)}. "
            f"Save model.state_dict() of the model that clip.load or open_clip returns."
        )
    tower = {key.removeprefix(prefixes[0]): value for key, value in state.items() if key.startswith(prefixes[0])}
    return {_timm_key(key): _timm_value(key, value) for key, value in tower.items()}


def _timm_key(key: str) -> str:
    block = re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+)", key)
    if block is None:
        return _TOWER.get(key, key)
    name = block[2]
    stem, _, leaf = name.rpartition(".")
    return f"blocks.{block[1]}.{_BLOCK.get(name) or f'{_BLOCK.get(stem, stem)}.{leaf}'}"


def _timm_value(key: str, value: Tensor) -> Tensor:
    if key == "class_embedding":
        return value.view(1, 1, -1)
    if key == "positional_embedding":
        return value[None]
    return value.T.contiguous() if key == "proj" else value
