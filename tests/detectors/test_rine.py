"""RINE against a plain copy of the published program, on its one crop and on ten."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from synthscope.detectors.hub import create_detector
from synthscope.detectors.published import import_checkpoint, names_that_fit
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers.base import create_explainer
from synthscope.inference.predict import predict
from tests.detectors import today
from tests.reference.published import clip, rine
from tests.reference.published.plain import randomize

TINY = {"tower": "tiny", "layers": 3, "width": 24}


@pytest.fixture(scope="module")
def tower() -> clip.Tower:
    tower = clip.Tower(width=64, depth=3, heads=4, patch=14, out=32)
    randomize(tower, 3)
    return tower


@pytest.fixture(scope="module")
def trained() -> rine.Trained:
    trained = rine.Trained(blocks=3, features=64, n=3, p=24)
    randomize(trained, 5)
    return trained


def test_logits_are_those_of_the_published_program(tower: clip.Tower, trained: rine.Trained, tmp_path: Path) -> None:
    torch.save(tower.state_dict(), tmp_path / "clip.pth")
    arguments = {"backbone": tmp_path / "clip.pth", "options": TINY}
    detector = today.imported(trained.state_dict(), "rine_1class", tmp_path, **arguments)
    files = today.image_files(tmp_path)
    today.same_logits(detector, rine.program(tower, trained), files)
    table = predict(pl.DataFrame({"path": files[:2]}), [detector], out=tmp_path / "run", crops="10")
    with torch.no_grad():
        theirs = [rine.ten_crops(tower, trained)(file) for file in files[:2]]
    assert table["logit"].to_list() == pytest.approx(theirs, abs=1e-4)
    images = today.noise(2, 3, 224, 224)
    norms = "+".join(f"net.model.blocks.{number}.norm1" for number in range(3))
    for name, layer in {"gradcam": norms, "chefer": "net.model.blocks.0-2.attn"}.items():
        explainer = create_explainer(name)
        assert explainer.layer(detector) == layer and explainer(detector, images).std() > 0


@pytest.mark.parametrize(
    ("name", "keys", "elements"),
    [("1class", 23, 10_521_601), ("2class", 23, 283_009), ("4class", 15, 6_323_201), ("ldm", 23, 10_521_601)],
)
def test_keys_are_those_of_the_published_files(name: str, keys: int, elements: int) -> None:
    whole = today.layout(f"rine_{name}")
    wanted = {key: shape for key, shape in whole.items() if not key.startswith("model.")}
    assert len(wanted) == keys and sum(map(math.prod, wanted.values())) == elements
    p = wanted["alpha"][2]
    assert wanted["alpha"] == (1, 24, p) and wanted["proj1.1.weight"] == (p, 1024)
    assert wanted["proj2.4.weight"] == wanted["head.3.weight"] == (p, p) and wanted["head.6.weight"] == (1, p)
    assert ("proj1.10.weight" in wanted) == (keys == 23)


def test_other_files_and_backbones_are_refused(tower: clip.Tower, trained: rine.Trained, tmp_path: Path) -> None:
    state: dict[str, Tensor] = trained.state_dict()
    torch.save(tower.state_dict(), tmp_path / "clip.pth")
    today.refused(state, "rine_1class", tmp_path, backbone=tmp_path / "clip.pth", options=TINY)
    torch.save(state, tmp_path / "head.pth")
    with pytest.raises(UsageError, match="Give --backbone: CLIP ViT-L/14"):
        import_checkpoint(tmp_path / "head.pth", as_="rine_1class", out=tmp_path / "out", options=TINY)
    with pytest.raises(SynthscopeError, match=r"Expected exactly the weights of vit_large.* in .*head\.pth, got"):
        import_checkpoint(
            tmp_path / "head.pth", as_="rine_1class", out=tmp_path / "out", options=TINY, backbone=tmp_path / "head.pth"
        )
    assert names_that_fit({key: torch.zeros(shape) for key, shape in _published("2class").items()}) == ["rine_2class"]


def _published(name: str) -> dict[str, tuple[int, ...]]:
    return {key: shape for key, shape in today.layout(f"rine_{name}").items() if not key.startswith("model.")}


def test_it_gives_no_verdict_without_clip() -> None:
    images = torch.zeros(1, 3, 224, 224, dtype=torch.uint8)
    with pytest.raises(SynthscopeError, match="trained weights of the backbone vit_large_patch14_clip_224.openai"):
        create_detector("rine", options=TINY)(images)
    detector = create_detector("rine", options={**TINY, "weights": "random"})
    trainable = {name for name, each in detector.named_parameters() if each.requires_grad}
    assert trainable and not any(name.startswith("net.model.") for name in trainable)
