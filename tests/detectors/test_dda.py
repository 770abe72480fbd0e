"""DDA against a plain transformer with low-rank updates and DINOv2's interpolation of positions."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from synthscope.detectors.dda import interpolated
from synthscope.detectors.hub import create_detector
from synthscope.detectors.published.table import published
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers.base import create_explainer
from tests.detectors import today
from tests.reference.published import vit

TINY = {"size": "tiny"}
UPDATED = "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"


def backbone_shapes(width: int = 1024, depth: int = 24) -> vit.Shapes:
    return vit.tower_shapes(width, depth, 4 * width, 14, 1 + 37 * 37, scale=True) | {"cls_token": (1, 1, width)}


def shapes(width: int = 1024, depth: int = 24) -> vit.Shapes:
    """Under ``base_model.model.``."""
    found: vit.Shapes = {"mask_token": (1, width)}
    for key, shape in backbone_shapes(width, depth).items():
        stem, _, leaf = key.rpartition(".")
        if not stem.endswith(UPDATED):
            found[key] = shape
            continue
        found[f"{stem}.original_layer.{leaf}"] = shape
        if leaf == "weight":
            found |= {f"{stem}.lora.lora_A": (8, shape[1]), f"{stem}.lora.lora_B": (shape[0], 8)}
    return found


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return vit.random_weights(shapes(64, 2))


@pytest.fixture(scope="module")
def file(state: dict[str, Tensor]) -> dict[str, Tensor]:
    head = {"base_model.fc.weight": torch.linspace(-1, 1, 64)[None], "base_model.fc.bias": torch.tensor([0.1])}
    return {f"base_model.model.{key}": value for key, value in state.items()} | head


def test_logits_are_those_of_the_published_program(
    state: dict[str, Tensor], file: dict[str, Tensor], tmp_path: Path
) -> None:
    content = {"model": file, "optimizer": {"state": {}}, "total_steps": 9}
    detector = today.imported(content, "dda", tmp_path, options=TINY)
    fc = {"weight": file["base_model.fc.weight"], "bias": file["base_model.fc.bias"]}
    files = today.image_files(tmp_path, [*today.SIZES, (200, 501)])
    today.same_logits(detector, vit.dda(state, fc, 4), files)
    without = {key: value * ("lora_B" not in key) for key, value in state.items()}
    with torch.no_grad():
        assert abs(vit.dda(without, fc, 4)(files[0]) - vit.dda(state, fc, 4)(files[0])) > 0.01
    images = today.noise(2, 3, 336, 336)
    for explainer in ("gradcam", "chefer"):
        assert create_explainer(explainer)(detector, images).std() > 0


def test_positions_are_interpolated_by_a_scale_not_to_a_size() -> None:
    table = torch.randn(1, 1 + 37 * 37, 4, generator=torch.Generator().manual_seed(0))
    ours = interpolated(table, 24, 24)
    assert ours.shape == (1, 577, 4) and torch.equal(ours[:, 0], table[:, 0])
    grid = table[:, 1:].reshape(1, 37, 37, 4).permute(0, 3, 1, 2)
    to_size = torch.nn.functional.interpolate(grid, size=(24, 24), mode="bicubic").flatten(2).mT
    assert (ours[:, 1:] - to_size).abs().max() > 0.05
    assert interpolated(table, 37, 37) is table and interpolated(table, 3, 5).shape == (1, 16, 4)


def test_keys_are_those_of_the_published_file() -> None:
    wanted = {f"base_model.model.{key}": shape for key, shape in shapes().items()}
    wanted |= {"base_model.fc.weight": (1, 1024), "base_model.fc.bias": (1,)}
    assert len(wanted) == 537 and sum(map(math.prod, wanted.values())) == 307_515_393
    renamed = published("dda").rename({key: torch.empty(shape, device="meta") for key, shape in wanted.items()})
    assert {key: tuple(value.shape) for key, value in renamed.items()} == today.layout("dda")


def test_untrained_it_is_dinov2_and_the_updates_alone_are_trained(tmp_path: Path) -> None:
    plain = vit.random_weights(backbone_shapes(64, 2))
    torch.save({**plain, "mask_token": torch.zeros(1, 64)}, tmp_path / "dino.pth")
    detector = create_detector("dda", options={**TINY, "weights": str(tmp_path / "dino.pth")}).eval()
    images = today.noise(1, 3, 518, 518)
    with torch.no_grad():
        tokens = vit.patches(detector.normalize(images), plain).flatten(2).mT
        tokens = torch.cat([plain["cls_token"], tokens], 1) + plain["pos_embed"]
        features = detector.features(images)  # type: ignore[operator]
        torch.testing.assert_close(features, vit.blocks(tokens, plain, 4)[:, 0], rtol=1e-4, atol=1e-4)
    trained = {name.rpartition(".")[2] for name, each in detector.named_parameters() if each.requires_grad}
    assert trained == {"lora_A", "lora_B", "weight", "bias"}
    assert [n for n, p in detector.named_parameters() if p.requires_grad and "lora" not in n] == [
        "net.fc.weight", "net.fc.bias",
    ]  # fmt: skip


def test_other_files_and_inputs_are_refused(file: dict[str, Tensor], tmp_path: Path) -> None:
    today.refused(file, "dda", tmp_path, options=TINY)
    with pytest.raises(SynthscopeError, match=r"trained weights of the backbone vit_large_patch14_dinov2\.lvd142m"):
        create_detector("dda", options=TINY)(torch.zeros(1, 3, 336, 336))
    for crop in (330, None):
        with pytest.raises(UsageError, match="whole patches of 14 pixels for DINOv2"):
            create_detector("dda", options=TINY, input={"crop": crop})
