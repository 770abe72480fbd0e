"""What of RINE, Effort and C2P-CLIP learns, to the bit: exactly what the papers say; their numbers and weights."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
import torch

from synthscope.config import load_recipe
from synthscope.detectors import clip
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.errors import SynthscopeError
from synthscope.training.config import TrainConfig
from synthscope.training.fit import train

# the papers: all but the tower; a residual of rank 1 in each projection of attention, and the head; the linear layer
LEARNS = {
    "cpu_rine": r"net\.(?!model\.).*",
    "cpu_effort": r"net\.model\.blocks\.\d\.attn\.(qkv|proj)\.[USV]|net\.fc\.(weight|bias)",
    "cpu_c2p_clip": r"net\.fc\.(weight|bias)",
}
TINY = ["detector.options.tower=tiny", "detector.options.weights=random", "detector.input.crop=28"]
SHORT = ["steps=2", "epochs=null", "batch_size=8", "data.holdout=0.25", "precision=fp32", "schedule={name: constant}"]


def load(name: str, *overrides: str) -> TrainConfig:
    return load_recipe(TrainConfig, name, package="synthscope.training", overrides=list(overrides))


@pytest.mark.parametrize("name", LEARNS)
def test_exactly_the_published_part_learns(name: str, manifest: pl.DataFrame, tmp_path: Path) -> None:
    smaller = ["detector.input.resize=28"] if name == "cpu_c2p_clip" else []
    config = load(name, *TINY, *SHORT, *smaller)
    choice = config.detector
    start = create_detector(choice.architecture, options=choice.options, input=choice.input, seed=config.seed)
    before, after = start.state_dict(), load_detector(train(config, manifest, tmp_path / name)).state_dict()
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert changed == {key for key in before if re.fullmatch(LEARNS[name], key)}
    assert changed == {key for key, parameter in start.named_parameters() if parameter.requires_grad}


def test_numbers_are_the_published_ones() -> None:
    rine = load("rine")
    assert rine.contrast is not None and rine.contrast.weight * rine.batch_size == pytest.approx(0.2)  # of four classes
    assert rine.contrast.temperature == 0.07 and rine.detector.options == {"layers": 2, "width": 1024}
    assert (rine.optimizer.name, rine.optimizer.lr, rine.epochs) == ("adam", 1e-3, 1)
    assert rine.schedule.milestones == (5, 10)  # a tenth in epochs 6 and 11
    effort = load("effort")
    assert (effort.optimizer.name, effort.optimizer.lr, effort.optimizer.weight_decay) == ("adamw", 2e-4, 0)
    assert (effort.batch_size, effort.steps, effort.contrast) == (48, 18_000, None)
    assert effort.detector.input["fill"] == 256 and effort.loss.name == "bce"


@pytest.mark.parametrize("name", LEARNS)
def test_the_small_recipes_ask_for_weights(
    name: str, manifest: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in (*clip.TINY.items(), ("patch", 16)):  # the real one has 86 million numbers
        monkeypatch.setitem(clip.B16, key, value)
    sentence = r"Expected trained weights of the backbone vit_base_patch16_clip_224\.openai, got none.*options\.weights"
    with pytest.raises(SynthscopeError, match=sentence):
        train(load(name, "data.holdout=0.25"), manifest, tmp_path / name)
