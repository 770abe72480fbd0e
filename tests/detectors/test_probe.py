"""Probes: frozen backbones whose weights must be named, heads that learn, and gradients that reach the input."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import save_file

from synthscope import runtime
from synthscope.config import load_recipe
from synthscope.detectors.hub import create_detector, load_detector, save_detector, weights_digest
from synthscope.detectors.probe import LinearProbe
from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import MANIFEST, conform
from synthscope.training.config import Optimizer, TrainConfig
from synthscope.training.fit import train
from synthscope.training.state import build_optimizer

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8))


def probe(backbone: str = "test_resnet", *, crop: int = 32, seed: int = 0, **options: str | None) -> LinearProbe:
    given = {"backbone": backbone, "weights": "random"} | options
    detector = create_detector("linear_probe", options=given, input={"crop": crop}, seed=seed)
    assert isinstance(detector, LinearProbe)
    return detector


@pytest.fixture
def backbone() -> torch.nn.Module:
    """A timm model with its classifier, seeded, with running statistics of its own."""
    torch.manual_seed(7)
    model = runtime.import_timm().create_model("test_resnet")
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval()


@pytest.fixture
def weights(backbone: torch.nn.Module, tmp_path: Path) -> Path:
    file = tmp_path / "repository" / "model.safetensors"
    file.parent.mkdir()
    save_file(backbone.state_dict(), file)
    return file


def filled(source: str, backbone: str = "test_resnet", **changes: object) -> LinearProbe:
    options = {"backbone": backbone, "weights": source}
    detector = create_detector("linear_probe", options=options, input={"crop": 32, **changes})
    detector.load_pretrained()
    assert isinstance(detector, LinearProbe)
    return detector.eval()


# test models of timm are normalised to [-1, 1]
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
def test_the_logit_is_linear_in_timms_pooled_features(name: str) -> None:
    detector = probe(name).eval()
    timm = runtime.import_timm()
    reference = timm.create_model(name, num_classes=0, **({"img_size": 32} if name == "test_vit" else {})).eval()
    reference.load_state_dict(detector.backbone.state_dict())
    mean, std = (
        np.array(values).reshape(3, 1, 1) for values in (detector.config.input.mean, detector.config.input.std)
    )
    inputs = torch.from_numpy((IMAGES.numpy() / 255 - mean) / std).float()
    with torch.no_grad():
        features = reference(inputs).double().numpy()
        logits = detector(IMAGES)
    head = detector.net["fc"]
    expected = features @ head.weight.detach().double().numpy()[0] + head.bias.item()
    np.testing.assert_allclose(logits.numpy(), expected, atol=1e-5)
    assert logits.shape == (3,) and logits.dtype == torch.float32


def test_only_the_head_is_trained_and_the_backbone_never_leaves_evaluation() -> None:
    detector = probe()
    groups = build_optimizer(Optimizer(), detector).param_groups
    assert {id(p) for group in groups for p in group["params"]} == {id(p) for p in detector.net["fc"].parameters()}
    detector.train()
    assert detector.training and detector.net["fc"].training
    assert not any(module.training for module in detector.backbone.modules())
    before = {key: value.clone() for key, value in detector.backbone.state_dict().items()}
    detector(IMAGES).sum().backward()
    assert all(torch.equal(value, before[key]) for key, value in detector.backbone.state_dict().items())
    assert all(parameter.grad is None for parameter in detector.backbone.parameters())
    assert detector.net["fc"].weight.grad.abs().sum() > 0


def test_gradients_reach_the_input_and_a_batch_changes_nothing() -> None:
    detector = probe("test_vit").eval()
    images = IMAGES.float().requires_grad_()
    logits = detector(images)
    logits.sum().backward()
    assert torch.isfinite(images.grad).all() and images.grad.abs().sum() > 0
    single = torch.cat([detector(image[None]) for image in IMAGES])
    torch.testing.assert_close(single, logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(32, 32), (47, 65), (96, 33)])
def test_a_convolutional_backbone_takes_any_size(size: tuple[int, int]) -> None:
    assert torch.isfinite(probe(seed=1).eval()(torch.full((1, 3, *size), 77.0))).all()


def test_random_features_are_probed_only_on_purpose() -> None:
    detector = create_detector("linear_probe", options={"backbone": "test_resnet"})
    for attempt in (lambda: detector(IMAGES), detector.load_pretrained):
        with pytest.raises(
            SynthscopeError, match=r"weights of the backbone test_resnet, got none.*timm/test_resnet"
        ) as e:
            attempt()
        assert "options.weights" in str(e.value) and "random" in str(e.value)
    detector.load_state_dict(probe().state_dict())
    assert torch.isfinite(detector(IMAGES)).all()  # filled by hand
    assert torch.isfinite(copy.deepcopy(detector)(IMAGES)).all()


@pytest.mark.parametrize("source", ["{file}", "local-dir:{folder}"])
def test_weights_come_from_a_file_or_a_folder(source: str, weights: Path, backbone: torch.nn.Module) -> None:
    detector = filled(source.format(file=weights, folder=weights.parent), **HALF)
    with torch.no_grad():
        expected = backbone.forward_head(backbone.forward_features(IMAGES / 127.5 - 1), pre_logits=True)
        torch.testing.assert_close(detector.features(IMAGES), expected, rtol=1e-4, atol=1e-5)


def test_weights_come_from_a_plain_torch_file_too(weights: Path, backbone: torch.nn.Module, tmp_path: Path) -> None:
    torch.save({"state_dict": backbone.state_dict()}, tmp_path / "plain.pth")
    with torch.no_grad():
        mine, theirs = filled(str(tmp_path / "plain.pth"), **HALF), filled(str(weights), **HALF)
        assert torch.equal(mine.features(IMAGES), theirs.features(IMAGES))


def test_weights_come_from_the_hub(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[object] = []

    def download(repository: str, name: str, *, revision: str | None) -> str:
        asked.append((repository, name, revision))
        return str(weights)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert filled("hf-hub:timm/test@abc", **HALF).has_features
    assert set(asked) == {("timm/test", "model.safetensors", "abc")}


def test_files_that_do_not_fit_exactly_are_refused(weights: Path, backbone: torch.nn.Module, tmp_path: Path) -> None:
    state = backbone.state_dict()
    key = next(iter(state))
    broken = {
        "missing": {name: value for name, value in state.items() if name != key},
        "unexpected": state | {"foreign.weight": torch.zeros(1)},
        "shape": state | {key: torch.zeros(1)},
        "not finite": state | {key: torch.full_like(state[key], float("nan"))},
    }
    for problem, content in broken.items():
        save_file(content, tmp_path / "broken.safetensors")
        with pytest.raises(SynthscopeError, match=f"exactly the weights of test_resnet in .*{problem}"):
            filled(str(tmp_path / "broken.safetensors"), **HALF)
    with pytest.raises(UsageError, match="does not exist"):
        filled(str(tmp_path / "absent.safetensors"), **HALF)


def test_counters_of_batches_may_be_absent(backbone: torch.nn.Module, tmp_path: Path) -> None:
    state = {k: v for k, v in backbone.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert len(state) < len(backbone.state_dict())
    save_file(state, tmp_path / "old.safetensors")
    loaded = filled(str(tmp_path / "old.safetensors"), **HALF).backbone.state_dict()
    assert {key for key in state if key not in loaded} == {"fc.weight", "fc.bias"}
    assert all(torch.equal(value, state.get(key, torch.tensor(0))) for key, value in loaded.items())


def test_foreign_normalisation_and_models_are_named(weights: Path) -> None:
    with pytest.raises(UsageError, match=r"input\.mean \[0\.5, 0\.5, 0\.5\].*got \[0\.485"):
        filled(str(weights))
    with pytest.raises(UsageError, match="Expected a timm model, got 'test_resnt'"):
        probe("test_resnt")
    with pytest.raises(UsageError, match=r"Expected input\.crop in pixels for test_vit"):
        create_detector("linear_probe", options={"backbone": "test_vit"}, input={"crop": None})
    with pytest.raises(UsageError, match="Did you mean backbone"):
        create_detector("linear_probe", options={"backbon": "test_vit"})


def test_a_saved_probe_is_complete_without_the_backbones_file(weights: Path, tmp_path: Path) -> None:
    detector = filled(str(weights), **HALF)
    save_detector(detector, tmp_path / "saved")
    shutil.rmtree(weights.parent)
    loaded = load_detector(tmp_path / "saved")
    assert torch.equal(loaded(IMAGES), detector(IMAGES))
    assert weights_digest(loaded) == weights_digest(detector)
    assert not any(parameter.requires_grad for parameter in loaded.backbone.parameters())


def test_the_seed_decides_random_features() -> None:
    assert weights_digest(probe(seed=1)) == weights_digest(probe(seed=1)) != weights_digest(probe(seed=2))


def test_the_cpu_recipe_learns_and_leaves_the_backbone_alone(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(0), []
    board = (np.indices((40, 40)).sum(0) % 2 * 60)[..., None]
    for number in range(32):
        smooth = cv2.GaussianBlur(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8), (0, 0), 4)
        pixels = np.clip(smooth + board * (number % 2), 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
        rows.append({"path": str(tmp_path / f"{number}.png"), "label": number % 2, "split": "train"})
    small = ["detector.options.backbone=test_resnet", "detector.input.crop=32", "data.holdout=0.25", "precision=fp32"]
    small += ["steps=24", "batch_size=12"]
    config = load_recipe(TrainConfig, "cpu_linear_probe", package="synthscope.training", overrides=small)
    folder = train(config, conform(pl.DataFrame(rows), MANIFEST, "test"), tmp_path / "out")
    losses = [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.8 * losses[0]
    fresh = create_detector(config.detector.architecture, options=config.detector.options, seed=config.seed)
    trained = load_detector(folder)
    for key, value in fresh.backbone.state_dict().items():
        assert torch.equal(trained.backbone.state_dict()[key], value), key


def test_weights_under_the_names_of_efficientnet_pytorch_are_told_by_their_order(tmp_path: Path) -> None:
    """Its files list the same tensors in the same order, the classifier last."""
    torch.manual_seed(3)
    state = runtime.import_timm().create_model("test_efficientnet").state_dict()
    foreign = {"_conv_stem.weight" if i == 0 else f"_blocks.{i}": value for i, value in enumerate(state.values())}
    foreign = dict(list(foreign.items())[:-2]) | {"_fc.weight": torch.zeros(9, 4), "_fc.bias": torch.zeros(9)}
    torch.save(foreign, tmp_path / "lite.pth")  # safetensors would sort them
    detector = filled(str(tmp_path / "lite.pth"), "test_efficientnet")
    for key, value in detector.backbone.state_dict().items():
        assert torch.equal(value, state[key]), key
    torch.save(dict(list(foreign.items())[1:]) | {"_conv_stem.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(SynthscopeError, match="Expected exactly the weights of test_efficientnet"):
        filled(str(tmp_path / "other.pth"), "test_efficientnet")


def test_a_timm_model_starts_from_a_file_with_a_head_of_its_own(weights: Path, backbone: torch.nn.Module) -> None:
    options = {"pretrained": str(weights)}
    fresh, started = (create_detector("timm:test_resnet", options=o, input={"crop": 32}) for o in ({}, options))
    for key, value in backbone.state_dict().items():
        same = fresh if key.startswith("fc.") else None
        wanted = value if same is None else same.net.state_dict()[key]
        assert torch.equal(started.net.state_dict()[key], wanted), key
    with pytest.raises(SynthscopeError, match="Expected exactly the weights of test_vit"):
        create_detector("timm:test_vit", options=options)
