"""Effort in both of its published programs: keys, logits, and the split of CLIP's own weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from synthscope.detectors.effort import Residual
from synthscope.detectors.hub import create_detector
from synthscope.detectors.published.table import published
from synthscope.explainers.base import create_explainer
from tests.detectors import today
from tests.reference.published import clip, clip_hf
from tests.reference.published.plain import randomize

TINY = {"tower": "tiny"}


@pytest.fixture(scope="module")
def tower() -> clip.Tower:
    tower = clip.Tower(width=64, depth=3, heads=4, patch=14, out=32)
    randomize(tower, 3)
    return tower


def linear(outputs: int) -> nn.Linear:
    head = nn.Linear(64, outputs)
    randomize(head, 5, head=0.3)
    return head


def deepfakebench(tower: clip.Tower, head: nn.Linear) -> dict[str, Tensor]:
    state = clip_hf.with_residuals(clip_hf.vision_state(tower))
    return {f"module.backbone.{k}": v for k, v in state.items()} | {
        f"module.head.{k}": v for k, v in head.state_dict().items()
    }


def benchmark(tower: clip.Tower, fc: nn.Linear) -> dict[str, Any]:
    state = clip_hf.with_residuals(clip_hf.vision_state(tower))
    text = {"text_model.final_layer_norm.bias": torch.ones(3), "text_projection.weight": torch.ones(2, 2)}
    text |= {"visual_projection.weight": torch.ones(2, 2), "logit_scale": torch.ones(())}
    whole = {f"model.vision_model.{k}": v for k, v in state.items()} | {f"model.{k}": v for k, v in text.items()}
    return {"model": whole | {f"fc.{k}": v for k, v in fc.state_dict().items()}, "total_steps": 18_000}


def test_logits_of_deepfakebench(tower: clip.Tower, tmp_path: Path) -> None:
    head = linear(2)
    detector = today.imported(deepfakebench(tower, head), "effort", tmp_path, options=TINY)
    today.same_logits(detector, clip_hf.effort(tower, head), today.image_files(tmp_path))
    images = today.noise(2, 3, 224, 224)
    for name in ("gradcam", "grad_rollout"):
        heat = create_explainer(name)(detector, images)
        assert heat.isfinite().all() and heat.std() > 0


def test_logits_of_the_benchmark(tower: clip.Tower, tmp_path: Path) -> None:
    fc = linear(1)
    detector = today.imported(benchmark(tower, fc), "effort_ufd", tmp_path, options=TINY)
    sizes = [*today.SIZES, (240, 300), (224, 251)]  # tiled below 256, not below the crop
    today.same_logits(detector, clip_hf.effort_ufd(tower, fc), today.image_files(tmp_path, sizes))


def published_keys() -> dict[str, tuple[int, ...]]:
    """The vision part as the specification lists it."""
    wanted: dict[str, tuple[int, ...]] = {
        "embeddings.class_embedding": (1024,),
        "embeddings.patch_embedding.weight": (1024, 3, 14, 14),
        "embeddings.position_embedding.weight": (257, 1024),
    }
    norms = ["pre_layrnorm", "post_layernorm"]
    for r in range(24):
        layer = f"encoder.layers.{r}"
        norms += [f"{layer}.layer_norm1", f"{layer}.layer_norm2"]
        wanted |= {f"{layer}.mlp.fc1.weight": (4096, 1024), f"{layer}.mlp.fc1.bias": (4096,)}
        wanted |= {f"{layer}.mlp.fc2.weight": (1024, 4096), f"{layer}.mlp.fc2.bias": (1024,)}
        for part in "q", "k", "v", "out":
            name = f"{layer}.self_attn.{part}_proj"
            wanted |= {f"{name}.weight_main": (1024, 1024), f"{name}.bias": (1024,), f"{name}.S_residual": (1,)}
            wanted |= {f"{name}.U_residual": (1024, 1), f"{name}.V_residual": (1, 1024)}
    return wanted | {f"{norm}.{leaf}": (1024,) for norm in norms for leaf in ("weight", "bias")}


def test_keys_are_those_of_the_published_files() -> None:
    wanted = {f"backbone.{key}": shape for key, shape in published_keys().items()}
    wanted |= {"head.weight": (2, 1024), "head.bias": (2,)}
    assert len(wanted) == 681 and sum(map(math.prod, wanted.values())) == 303_378_530
    state = {key: torch.empty(shape, device="meta") for key, shape in wanted.items()}
    renamed = published("effort").rename(state)
    assert {key: tuple(value.shape) for key, value in renamed.items()} == today.layout("effort")
    factors = {"S_r": (1023,), "U_r": (1024, 1023), "V_r": (1023, 1024)}  # in files of today's class, never used
    for r in range(24):
        for part in "q", "k", "v", "out":
            name = f"backbone.encoder.layers.{r}.self_attn.{part}_proj"
            state |= {f"{name}.{key}": torch.empty(shape, device="meta") for key, shape in factors.items()}
    assert len(state) == 969 and published("effort").rename(state).keys() == renamed.keys()


def test_other_files_are_refused(tower: clip.Tower, tmp_path: Path) -> None:
    today.refused(deepfakebench(tower, linear(2)), "effort", tmp_path, options=TINY)
    today.refused(benchmark(tower, linear(1))["model"], "effort_ufd", tmp_path, options=TINY)
    mixed = {key.removeprefix("module."): value for key, value in deepfakebench(tower, linear(2)).items()}
    today.refused(mixed, "effort_ufd", tmp_path, options=TINY)


def test_untrained_it_is_clip_whose_smallest_components_are_trained(tower: clip.Tower, tmp_path: Path) -> None:
    torch.save({f"visual.{key}": value for key, value in tower.state_dict().items()}, tmp_path / "clip.pth")
    detector = create_detector("effort", options={**TINY, "weights": str(tmp_path / "clip.pth")}).eval()
    images = today.noise(2, 3, 224, 224)
    with torch.no_grad():
        plain = clip_hf.pooler_output(tower, detector.normalize(images))
        torch.testing.assert_close(detector.features(images), plain, rtol=1e-4, atol=1e-4)  # type: ignore[operator]
    layer = detector.get_submodule("net.model.blocks.1.attn.qkv")
    assert isinstance(layer, Residual) and layer.S.shape == (3, 1)
    query = layer.weight[:64] + layer.U[0] * layer.S[0] @ layer.V[0]
    values = torch.linalg.svdvals(query)
    torch.testing.assert_close(values[-1:], layer.S[0].detach(), rtol=1e-3, atol=1e-4)
    assert torch.linalg.matrix_rank(layer.weight[:64], rtol=1e-5) == 63
    trained = {name for name, each in detector.named_parameters() if each.requires_grad}
    assert {name.rpartition(".")[2] for name in trained} == {"U", "S", "V", "weight", "bias"}
    assert len(trained) == 3 * 6 + 2
