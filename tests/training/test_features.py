"""Features of a frozen tower, kept between epochs: the same detector as without, and each image looked at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor

from synthscope.detectors.hub import create_detector
from synthscope.detectors.rine import Rine
from synthscope.training.config import TrainConfig
from synthscope.training.data import choose
from synthscope.training.distributed import World
from synthscope.training.features import KeptFeatures, has_frozen_features
from synthscope.training.feeds import feeds
from synthscope.training.fit import Run, train

Make = Callable[..., TrainConfig]
TINY = {"tower": "tiny", "weights": "random"}
RINE = {"architecture": "rine", "options": {**TINY, "width": 8}, "input": {"crop": 28}}
CROP: dict[str, Any] = {"steps": [{"step": "random_crop"}]}
CPU = World(torch.device("cpu"))


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of images that went through the tower, a call each."""
    counts: list[int] = []
    plain = Rine.features

    def counted(self: Rine, images: Tensor) -> Tensor:
        counts.append(len(images))
        return plain(self, images)

    monkeypatch.setattr(Rine, "features", counted)
    return counts


def rine(make_config: Make, **changes: Any) -> TrainConfig:
    few = {"detector": RINE, "augment": {}, "epochs": 3, "contrast": {"weight": 0.1}}
    return make_config(**few | changes)


def test_the_detector_is_that_of_the_plain_path(
    manifest: pl.DataFrame, make_config: Make, tmp_path: Path, weights: Any, looked: list[int]
) -> None:
    kept = train(rine(make_config), manifest, tmp_path / "kept")
    assert sum(looked) == 1 + 48  # one to know their size, then every image once in three epochs and the calibration
    looked.clear()
    plain = train(rine(make_config, data={"holdout": 0.25, "cache_megabytes": 0}), manifest, tmp_path / "plain")
    assert sum(looked) == 1 + 3 * 48 + 12
    ours, theirs = weights(kept), weights(plain)
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        torch.testing.assert_close(value, theirs[key], rtol=0, atol=1e-5)
    logs = [[json.loads(line) for line in (folder / "log.jsonl").open()] for folder in (kept, plain)]
    for one, other in zip(*logs, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
        assert one["held_out_loss"] == pytest.approx(other["held_out_loss"], abs=1e-5)


def test_augmented_images_are_looked_at_in_every_epoch(
    manifest: pl.DataFrame, make_config: Make, tmp_path: Path, looked: list[int]
) -> None:
    train(rine(make_config, augment=CROP), manifest, tmp_path / "run")
    assert sum(looked) == 1 + 3 * 36 + 12  # those held out once


def test_unreadable_images_are_left_out_of_every_epoch(
    manifest: pl.DataFrame, make_config: Make, tmp_path: Path, looked: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"none")
    rows = manifest.with_columns(path=pl.when(pl.int_range(pl.len()) == 4).then(pl.lit(str(broken))).otherwise("path"))
    train(rine(make_config), rows, tmp_path / "run")
    assert sum(looked) == 1 + 47
    assert capsys.readouterr().err.count("left out of training") == 1


def test_another_arithmetic_is_computed_anew(manifest: pl.DataFrame, make_config: Make, looked: list[int]) -> None:
    config = rine(make_config, precision="bf16")
    parts = choose(manifest, config.data)
    detector = create_detector(**RINE)
    images = feeds(config, parts, detector, world=CPU).choosing.images
    assert isinstance(images, KeptFeatures)
    cheap = torch.cat([features.float() for _, _, features in images])
    images.under(None)
    rows, labels, exact = (torch.cat(column) for column in zip(*images, strict=True))
    again = torch.cat([features for _, _, features in images])
    assert sum(looked) == 1 + 12 + 12
    assert torch.equal(exact, again) and 0 < (exact - cheap).abs().max() < 0.2
    assert rows.tolist() == list(range(12)) and labels.tolist() == [float(label) for label in parts[1]["label"]]


@pytest.mark.parametrize(
    ("name", "frozen"), [("rine", True), ("c2p_clip", True), ("effort", False), ("cospy_progan", False)]
)
def test_what_learns_in_the_tower_keeps_nothing(name: str, frozen: bool) -> None:
    assert has_frozen_features(create_detector(name, options=TINY, input={"crop": 28})) is frozen
    assert not has_frozen_features(create_detector("cnn_small"))


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_stopped_run_goes_on_from_a_checkpoint_without_the_tower(
    manifest: pl.DataFrame, make_config: Make, tmp_path: Path, weights: Any, monkeypatch: pytest.MonkeyPatch, ema: float
) -> None:
    config = rine(make_config, checkpoint_minutes=1e-9, ema=ema)  # after every step
    whole = train(config, manifest, tmp_path / "whole")
    steps, plain = iter(range(100)), Run._step

    def stopped(self: Run, batches: Any) -> None:
        if next(steps) == 7:  # in the second epoch of five steps each
            raise KeyboardInterrupt
        plain(self, batches)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Run, "_step", stopped)
        train(config, manifest, tmp_path / "run")
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    parts = [saved["detector"], saved["best"][2], *([saved["average"]] if ema else [])]
    for part in parts:
        assert "net.alpha" in part and not any(key.startswith("net.model.") for key in part)
    ours, theirs = weights(train(config, manifest, tmp_path / "run")), weights(whole)
    assert ours.keys() == theirs.keys() and "net.model.cls_token" in ours
    for key, value in ours.items():
        torch.testing.assert_close(value, theirs[key], rtol=0, atol=1e-6)
