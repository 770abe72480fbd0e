"""What of DDA, B-Free and CO-SPY learns, stage by stage, and that their published numbers are those of the papers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from synthscope.config import load_recipe
from synthscope.detectors import bfree, cospy
from synthscope.detectors.cospy import CoSpy
from synthscope.detectors.hub import create_detector, load_detector, save_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers.base import create_explainer
from synthscope.training.config import TrainConfig
from synthscope.training.fit import train
from synthscope.training.objective import Objective, prepare

Photographs = Callable[..., pl.DataFrame]
SHORT = [
    "steps=2", "epochs=null", "batch_size=4", "accumulate=1", "data.holdout=0.25", "data.workers=0",
    "precision=fp32", "schedule={name: constant}",
]  # fmt: skip
SMALL = {
    "cpu_dda": ["detector.input.crop=28"],
    "cpu_bfree": ["detector.input.crop=28"],
    "cpu_cospy": ["detector.input.crop=28"],
}
ALL_BUT_FROZEN = {
    "cpu_dda": r".*",
    "cpu_bfree": r".*",
    "cpu_cospy": r"net\.(artifact\.artifact_encoder\.(?!vae)|artifact\.fc|semantic\.fc|fusion\.fc).*",
}


def load(name: str, *overrides: str) -> TrainConfig:
    return load_recipe(TrainConfig, name, package="synthscope.training", overrides=list(overrides))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bfree, "SIDE", 42)  # pixels, instead of 504
    monkeypatch.setattr(cospy, "ARTIFACT_SIDE", 32)  # instead of 224


def changed(config: TrainConfig, folder: Path) -> set[str]:
    choice = config.detector
    start = create_detector(choice.architecture, options=choice.options, input=choice.input, seed=config.seed)
    before = start.state_dict()
    return {key for key, value in load_detector(folder).state_dict().items() if not torch.equal(value, before[key])}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_recipe_takes_two_steps_on_pairs(name: str, photographs: Photographs, tmp_path: Path) -> None:
    config = load(name, *SHORT, *SMALL[name])
    folder = train(config, photographs(lambda photo: photo + 9, count=6), tmp_path / name)
    assert changed(config, folder) and all(re.fullmatch(ALL_BUT_FROZEN[name], key) for key in changed(config, folder))


def test_of_dda_s_backbone_the_updates_alone_learn(photographs: Photographs, tmp_path: Path) -> None:
    config = load("dda", *SHORT, "detector.options={size: tiny, weights: random}", "detector.input.crop=28")
    folder = train(config, photographs(lambda photo: photo + 9, count=6), tmp_path / "dda")
    found = changed(config, folder)
    assert found >= {"net.fc.weight", "net.model.blocks.1.mlp.fc2.lora.lora_B"}
    assert all(".lora." in key or key.startswith("net.fc.") for key in found)


def test_dda_s_loss_is_half_of_each_twice(photographs: Photographs) -> None:
    config = load("dda", "detector.options={size: tiny, weights: random}", "detector.input.crop=28")
    detector = create_detector("dda", options=config.detector.options, input=config.detector.input)
    prepare(detector, config)
    images = torch.randint(0, 256, (12, 3, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    targets = torch.tensor([0.0, 1, 0, 1])  # two pairs at three sizes
    loss = Objective(detector, config, None)(images, targets).item()
    with torch.no_grad():
        z = torch.nn.functional.normalize(detector.features(images), dim=1).double().tolist()
        logits = detector(images).double().tolist()
    labels = [0, 1] * 6
    entropy = [math.log1p(math.exp(-x if y else x)) for x, y in zip(logits, labels, strict=True)]
    apart = {(i, j): math.dist(z[i], z[j]) for i in range(12) for j in range(i)}
    near = [d for (i, j), d in apart.items() if labels[i] == labels[j]]
    far = [1 - d for (i, j), d in apart.items() if labels[i] != labels[j] and d < 1]
    halves = np.mean(entropy) / 2 + (np.mean(near) + (np.mean(far) if far else 0)) / 2
    assert loss == pytest.approx(2 * halves, rel=1e-4)


def test_numbers_are_the_published_ones() -> None:
    dda = load("dda")
    assert (dda.optimizer.name, dda.optimizer.lr, dda.optimizer.weight_decay, dda.epochs) == ("adamw", 1e-4, 0, 1)
    assert dda.schedule.min_lr == pytest.approx(1e-3 * dda.optimizer.lr)
    assert dda.batch_size == 4 * 2 * (16 // 6) and dda.accumulate == 4  # images of two pairs a micro-batch, 16 // 6
    assert dda.augment.looks == 3 and dda.detector.architecture == "dda"
    artifact, semantic, fusion = load("cospy_artifact"), load("cospy_semantic"), load("cospy")
    for stage, rate, epochs in ((artifact, 1e-4, 20), (semantic, 1e-4, 10), (fusion, 0.1, 1)):
        assert (stage.optimizer.name, stage.optimizer.lr, stage.optimizer.weight_decay) == ("adamw", rate, 0)
        assert stage.epochs == epochs and stage.batch_size == 32
        assert stage.schedule.name == "constant" or stage.schedule.min_lr == pytest.approx(rate / epochs)
    assert semantic.augment.mix_features is not None and semantic.augment.mix_features.alpha == 0.2
    assert fusion.data.split == "val" and fusion.freeze == "backbone"


def test_cospy_learns_in_three_stages(photographs: Photographs, tmp_path: Path) -> None:
    manifest = photographs(lambda photo: photo + 9, count=6)
    tiny = [*SHORT, "detector.options.size=tiny", "detector.options.weights=random", "data.split=train"]
    tiny += ["detector.input={resize: null, crop: 28}", "augment.steps=[{step: random_crop}]"]
    first = train(load("cospy_artifact", *tiny), manifest, tmp_path / "artifact")
    second = train(load("cospy_semantic", *tiny, f"init_from={first}"), manifest, tmp_path / "semantic")
    config = load("cospy", *tiny, f"init_from={second}", "detector.options.weights=null")
    third = train(config, manifest, tmp_path / "both")
    states = [load_detector(folder).state_dict() for folder in (first, second, third)]
    assert not any(key.startswith(("net.semantic", "net.fusion")) for key in states[0])
    for key, value in states[0].items():  # what the first stage learned stays, batch norms' statistics too
        assert torch.equal(value, states[1][key]) and torch.equal(value, states[2][key])
    learned = {key for key in states[1] if not torch.equal(states[1][key], states[2][key])}
    assert learned == {"net.fusion.fc.weight", "net.fusion.fc.bias"}
    made = create_detector("cospy", options={"size": "tiny", "branch": "semantic"}, input={"crop": 28}).state_dict()
    assert not torch.equal(made["net.semantic.fc.weight"], states[1]["net.semantic.fc.weight"])
    assert torch.equal(made["net.semantic.model.norm.weight"], states[1]["net.semantic.model.norm.weight"])
    bias = states[2]["net.fusion.fc.bias"].item()
    assert abs(bias - 2) <= 0.21 and (states[2]["net.fusion.fc.weight"] - 0.5).abs().max() < 0.31  # two steps of 0.1


def test_the_joined_logit_is_of_both_branches(photographs: Photographs, tmp_path: Path) -> None:
    options = {"size": "tiny", "weights": "random"}
    made = {
        name: create_detector("cospy", options=options | {"branch": name}, input={"resize": None, "crop": 28}).eval()
        for name in ("both", "artifact", "semantic")
    }
    both = made["both"]
    assert isinstance(both, CoSpy) and isinstance(made["artifact"], CoSpy)
    save_detector(made["semantic"], tmp_path / "semantic")
    made["semantic"].start_from(made["artifact"], "there")
    both.start_from(made["semantic"], "there")
    images = torch.randint(0, 256, (3, 3, 28, 28), dtype=torch.uint8)
    with torch.no_grad():
        pair = torch.stack([made["semantic"](images), made["artifact"](images)], 1)
        torch.testing.assert_close(both(images), both.net["fusion"]["fc"](pair)[:, 0])
        both.net.get_submodule("fusion.fc").bias.fill_(1.5)
    assert both.too_small_bias().item() == 0.5
    assert not made["semantic"].train().net["artifact"].training and both.train().net["artifact"].training
    layers = {name: create_explainer("gradcam").layer(detector) for name, detector in made.items()}
    assert layers["both"] == f"{layers['semantic']}+net.artifact.artifact_encoder.layer2"
    assert layers["artifact"].startswith("net.artifact.artifact_encoder.layer2")


def test_stages_that_lack_one_another_are_explained(tmp_path: Path) -> None:
    alone = create_detector("cospy", options={"size": "tiny", "branch": "artifact"})
    with pytest.raises(SynthscopeError, match=r"Stable Diffusion's autoencoder, got none.*options\.weights"):
        alone(torch.zeros(1, 3, 32, 32))
    both = create_detector("cospy", options={"size": "tiny", "weights": "random"})
    with pytest.raises(UsageError, match="branch=both and init_from"):
        prepare(both, load("cospy"))
    save_detector(create_detector("cnn_small"), tmp_path / "other")
    with pytest.raises(UsageError, match="a cospy of size tiny in init_from, got cnn_small"):
        prepare(both, load("cospy", f"init_from={tmp_path / 'other'}"))
    with pytest.raises(UsageError, match=r"mix_features, got 'cospy'.*branch=semantic"):
        prepare(both, load("cospy_semantic"))
    with pytest.raises(UsageError, match=r"options\.size=base"):
        create_detector("bfree", options={"size": "tiny", "pretrained": True})
