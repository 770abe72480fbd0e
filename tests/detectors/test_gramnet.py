"""GramNet against torchvision's ResNet-18 and Gram matrices summed pixel by pixel."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from synthscope import runtime
from synthscope.config import load_recipe
from synthscope.detectors.gramnet import gram
from synthscope.detectors.hub import create_detector, load_detector, save_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform
from synthscope.training.config import TrainConfig
from synthscope.training.fit import train

NAMES = {  # branch -> published names of its texture convolution and its two convolutions of the Gram matrix
    "image": ("conv_interi_0", "gi_fc1", "gi_fc2"),
    "stem": ("conv_inter0_0", "g0_fc1", "g0_fc2"),
    "pooled": ("conv_inter1_0", "g_fc1r", "g_fc2r"),
    "layer1": ("conv_inter2_0", "g2_fc1", "g2_fc2"),
    "layer2": ("conv_inter3_0", "g3_fc1", "g3_fc2"),
    "layer3": ("conv_inter4_0", "g4_fc1", "g4_fc2"),
}
CHANNELS = {"image": 3, "stem": 64, "pooled": 64, "layer1": 64, "layer2": 128, "layer3": 256}
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def shake(detector: torch.nn.Module) -> None:
    """Give the running statistics and the shared factor values that a mistake would show."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in detector.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(module.num_features, generator=generator) * 0.1)
                module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
                module.weight.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
        detector.net.scale.scale.fill_(1.7)  # type: ignore[union-attr]


def test_keys_shapes_and_counts_are_those_of_the_published_file() -> None:
    detector = create_detector("gramnet")
    shapes = {key: tuple(value.shape) for key, value in detector.net.state_dict().items()}
    trunk = runtime.import_torchvision().models.resnet18().state_dict()
    expected = {key: tuple(value.shape) for key, value in trunk.items() if not key.startswith("fc.")}
    for branch, names in NAMES.items():
        convolutions = ((32, CHANNELS[branch], 3, 3), (16, 1, 3, 3), (32, 16, 3, 3))
        for name, weight in zip(names, convolutions, strict=True):
            expected[f"{name}.0.weight"] = weight
            expected |= {f"{name}.1.{key}": () if key == "num_batches_tracked" else weight[:1] for key in NORM}
    expected |= {"scale.scale": (1,), "fcnewr.0.weight": (512, 704), "fcnewr.0.bias": (512,)}
    expected |= {"fcnewr.3.weight": (1, 512), "fcnewr.3.bias": (1,)}
    assert shapes == expected and len(shapes) == 233
    assert sum(p.numel() for p in detector.parameters()) == 11_734_723 - 513  # one output less


@pytest.mark.parametrize("size", [(64, 64), (33, 57)])
def test_logits_are_those_of_the_specification_step_by_step(size: tuple[int, int]) -> None:
    detector = create_detector("gramnet").eval()
    shake(detector)
    state = detector.net.state_dict()
    trunk = runtime.import_torchvision().models.resnet18().eval()
    trunk.load_state_dict({key: value for key, value in state.items() if key in trunk.state_dict()}, strict=False)

    def block(maps: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        maps = functional.conv2d(maps, state[f"{name}.0.weight"], stride=stride, padding=1)
        mean, var, weight, bias = (
            state[f"{name}.1.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return ((maps - mean) / torch.sqrt(var + 1e-5) * weight + bias).clamp(min=0)

    images = noise(2, 3, *size)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    levels = {"image": torch.from_numpy((images.numpy() / 255 - mean[:, None, None]) / std[:, None, None]).float()}
    with torch.no_grad():
        levels["stem"] = trunk.relu(trunk.bn1(trunk.conv1(levels["image"])))
        levels["pooled"] = trunk.maxpool(levels["stem"])
        for name, below in (("layer1", "pooled"), ("layer2", "layer1"), ("layer3", "layer2")):
            levels[name] = getattr(trunk, name)(levels[below])
        parts = [trunk.avgpool(trunk.layer4(levels["layer3"])).flatten(1)]
        for branch, (texture, first, second) in NAMES.items():
            maps = block(levels[branch], texture, 1).double().numpy()
            matrix = np.zeros((2, 32, 32))
            for b, i, j in np.ndindex(2, 32, 32):
                matrix[b, i, j] = (maps[b, i] * maps[b, j]).sum() / maps[b].size
            texture_maps = block(block(torch.from_numpy(matrix).float()[:, None], first, 2), second, 2)
            assert texture_maps.shape == (2, 32, 8, 8)
            parts.append(1.7 * texture_maps.mean((2, 3)))
        features = torch.cat(parts, 1)
        hidden = (features @ state["fcnewr.0.weight"].T + state["fcnewr.0.bias"]).clamp(min=0)
        expected = (hidden @ state["fcnewr.3.weight"].T + state["fcnewr.3.bias"])[:, 0]
        logits = detector(images)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert logits.std() > 0


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8), st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_gram_matrices_are_symmetric_and_ignore_where_things_are(channels: int, h: int, w: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = torch.from_numpy(rng.normal(size=(2, channels, h, w))).float()
    matrix = gram(maps)
    torch.testing.assert_close(matrix, matrix.mT)
    moved = maps.flatten(2)[..., torch.from_numpy(rng.permutation(h * w))].view_as(maps)
    torch.testing.assert_close(gram(moved), matrix, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(gram(maps.repeat(1, 1, 2, 3)), matrix, rtol=1e-4, atol=1e-6)  # size is divided out
    torch.testing.assert_close(matrix.diagonal(dim1=1, dim2=2).sum(1), maps.square().mean((1, 2, 3)))


def test_gram_matrices_of_large_values_survive_half_precision() -> None:
    maps = torch.full((1, 2, 64, 64), 40.0)
    with torch.autocast("cpu", torch.float16):
        matrix = gram(maps.half())
    assert matrix.dtype == torch.float32 and torch.equal(matrix, torch.full((1, 2, 2), 800.0))  # 6.5e6 before division


def test_raw_bgr_pixels_are_an_option() -> None:
    images = noise(2, 3, 32, 32)
    raw = create_detector("gramnet", options={"pixels": "bgr255"}).eval()
    assert raw.config.input.mean == create_detector("gramnet").config.input.mean
    with torch.no_grad():
        torch.testing.assert_close(raw(images), raw.net(images.flip(1).float())[:, 0])
        own = create_detector("gramnet").eval()
        own.load_state_dict(raw.state_dict())
        torch.testing.assert_close(own(images), own.net(own.normalize(images))[:, 0])
        assert (own(images) - raw(images)).abs().max() > 1e-3


def test_the_input_is_opencvs_square_of_512() -> None:
    rgb = noise(300, 410, 3).numpy()
    ours = create_detector("gramnet").preprocess(rgb).permute(1, 2, 0).numpy()
    assert np.array_equal(ours, cv2.resize(rgb, (512, 512)))


def test_images_of_any_size_give_one_logit_each_whatever_the_batch_and_a_gradient() -> None:
    first, second = create_detector("gramnet", seed=3).eval(), create_detector("gramnet", seed=3).eval()
    for size in [(32, 32), (50, 71)]:
        images = noise(3, 3, *size).float().requires_grad_()
        logits = first(images)
        assert logits.shape == (3,) and logits.std() > 0
        torch.testing.assert_close(second(images), logits)
        torch.testing.assert_close(first(images[1:2]), logits[1:2], rtol=0, atol=1e-5)
        logits.sum().backward()
        assert images.grad is not None and torch.isfinite(images.grad).all() and images.grad.abs().sum() > 0
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in first.parameters())  # nothing is left out


def test_a_saved_detector_is_the_same_detector(tmp_path: Path) -> None:
    detector = create_detector("gramnet", options={"pixels": "bgr255"}, input={"resize": 48}).eval()
    shake(detector)
    save_detector(detector, tmp_path / "gramnet")
    images = noise(2, 3, 48, 48)
    with torch.no_grad():
        assert torch.equal(load_detector(tmp_path / "gramnet")(images), detector(images))


@pytest.mark.parametrize(("name", "model"), [("gramnet", "resnet18.tv_in1k"), ("spec", "resnet34.tv_in1k")])
def test_pretrained_weights_are_torchvisions_and_errors_say_what_to_do(
    name: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    timm = runtime.import_timm()
    build, asked = timm.create_model, []

    def fake(name: str, *, pretrained: bool, **arguments: object) -> torch.nn.Module:
        if not pretrained:
            return build(name, pretrained=False, **arguments)
        asked.append(name)
        net = build(name, pretrained=False, **arguments)
        with torch.no_grad():
            net.layer4[1].conv2.weight.fill_(0.5)
        return net

    monkeypatch.setattr(timm, "create_model", fake)
    assert (create_detector(name, options={"pretrained": True}).net.layer4[1].conv2.weight == 0.5).all()
    assert asked == [model] and timm.is_model_pretrained(model)

    def offline(name: str, *, pretrained: bool, **arguments: object) -> torch.nn.Module:
        if pretrained:
            raise OSError("no route to host")
        return build(name, pretrained=False, **arguments)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(SynthscopeError, match=r"no route to host.*options\.pretrained=false"):
        create_detector(name, options={"pretrained": True})


@pytest.mark.parametrize("name", ["gramnet", "spec"])
def test_an_option_without_effect_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="'residual'"):
        create_detector(name, options={"residual": True})


def test_the_recipes_train(tmp_path: Path) -> None:
    board, rows = np.indices((48, 48)).sum(0)[..., None] % 2 * 60, []
    for number in range(32):
        ai, path = number % 2, tmp_path / f"{number:02}.png"
        smooth = cv2.GaussianBlur(noise(48, 48, 3, seed=number).numpy(), (0, 0), 4)
        assert cv2.imwrite(str(path), np.clip(smooth + board * ai, 0, 255).astype(np.uint8))
        rows.append({"path": str(path), "label": ai, "split": "train"})
    manifest = conform(pl.DataFrame(rows), MANIFEST, "test")
    small = ["data.holdout=0.25", "data.workers=0", "precision=fp32", "detector.options={}"]
    published = ["detector.input.resize=40", "epochs=1", "batch_size=12"]
    fast = ["detector.input.crop=32", "steps=8", "batch_size=8"]
    for name, changes in (("gramnet", published), ("cpu_gramnet", fast)):
        config = load_recipe(TrainConfig, name, package="synthscope.training", overrides=[*small, *changes])
        folder = train(config, manifest, tmp_path / name)
        losses = [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] / 2
