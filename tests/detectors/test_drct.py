"""DRCT: published names and sizes, the scores of a two-output network written out, frozen CLIP, trained ConvNeXt."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from synthscope import runtime
from synthscope.detectors import DETECTORS
from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.drct import DrctClip, DrctConvNext
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import IMAGENET_MEAN, IMAGENET_STD, InputConfig
from synthscope.errors import SynthscopeError
from synthscope.training.config import Optimizer
from synthscope.training.state import build_optimizer

SIDE = 42
IMAGES = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, 3, SIDE, SIDE), dtype=np.uint8))
INPUTS = (IMAGES / 255 - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test model of timm in place of ConvNeXt-B, a small tower in place of ViT-L/14."""
    monkeypatch.setattr(DrctConvNext, "model", "test_convnext")
    monkeypatch.setattr(DrctClip, "tower", {"width": 32, "depth": 2, "heads": 4, "features": 12})


def on_meta(name: str) -> dict[str, Tensor]:
    config = DetectorConfig(name=name, architecture=name, input=DETECTORS[name].default_input)
    with torch.device("meta"):
        return DETECTORS[name](config).net.state_dict()


def test_convnext_has_the_published_keys_and_shapes() -> None:
    depths, widths = (3, 3, 27, 3), (128, 256, 512, 1024)
    wanted: dict[str, tuple[int, ...]] = {"stem.0.weight": (128, 3, 4, 4), "stem.0.bias": (128,)}
    wanted |= {"stem.1.weight": (128,), "stem.1.bias": (128,)}
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        if stage:
            norm, conv = (f"stages.{stage}.downsample.{number}" for number in (0, 1))
            wanted |= {f"{norm}.weight": (width // 2,), f"{norm}.bias": (width // 2,)}
            wanted |= {f"{conv}.weight": (width, width // 2, 2, 2), f"{conv}.bias": (width,)}
        for number in range(depth):
            block = f"stages.{stage}.blocks.{number}"
            wanted |= {f"{block}.gamma": (width,), f"{block}.conv_dw.weight": (width, 1, 7, 7)}
            wanted |= {
                f"{block}.conv_dw.bias": (width,),
                f"{block}.norm.weight": (width,),
                f"{block}.norm.bias": (width,),
            }
            wanted |= {f"{block}.mlp.fc1.weight": (4 * width, width), f"{block}.mlp.fc1.bias": (4 * width,)}
            wanted |= {f"{block}.mlp.fc2.weight": (width, 4 * width), f"{block}.mlp.fc2.bias": (width,)}
    wanted |= {"head.norm.weight": (1024,), "head.norm.bias": (1024,)}
    wanted |= {"head.fc.weight": (1024, 1024), "head.fc.bias": (1024,)}
    assert len(wanted) == 344 and sum(map(math.prod, wanted.values())) == 88_616_064
    wanted = {f"model.{key}": shape for key, shape in wanted.items()} | {"fc.weight": (1, 1024), "fc.bias": (1,)}
    assert {key: tuple(value.shape) for key, value in on_meta("drct_convnext").items()} == wanted


def test_clip_is_univfds_tower_with_an_embedding() -> None:
    state, univfd = on_meta("drct_clip"), on_meta("univfd")
    tower = {f"model.{key}" for key in univfd if key.startswith("model.")}
    heads = {"model.fc.weight": (1024, 768), "model.fc.bias": (1024,), "fc.weight": (1, 1024), "fc.bias": (1,)}
    assert state.keys() == tower | heads.keys()
    assert {key: tuple(state[key].shape) for key in heads} == heads
    assert sum(value.numel() for value in state.values()) == 303_966_208 + 787_456 + 1025


@pytest.mark.parametrize("name", ["drct_convnext", "drct_clip"])
def test_the_score_is_one_minus_the_softmax_of_real(name: str, tiny: None) -> None:
    options = {"weights": "random"} if name == "drct_clip" else {}
    detector = create_detector(name, options=options, input={"crop": SIDE}).eval()
    generator = torch.Generator().manual_seed(3)
    weight, bias = torch.randn(2, 1024, generator=generator), torch.randn(2, generator=generator)
    detector.net.get_submodule("fc").load_state_dict({"weight": weight[1:] - weight[:1], "bias": bias[1:] - bias[:1]})
    with torch.no_grad():
        if name == "drct_convnext":
            embedding = detector.net.get_submodule("model")(INPUTS)
        else:
            embedding = detector.net.get_submodule("model.fc")(detector.net.get_submodule("model.model")(INPUTS))
        published = 1 - (embedding @ weight.T + bias).softmax(1)[:, 0]
        logits = detector(IMAGES)
        assert logits.shape == (3,) and embedding.shape == (3, 1024)
        torch.testing.assert_close(logits.sigmoid(), published, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(torch.cat([detector(x[None]) for x in IMAGES]), logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "trained"), [("drct_convnext", None), ("drct_clip", 4)])
def test_convnext_is_trained_whole_and_clip_only_behind_the_tower(name: str, trained: int | None, tiny: None) -> None:
    detector = create_detector(name, options={"weights": "random"} if trained else {}, input={"crop": SIDE}).train()
    groups = build_optimizer(Optimizer(), detector).param_groups
    assert sum(len(group["params"]) for group in groups) == (trained or len(list(detector.parameters())))
    images = IMAGES.float().requires_grad_()
    detector(images).sum().backward()
    assert torch.isfinite(images.grad).all() and images.grad.abs().sum() > 0
    if trained:
        assert all(parameter.grad is None for parameter in detector.net.get_submodule("model.model").parameters())
        assert detector.net.get_submodule("model.fc").weight.grad.abs().sum() > 0


def test_clip_without_weights_gives_no_verdict(tiny: None) -> None:
    with pytest.raises(SynthscopeError, match=r"weights of the backbone vit_large.*got none"):
        create_detector("drct_clip", input={"crop": SIDE})(IMAGES)


@pytest.mark.parametrize("size", [(32, 32), (65, 47)])
def test_convnext_takes_any_size(size: tuple[int, int], tiny: None) -> None:
    assert torch.isfinite(create_detector("drct_convnext").eval()(torch.full((1, 3, *size), 9.0))).all()


def test_imagenet_weights_fill_all_but_the_embedding_and_the_head(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = runtime.import_timm()
    build = timm.create_model

    def fake(name: str, *, pretrained: bool, **arguments: object) -> torch.nn.Module:
        model = build(name, pretrained=False, **arguments)
        if pretrained:
            torch.nn.init.constant_(model.stem[0].weight, 0.25)
        return model

    monkeypatch.setattr(timm, "create_model", fake)
    net = create_detector("drct_convnext", options={"pretrained": True}).net
    assert (net.model.stem[0].weight == 0.25).all()
    assert net.model.head.fc.weight.std() > 0 and net.fc.weight.std() > 0


@pytest.mark.parametrize("name", ["drct_convnext", "drct_clip"])
def test_clip_too_is_normalised_with_imagenets_statistics(name: str) -> None:
    wanted = InputConfig(resize=None, crop=224, corner="floor", small="pad", mean=IMAGENET_MEAN, std=IMAGENET_STD)
    assert DETECTORS[name].input_for(name) == wanted
