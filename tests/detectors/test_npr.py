"""NPR against torchvision's ResNet and loops; a few steps of the CPU recipes of all detectors of native pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthscope import runtime
from synthscope.config import load_recipe
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.schema import MANIFEST, conform
from synthscope.training.config import TrainConfig
from synthscope.training.fit import train
from synthscope.training.state import build_optimizer

MEAN, STD = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def images(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture(scope="module")
def npr() -> Detector:
    detector = create_detector("npr", seed=1)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of one batch, not those of a new network
    with torch.no_grad():
        detector.train()(images(8, 3, 48, 48))
    return detector.eval()


def published(state: dict[str, Tensor], normalized: Tensor) -> Tensor:
    """The published network from torchvision's parts, and its residual from two nearest-neighbour resizes."""
    runtime.import_torchvision()
    from torchvision.models import resnet50

    with torch.device("meta"):
        net = resnet50()
        net.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        net.fc1 = nn.Linear(512, 1)
    missing, unexpected = net.load_state_dict(state, strict=False, assign=True)
    assert not unexpected and {key.split(".")[0] for key in missing} == {"layer3", "layer4", "fc"}
    net.eval()
    halved = functional.interpolate(normalized, scale_factor=0.5, mode="nearest", recompute_scale_factor=True)
    doubled = functional.interpolate(halved, scale_factor=2, mode="nearest", recompute_scale_factor=True)
    maps = net.maxpool(net.relu(net.bn1(net.conv1((normalized - doubled) * 2.0 / 3.0))))
    return net.fc1(net.avgpool(net.layer2(net.layer1(maps))).flatten(1))[:, 0]


def test_keys_and_sizes_are_the_published_ones(npr: Detector) -> None:
    state = npr.net.state_dict()
    assert len(state) == 146 and sum(parameter.numel() for parameter in npr.parameters()) == 1_437_761
    assert state["conv1.weight"].shape == (64, 3, 3, 3)
    assert state["fc1.weight"].shape == (1, 512) and state["fc1.bias"].shape == (1,)
    assert state["layer2.0.conv2.weight"].shape == (128, 128, 3, 3)
    assert state["layer2.0.downsample.0.weight"].shape == (512, 256, 1, 1)
    assert {key.split(".")[0] for key in state} == {"conv1", "bn1", "layer1", "layer2", "fc1"}
    assert {key.removeprefix("net.") for key in npr.state_dict()} == set(state)


@torch.no_grad()
def test_logits_are_those_of_the_published_network(npr: Detector) -> None:
    pixels = images(2, 3, 64, 48)
    expected = published(npr.net.state_dict(), (pixels / 255 - MEAN) / STD)
    assert expected.std() > 1e-2
    torch.testing.assert_close(npr(pixels), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_any_size_and_the_last_odd_row_and_column_do_not_count(npr: Detector) -> None:
    pixels = images(2, 3, 33, 47)
    assert torch.equal(npr(pixels), npr(pixels[..., :32, :46]))
    assert npr(images(1, 3, 2, 3)).shape == (1,)


@torch.no_grad()
def test_a_batch_is_its_images_and_brightness_does_not_count(npr: Detector) -> None:
    pixels = images(5, 3, 40, 40)
    together = npr(pixels)
    torch.testing.assert_close(torch.cat([npr(pixels[i : i + 1]) for i in range(5)]), together, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(npr(pixels.float() + 7), together, rtol=1e-3, atol=1e-4)


def test_the_gradient_reaches_every_pixel(npr: Detector) -> None:
    pixels = images(2, 3, 32, 32).float().requires_grad_()
    npr(pixels).sum().backward()
    assert pixels.grad is not None and torch.isfinite(pixels.grad).all()
    assert (pixels.grad.abs().sum(1) > 0).float().mean() > 0.9


def test_the_input_is_that_of_the_published_evaluation_or_of_native_size() -> None:
    rgb = images(90, 61, 3).numpy()
    assert create_detector("npr").preprocess(rgb).shape == (3, 256, 256)
    native = create_detector("npr", input={"resize": None}).preprocess(rgb)
    assert torch.equal(native, torch.from_numpy(rgb).permute(2, 0, 1))


@pytest.mark.parametrize("name", ["npr", "freqnet", "ladeda", "tiny_ladeda", "ssp"])
def test_the_published_recipes_keep_native_pixels(name: str) -> None:
    config = load_recipe(TrainConfig, name, package="synthscope.training")
    chosen = create_detector(config.detector.architecture, input=config.detector.input).config.input
    assert (chosen.resize, chosen.crop) == (None, 32 if name == "ssp" else 224)
    if name == "npr":
        assert (config.seed, config.optimizer.lr, config.epochs, config.batch_size) == (70, 2e-4, 1, 32)
        assert chosen.small == "tile"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Twelve noisy real images, and twelve AI-generated ones that were doubled from smaller ones."""
    folder, rng, rows = tmp_path_factory.mktemp("images"), np.random.default_rng(0), []
    for number in range(24):
        ai = number % 2
        pixels = rng.integers(0, 256, (20, 20, 3) if ai else (40, 40, 3), dtype=np.uint8)
        path = folder / f"{number:02}.png"
        assert cv2.imwrite(str(path), cv2.resize(pixels, (40, 40), interpolation=cv2.INTER_LINEAR))
        rows.append({"path": str(path), "label": ai, "generator": "doubled" if ai else "real", "split": "train"})
    return conform(pl.DataFrame(rows), MANIFEST, "test")


@pytest.mark.parametrize("name", ["npr", "freqnet", "ladeda", "tiny_ladeda", "ssp"])
def test_the_cpu_recipe_trains_and_its_loss_falls(name: str, manifest: pl.DataFrame, tmp_path: Path) -> None:
    changes = ["data.holdout=0.25", "batch_size=9", "steps=2", "precision=fp32"]
    changes += ["detector.options.side=32"] if name == "ssp" else ["detector.input.crop=24"]
    config = load_recipe(TrainConfig, f"cpu_{name}", package="synthscope.training", overrides=changes)
    detector = load_detector(train(config, manifest, tmp_path / name)).train()
    assert detector.config.trained_on.n_ai == 9

    optimizer = build_optimizer(config.optimizer, detector)
    pixels = torch.stack([detector.preprocess(cv2.imread(path)) for path in manifest["path"][:8]])
    labels, losses = torch.tensor(manifest["label"][:8].to_list()).float(), []
    for _ in range(3):
        losses.append(config.loss(detector(pixels)[None], labels))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
