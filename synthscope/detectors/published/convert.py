"""Published weights to the keys and the single logit of this toolkit's networks."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import nn

from synthscope.detectors.checkpoints import State
from synthscope.detectors.clip import from_openai_clip
from synthscope.detectors.clip_hf import from_hf_clip
from synthscope.detectors.sd_vae import modern_names

CLIP_TEXT = re.compile(
    r"transformer\.resblocks\.\d+\..+|ln_final\.(weight|bias)|token_embedding\.weight|positional_embedding"
    r"|text_projection|logit_scale"
)


def same_names(state: State) -> State:
    """The published names are those of the network here."""
    return state


def swin_to_timm(state: State) -> State:
    """Names of microsoft/Swin-Transformer to timm's.

    Index and mask buffers are constants that timm computes; a stage's downsampling opens the next stage there instead
    of closing its own; the classifier is called ``head.fc``. Files in timm's names stay as they are.
    """
    if "layers.0.downsample.reduction.weight" not in state:
        return state
    renamed = {}
    for key, value in state.items():
        if not key.endswith((".attn.relative_position_index", ".attn_mask")):
            key = re.sub(r"^layers\.(\d+)\.downsample", lambda found: f"layers.{int(found[1]) + 1}.downsample", key)
            renamed[re.sub(r"^head\.", "head.fc.", key)] = value
    return renamed


def universal_fake_detect(state: State) -> State:
    """The released head, two keys without a module's name, or a whole checkpoint with CLIP under ``model.``."""
    if state.keys() == {"weight", "bias"}:
        return {f"fc.{key}": value for key, value in state.items()}
    return _clip_to_timm(state, "model.")


def compiled(state: State) -> State:
    """Names of a network, where all are those of one that torch.compile wraps."""
    if all(key.startswith("_orig_mod.") for key in state):
        return {key.removeprefix("_orig_mod."): value for key, value in state.items()}
    return state


def cospy(state: State) -> State:
    """Today's names of the autoencoder."""
    return modern_names(state)


def dda(state: State) -> State:
    """DINOv2 under ``base_model.model.``, without its mask, which only its own training used; the head as ``fc``."""
    used = (key for key in state if key != "base_model.model.mask_token")
    return {key.removeprefix("base_model."): state[key] for key in used}


def effort(state: State) -> State:
    """DeepfakeBench's names: Hugging Face's tower under ``backbone.``, the head as ``head``."""
    return _hf_to_timm(state, "backbone.", {"head": "fc"})


def effort_ufd(state: State) -> State:
    """The benchmark's names: Hugging Face's whole CLIP under ``model.``, of which text and projections are left out."""
    unused = r"model\.(text_model\..+|(visual|text)_projection\.weight|logit_scale)"
    state = {key: value for key, value in state.items() if not re.fullmatch(unused, key)}
    return _hf_to_timm(state, "model.vision_model.", {})


def c2p_clip(state: State) -> State:
    """Hugging Face's tower, its projection and the head, all under ``model.``."""
    others = {"model.visual_projection": "model.head", "model.fc": "fc"}
    return _hf_to_timm(state, "model.vision_model.", others)


def _hf_to_timm(state: State, prefix: str, others: Mapping[str, str]) -> State:
    """Hugging Face's tower under ``prefix`` to ``model.``, modules in ``others`` to their new names."""
    renamed = {}
    for key, value in state.items():
        if not key.startswith(prefix):
            module, _, leaf = key.rpartition(".")
            renamed[f"{others.get(module, module)}.{leaf}".removeprefix(".")] = value
    return renamed | {f"model.{key}": value for key, value in from_hf_clip(state, prefix).items()}


def drct_clip(state: State) -> State:
    """CLIP under ``model.model.``, the embedding and the head as they are."""
    return _clip_to_timm(state, "model.model.")


def _clip_to_timm(state: State, prefix: str) -> State:
    """OpenAI's CLIP under ``prefix`` to timm's names; its text side, which no image detector uses, is left out."""
    names = {key: key.removeprefix(prefix) for key in state if key.startswith(prefix)}
    tower = {name: state[key] for key, name in names.items() if name.startswith("visual.")}
    others = {key: value for key, value in state.items() if key not in names}
    unknown = {key: state[key] for key, name in names.items() if name not in tower and not CLIP_TEXT.fullmatch(name)}
    if "visual.class_embedding" not in tower:
        return state
    return others | unknown | {prefix + key: value for key, value in from_openai_clip(tower).items()}


def two_outputs(wanted: State, head: str) -> State:
    """The state of a network with one logit as it was before :func:`one_logit`."""
    return {key: torch.cat([value, value]) if key in _of(head) else value for key, value in wanted.items()}


def one_logit(state: State, head: str, ai_index: int) -> State:
    """The head's two outputs as their difference, AI minus real, whose sigmoid is the softmax of the AI output.

    >>> head = {"fc.weight": torch.tensor([[1.0, 2.0], [5.0, 5.0]]), "fc.bias": torch.tensor([0.0, 1.0])}
    >>> {key: value.tolist() for key, value in one_logit(head, "fc", 1).items()}
    {'fc.weight': [[4.0, 3.0]], 'fc.bias': [1.0]}
    """
    other = 1 - ai_index
    return {key: v[[ai_index]] - v[[other]] if key in _of(head) else v for key, v in state.items()}


def negated(state: State, head: str) -> State:
    """The head with the opposite sign, for a network whose positive logit means real."""
    return {key: -value if key in _of(head) else value for key, value in state.items()}


def other_constant(state: State, net: nn.Module) -> str | None:
    """The first key of a constant, such as a filter, whose values are not those that ``net`` was built with.

    A file of another variant of the code can have the same keys and shapes, and would be scored wrongly.
    """
    learned = ("running_mean", "running_var", "num_batches_tracked")
    constants = {key: value for key, value in net.named_buffers() if key in state and not key.endswith(learned)}
    return next((k for k, v in constants.items() if not torch.allclose(state[k].to(v), v, atol=1e-5)), None)


def _of(head: str) -> tuple[str, str]:
    return f"{head}.weight", f"{head}.bias"
