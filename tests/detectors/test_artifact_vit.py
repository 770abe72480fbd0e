"""The ViT with two heads: its logits, its masks, its backbone's weights, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from synthscope import runtime
from synthscope.detectors.artifact_vit import ArtifactVit, category_masks
from synthscope.detectors.hub import create_detector, load_detector, save_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.training.config import Optimizer
from synthscope.training.state import build_optimizer

TINY = {"patch": 8, "depth": 2, "width": 32}


def build(side: int = 32, seed: int = 0, **options: Any) -> ArtifactVit:
    detector = create_detector(
        "artifact_vit", options=TINY | options, input={"resize": None, "crop": side}, seed=seed
    ).eval()
    assert isinstance(detector, ArtifactVit)
    return detector


def images(side: int = 32, count: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8))


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
@pytest.mark.parametrize("task", ["artifacts", "both"])
@torch.no_grad()
def test_a_logit_an_image_and_eight_a_pixel_whatever_the_batch(form: str, task: str) -> None:
    detector = build(masks=form, task=task)
    logits, maps = detector.logits_and_maps(images())
    assert logits.shape == (3,) and maps is not None and maps.shape == (3, 8, 32, 32)
    assert logits.dtype == maps.dtype == torch.float32 and logits.std() > 0
    torch.testing.assert_close(detector(images()), logits)
    torch.testing.assert_close(detector.artifact_logits(images()[1:2]), maps[1:2], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_an_image_is_as_suspicious_as_its_most_suspicious_place() -> None:
    for form in ("softmax", "sigmoid"):
        detector = build(masks=form, task="artifacts")
        grid: list[torch.Tensor] = []
        assert detector.mask_head is not None
        detector.mask_head.register_forward_hook(lambda _, args, output, grid=grid: grid.append(output))
        logits = detector(images())
        (g,) = (value.double() for value in grid)
        if form == "softmax":
            p = 1 - torch.softmax(g, 1)[:, 0]
            expected = torch.log(p / (1 - p)).flatten(1).amax(1)
        else:
            expected = g.flatten(1).amax(1)
        torch.testing.assert_close(logits.double(), expected, rtol=1e-5, atol=1e-5)


def test_the_masks_of_the_categories_and_the_class_of_a_pixel_agree() -> None:
    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.normal(size=(2, 8, 5, 6)))
    masks = category_masks(maps, "softmax")
    assert torch.equal(masks.any(1), maps.argmax(1) > 0) and (masks.sum(1) <= 1).all()
    seven = torch.from_numpy(rng.normal(-1, 1, size=(2, 7, 5, 6)))
    maps = torch.cat([-seven.amax(1, keepdim=True), seven], 1)
    masks = category_masks(maps, "sigmoid")
    assert torch.equal(masks, seven.sigmoid() > 0.5)
    assert torch.equal(masks.any(1), maps.argmax(1) > 0)  # the background's channel says the same


def test_heads_are_those_of_the_task() -> None:
    assert build(task="authenticity").mask_head is None and build(task="artifacts").head is None
    with pytest.raises(UsageError, match="Expected a detector of artifacts"):
        build(task="authenticity").artifact_logits(images())
    names = {key.partition(".")[0] for key in build(task="both").state_dict()}
    assert names == {"vit", "head", "mask_head"}


def test_a_saved_detector_gives_the_same_masks(tmp_path: Path) -> None:
    detector = build(masks="sigmoid")
    save_detector(detector, tmp_path / "a")
    loaded = load_detector(tmp_path / "a")
    assert isinstance(loaded, ArtifactVit)
    with torch.no_grad():
        assert torch.equal(loaded.artifact_logits(images()), detector.artifact_logits(images()))


def test_weights_fill_the_backbone_and_nothing_else(tmp_path: Path) -> None:
    timm = runtime.import_timm()
    torch.manual_seed(3)
    source = timm.models.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=1, num_classes=10
    )
    save_file(source.state_dict(), tmp_path / "vit.safetensors")
    weights = str(tmp_path / "vit.safetensors")
    filled, plain = build(weights=weights), build()
    wanted = source.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in filled.vit.state_dict().items())
    assert filled.head is not None and plain.head is not None
    assert torch.equal(filled.head.weight, plain.head.weight)
    larger = build(side=48, weights=weights).vit.state_dict()  # another grid: position embeddings are resampled
    assert larger["pos_embed"].shape == (1, 37, 32)
    assert torch.equal(larger["pos_embed"][:, 0], wanted["pos_embed"][:, 0])
    assert torch.equal(larger["blocks.1.mlp.fc1.weight"], wanted["blocks.1.mlp.fc1.weight"])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state = build(depth=1).vit.state_dict()
    save_file(state, tmp_path / "short.safetensors")
    with pytest.raises(
        SynthscopeError,
        match=r"tiny in .*short\.safetensors, got blocks\.1\.attn.* and 11 more missing",
    ):
        build(weights=str(tmp_path / "short.safetensors"))
    save_file({"mask_token": torch.zeros(1)}, tmp_path / "odd.safetensors")
    with pytest.raises(SynthscopeError, match=r"weights of tiny in .*odd\.safetensors"):
        build(weights=str(tmp_path / "odd.safetensors"))
    state = build().vit.state_dict() | {"norm.weight": torch.full((32,), torch.nan)}
    save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(SynthscopeError, match=r"not finite in norm\.weight"):
        build(weights=str(tmp_path / "nan.safetensors"))
    with pytest.raises(UsageError, match="does not exist"):
        build(weights=str(tmp_path / "absent.safetensors"))


@pytest.mark.parametrize(
    ("options", "side", "patch", "prefix"),
    [
        ({"backbone": "vit_small_patch14_dinov2.lvd142m"}, 518, 14, 1),
        ({"backbone": "vit_small_patch14_reg4_dinov2.lvd142m"}, 518, 14, 5),
        ({"backbone": "vit_base_patch16_clip_224.openai"}, 224, 16, 1),
    ],
)
def test_published_backbones_fit(options: dict[str, Any], side: int, patch: int, prefix: int) -> None:
    with torch.device("meta"):
        detector = build(side=side, **options)
    assert (detector.patch, detector.vit.num_prefix_tokens) == (patch, prefix)
    assert detector.vit.patch_embed.grid_size == (side // patch, side // patch)


def test_registers_stand_apart_from_the_patches() -> None:
    detector = build(side=32, backbone="test_vit")
    with torch.no_grad():
        _, maps = detector.logits_and_maps(images())
    assert maps is not None and maps.shape[-2:] == (32, 32)


def test_what_cannot_be_built_is_explained() -> None:
    with pytest.raises(UsageError, match="in whole patches of 8 pixels, got 30"):
        build(side=30)
    with pytest.raises(UsageError, match="a timm ViT that reads its class token"):
        build(backbone="vit_base_patch16_siglip_gap_512", side=64)  # averages its patches
    with pytest.raises(UsageError, match="Did you mean"):
        build(backbone="vit_smal_patch14_dinov2")
    with pytest.raises(UsageError, match="an input of fixed size"):
        create_detector("artifact_vit", input={"crop": None})
    with pytest.raises(UsageError, match="width"):
        build(width=40)


def test_weight_decay_spares_token_and_positions_and_a_frozen_backbone_is_no_parameter() -> None:
    detector = build()
    assert detector.no_decay() == {"vit.cls_token", "vit.pos_embed"}
    detector.vit.requires_grad_(False)
    groups = build_optimizer(Optimizer(), detector).param_groups
    assert sum(len(group["params"]) for group in groups) == 2 + 4
