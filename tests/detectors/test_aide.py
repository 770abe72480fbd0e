"""AIDE against a plain copy of the published program: patches, filters, trunks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from synthscope import runtime
from synthscope.detectors.aide import (
    RESNET_WEIGHTS,
    TINY,
    TINY_RESNET,
    TRUNK_WEIGHTS,
    Aide,
    frequency_scores,
    ranked_patches,
)
from synthscope.detectors.hub import create_detector
from synthscope.detectors.shapes import shapes_only
from synthscope.detectors.srm_bank import filters
from synthscope.errors import SynthscopeError, UnreadableImageError, UsageError
from synthscope.explainers.base import create_explainer
from tests.detectors import today
from tests.reference.published import aide
from tests.reference.published.plain import randomize, settle

SIZE = {"size": "tiny"}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> aide.Aide:
    network = aide.Aide(list(TINY_RESNET["layers"]), TINY["dims"], TINY["depths"])
    randomize(network, 7, head=0.3)
    file = today.image_files(tmp_path_factory.mktemp("settle"), [(64, 80)])[0]
    with torch.no_grad():
        settle(network, aide.program(network), file)
    return network


def test_logits_are_those_of_the_published_program(network: aide.Aide, tmp_path: Path) -> None:
    content = {"model": network.state_dict(), "optimizer": {}, "epoch": 3, "scaler": {}}
    detector = today.imported(content, "aide", tmp_path, options=SIZE)
    files = today.image_files(tmp_path, [(120, 151), (301, 77), (32, 47)])
    today.same_logits(detector, aide.program(network), files)
    explainer, images = create_explainer("gradcam"), today.noise(2, 3, 96, 64)
    assert explainer.layer(detector).split("+")[1:] == ["net.model_min.layer4", "net.model_max.layer4"]
    assert explainer(detector, images).isfinite().all() and create_explainer("layercam")(detector, images).std() > 0


def test_patches_and_scores_are_those_of_loops() -> None:
    image = np.random.default_rng(0).random((3, 90, 120)).astype(np.float32)
    image[:, :50] = image[:, :50].round(1) * np.linspace(0.2, 1, 120, dtype=np.float32)
    wanted = aide.patches(image)
    found = ranked_patches(torch.from_numpy(image)[None] * 255)[0] / 255
    np.testing.assert_allclose(found, np.array(wanted), atol=1e-6)
    scores = frequency_scores(torch.from_numpy(image)[None])[0]
    assert scores.shape == (4 * 6,)
    assert scores[7].item() == pytest.approx(aide.score(image[:, 16:48, 16:48]), rel=1e-5)
    assert [band.sum() for band in aide.BANDS] == [66, 187, 306, 286, 165, 45]


def test_filters_are_the_published_ones() -> None:
    np.testing.assert_allclose(filters(), aide.bank(), atol=1e-7)


def test_keys_are_those_of_the_published_file() -> None:
    with torch.device("meta"):
        trunk = aide.noise_trunk([3, 4, 6, 3]).state_dict()
        semantic = aide.ConvNext((384, 768, 1536, 3072), (3, 4, 30, 3)).state_dict()
    assert sum(value.numel() for value in semantic.values()) == 843_398_016 and len(semantic) == 378
    wanted: dict[str, tuple[int, ...]] = {"hpf.hpf.weight": (30, 3, 5, 5)}
    for name in ("model_min", "model_max"):
        wanted |= {f"{name}.{key}": tuple(value.shape) for key, value in trunk.items()}
    wanted |= {f"openclip_convnext_xxl.{key}": tuple(value.shape) for key, value in semantic.items()}
    wanted |= {"convnext_proj.0.weight": (256, 3072), "convnext_proj.0.bias": (256,)}
    wanted |= {"fc.fc1.weight": (1024, 2304), "fc.fc1.bias": (1024,), "fc.fc2.weight": (2, 1024), "fc.fc2.bias": (2,)}
    assert today.layout("aide") == wanted and len(wanted) == 1025
    counted = (math.prod(s) for k, s in wanted.items() if not k.endswith(("running_mean", "running_var", "tracked")))
    assert sum(counted) == 897_832_732


def test_other_files_and_filters_are_refused(network: aide.Aide, tmp_path: Path) -> None:
    state = network.state_dict()
    today.refused(state, "aide", tmp_path, options=SIZE)
    with pytest.raises(SynthscopeError, match=r"published constants of aide .* other values for hpf\.hpf\.weight"):
        today.imported(state | {"hpf.hpf.weight": state["hpf.hpf.weight"].flip(0)}, "aide", tmp_path, options=SIZE)


def test_an_image_below_a_patch_is_refused() -> None:
    detector = create_detector("aide", options=SIZE)
    assert isinstance(detector, Aide)
    with pytest.raises(UnreadableImageError, match=r"^Expected 32 x 32 pixels or more.*, got 90 x 31\. Leave"):
        detector.preprocess(np.zeros((31, 90, 3), np.uint8))
    trained = {name.split(".")[1] for name, each in detector.named_parameters() if each.requires_grad}
    assert trained == {"model_min", "model_max", "fc"}


def test_the_published_start_fits_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = runtime.import_timm()
    create, asked = timm.create_model, []

    def offline(name: str, *, pretrained: bool = False, **options: object) -> torch.nn.Module:
        asked.append((name, pretrained))
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with shapes_only():  # 900 million parameters, of which names and shapes are compared
        detector = create_detector("aide", options={"pretrained": True})
    assert [name for name, pretrained in asked if pretrained] == [RESNET_WEIGHTS, TRUNK_WEIGHTS]
    assert detector.net.model_min.conv1.weight.shape == (64, 30, 7, 7)
    with pytest.raises(UsageError, match="Remove options.pretrained"):
        create_detector("aide", options={"size": "tiny", "pretrained": True})
