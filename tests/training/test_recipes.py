"""Every shipped recipe: its detector, one step of it on a small network of the same family, what its paper says."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import torch

from synthscope.config import load_recipe, recipe_names
from synthscope.detectors import aide
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.detectors.shapes import shapes_only
from synthscope.errors import UsageError
from synthscope.training.config import TrainConfig
from synthscope.training.fit import train
from synthscope.training.state import build_optimizer

PACKAGE = "synthscope.training"
SMALL = [
    "detector.input={crop: 32, resize: 36}",
    "data.holdout=0.25",
    "data.workers=0",
    "steps=1",
    "epochs=null",
    "batch_size=4",
    "accumulate=1",
    "precision=fp32",
    "contrast=null",
    "augment.mix_features=null",
    "freeze=none",
    "data.split=train",
]


def load(name: str, *overrides: str) -> TrainConfig:
    return load_recipe(TrainConfig, name, package=PACKAGE, overrides=list(overrides))


PLAIN = [name for name in recipe_names(PACKAGE) if load(name).detector.architecture != "artifact_vit"]  # needs regions
FAMILY = {"resnet50": "timm:test_resnet", "cnnspot": "timm:test_resnet", "cnn_small": "cnn_small"}


WHOLE = ["detector.architecture=timm:test_convnext", "detector.input={resize: null, crop: null}"]


@pytest.mark.parametrize("name", recipe_names(PACKAGE))
def test_a_recipe_builds_its_detector(name: str) -> None:
    choice = load(name).detector
    offline = {"pretrained": False, "weights": None}
    options = {key: offline.get(key, value) for key, value in choice.options.items()}
    with shapes_only():
        detector = create_detector(choice.architecture, options=options, input=choice.input)
    parameters = build_optimizer(load(name).optimizer, detector).param_groups
    trained = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    assert trained and sum(len(group["params"]) for group in parameters) == len(trained)
    assert all(parameter.ndim == 1 for parameter in parameters[1]["params"]) or detector.no_decay()
    assert parameters[1]["weight_decay"] == 0


@pytest.mark.parametrize("name", PLAIN)
def test_a_recipe_takes_a_step(name: str, manifest: pl.DataFrame, tmp_path: Path) -> None:
    small = FAMILY.get(load(name).detector.architecture, "timm:test_vit")
    any_size = {"aide": [*WHOLE, "accumulate=4"], "bfree": [*WHOLE, "accumulate=2"]}.get(name, [])
    config = load(name, *SMALL, f"detector.architecture={small}", "detector.options={}", *any_size)
    images = manifest.gather_every(3)
    if config.data.pairs:
        images = manifest.head(16).with_columns(group=pl.Series(number // 2 for number in range(16)).cast(pl.String))
    folder = train(config, images, tmp_path / name)
    (line,) = [json.loads(text) for text in (folder / "log.jsonl").read_text().splitlines()]
    assert 0 < line["loss"] < 20
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "README.md",
        "log.jsonl",
        "training.json",
    }


@pytest.mark.parametrize("name", ["cpu_safe", "cpu_aide", "cpu_commfor"])
def test_a_recent_detector_takes_a_step(
    name: str, manifest: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(aide.TINY_RESNET, "base_width", 8)
    changes = "detector.input={resize: null, crop: 32}", "schedule={name: constant}", "batch_size=2", "data.holdout=0.5"
    config = load(name, *SMALL[1:], *changes)
    folder = train(config, manifest.head(8), tmp_path / name)
    options, input = config.detector.options, config.detector.input
    before = create_detector(config.detector.architecture, options=options, input=input).state_dict()
    assert any(not torch.equal(value, before[key]) for key, value in load_detector(folder).state_dict().items())


def test_a_recipe_carries_its_name_and_its_sources() -> None:
    for name in recipe_names(PACKAGE):
        text = (Path(__file__).parents[2] / "synthscope/training/recipes" / f"{name}.yaml").read_text()
        assert load(name).name == name
        assert text.startswith("# ")
    assert {"genimage_resnet50", "genimage_deit_s", "genimage_swin_t", "cnnspot", "cpu_small"} <= set(
        recipe_names(PACKAGE)
    )


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("optimiser.lr=1", "Did you mean optimizer"),
        ("optimizer.lr=-1", "'optimizer.lr'"),
        ("augment.views=1", "loss jsd needs augment.views of 2 or more"),
        ("steps=5", "exactly one of epochs and steps"),
        ("augment.mix={}", "cannot be combined with loss jsd"),
        ("augment.steps=[{step: hflap}]", "hflip"),
        ("loss.name=bce", "other losses exactly 1"),
    ],
)
def test_mistakes_in_overrides_are_named(override: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load("genimage_resnet50", override)
