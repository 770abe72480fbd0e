"""C2P-CLIP against a plain copy of the released script."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from synthscope.detectors.published.table import published
from synthscope.explainers.base import create_explainer
from tests.detectors import today
from tests.detectors.test_effort import published_keys
from tests.reference.published import clip, clip_hf
from tests.reference.published.plain import randomize

TINY = {"tower": "tiny"}


@pytest.fixture(scope="module")
def tower() -> clip.Tower:
    tower = clip.Tower(width=64, depth=3, heads=4, patch=14, out=32)
    randomize(tower, 4)
    return tower


@pytest.fixture(scope="module")
def fc() -> nn.Linear:
    fc = nn.Linear(32, 1)
    randomize(fc, 5, head=3)
    return fc


@pytest.fixture(scope="module")
def state(tower: clip.Tower, fc: nn.Linear) -> dict[str, Tensor]:
    state = {f"model.vision_model.{key}": value for key, value in clip_hf.vision_state(tower).items()}
    state |= {f"model.fc.{key}": value for key, value in fc.state_dict().items()}
    return state | {"model.visual_projection.weight": tower.proj.detach().T.contiguous()}


def test_logits_are_those_of_the_released_script(
    tower: clip.Tower, fc: nn.Linear, state: dict[str, Tensor], tmp_path: Path
) -> None:
    old = state | {"model.vision_model.embeddings.position_ids": torch.arange(257)[None]}  # of old transformers
    detector = today.imported(old, "c2p_clip", tmp_path, options=TINY)
    today.same_logits(detector, clip_hf.c2p_clip(tower, fc), today.image_files(tmp_path))
    images = today.noise(2, 3, 224, 224)
    with torch.no_grad():
        lengths = detector.features(images).norm(dim=1)  # type: ignore[operator]
    torch.testing.assert_close(lengths, torch.ones(2))
    assert create_explainer("gradcam")(detector, images).std() > 0


def test_keys_are_those_of_the_published_file() -> None:
    plain = {key.replace("weight_main", "weight"): shape for key, shape in published_keys().items()}
    wanted = {f"model.vision_model.{key}": shape for key, shape in plain.items() if not key.endswith("_residual")}
    wanted |= {"model.visual_projection.weight": (768, 1024), "model.fc.weight": (1, 768), "model.fc.bias": (1,)}
    assert len(wanted) == 394 and sum(map(math.prod, wanted.values())) == 303_966_977
    renamed = published("c2p_clip").rename({key: torch.empty(shape, device="meta") for key, shape in wanted.items()})
    assert {key: tuple(value.shape) for key, value in renamed.items()} == today.layout("c2p_clip")


def test_other_files_are_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    today.refused(state, "c2p_clip", tmp_path, options=TINY)
    today.refused(state, "effort", tmp_path, options=TINY)
