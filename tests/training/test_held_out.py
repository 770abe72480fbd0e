"""What held-out images decide: one half the epoch, the other the calibration and with it the verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest

from synthscope.detectors.hub import load_detector
from synthscope.inference.predict import predict
from synthscope.metrics.calibration import fit_temperature, probabilities
from synthscope.schema import MANIFEST, conform
from synthscope.training import fit
from synthscope.training.config import Data, TrainConfig
from synthscope.training.data import choose, divide
from synthscope.training.fit import train

Make = Callable[..., TrainConfig]
HALF = {"data": {"holdout": 0.5}, "batch_size": 50, "schedule": {"name": "constant"}}


def noisy(folder: Path, *, n_real: int, n_ai: int, apart: float, seed: int = 0) -> pl.DataFrame:
    """White noise of 32 pixels whose strength is normal, AI images ``apart`` standard deviations above real ones."""
    rng, rows = np.random.default_rng(seed), []
    folder.mkdir()
    for number in range(n_real + n_ai):
        ai = number >= n_real
        pixels = rng.normal(128, max(12 + 3 * rng.normal(apart * ai), 1), (32, 32, 3))
        path = folder / f"{number:03}.png"
        assert cv2.imwrite(str(path), np.clip(pixels, 0, 255).astype(np.uint8))
        rows.append({"path": str(path), "label": int(ai), "subset": "noise" if ai else None, "split": "train"})
    return conform(pl.DataFrame(rows, infer_schema_length=None), MANIFEST, "test")


def table(n_real: int, n_ai: int, groups: int | None = None) -> pl.DataFrame:
    labels = [0] * n_real + [1] * n_ai
    rows = {"path": [f"/a/{i}.png" for i in range(len(labels))], "label": labels, "subset": ["a"] * len(labels)}
    return pl.DataFrame(rows).with_columns(group=pl.format("g{}", pl.int_range(pl.len()) % groups) if groups else None)


def test_held_out_images_are_halved_by_group_and_class_or_not_at_all() -> None:
    images = table(100, 60)
    choosing, calibrating = divide(images, seed=0)
    assert pl.concat([choosing, calibrating]).sort("path").equals(images.sort("path"))
    for part in (choosing, calibrating):
        assert 48 <= part.filter(label=0).height <= 52 and 28 <= part.filter(label=1).height <= 32
    grouped = table(300, 300, groups=120)
    halves = divide(grouped, seed=0)
    assert not set(halves[0]["group"]) & set(halves[1]["group"])
    for few in (table(100, 38), table(300, 300, groups=30)):  # 30 groups of both classes: 15 a half
        assert all(part is few for part in divide(few, seed=0))


def test_one_half_chooses_the_epoch_and_the_other_calibrates(
    make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = noisy(tmp_path / "images", n_real=100, n_ai=90, apart=2)
    rng, seen = np.random.default_rng(0), []

    def noise(detector: object, loader: Any, *, count: int, **_: object) -> np.ndarray:
        seen.append((loader.images.rows, rng.normal(size=count) * 3 + 5))
        return seen[-1][1]

    monkeypatch.setattr(fit, "held_out_logits", noise)
    config = load_detector(train(make_config(epochs=5, **HALF), images, tmp_path / "d")).config
    chosen_by, calibrated_on = {tuple(rows.paths) for rows, _ in seen[:-1]}, seen[-1][0]
    assert len(seen) == 6 and len(chosen_by) == 1
    assert not set(*chosen_by) & set(calibrated_on.paths)
    assert {*chosen_by.pop(), *calibrated_on.paths} == set(choose(images, Data(holdout=0.5))[1]["path"])
    labels, found = np.array(calibrated_on.labels), config.calibration
    assert (found.temperature, found.bias) == fit_temperature(labels, seen[-1][1], prior=0.5)
    assert (found.n_real, found.n_ai) == ((labels == 0).sum(), labels.sum())
    assert (found.prior, found.chose_epoch) == (0.5, False)
    assert config.threshold == np.float32(-found.temperature * found.bias) != 0
    assert "chose the epoch" not in capsys.readouterr().err
    assert "they chose no epoch. It holds where 0.5 of" in (tmp_path / "d" / "README.md").read_text()


def test_too_few_images_for_two_parts_are_said_and_recorded(
    manifest: pl.DataFrame, make_config: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = load_detector(train(make_config(epochs=2), manifest, tmp_path / "two")).config.calibration
    assert (found.n_real, found.n_ai, found.chose_epoch) == (6, 6, True)
    assert "calibrated on the 6 real and 6 AI images that chose the epoch" in capsys.readouterr().err
    assert "they chose the epoch, too" in (tmp_path / "two" / "README.md").read_text()
    one = load_detector(train(make_config(epochs=1), manifest, tmp_path / "one")).config.calibration
    assert not one.chose_epoch and "chose the epoch" not in capsys.readouterr().err  # there was nothing to choose


def test_a_skewed_training_set_gives_probabilities_at_the_stated_prior(make_config: Make, tmp_path: Path) -> None:
    images = noisy(tmp_path / "images", n_real=360, n_ai=90, apart=2)
    test = noisy(tmp_path / "test", n_real=150, n_ai=150, apart=2, seed=1)
    for prior in (0.5, 0.2):
        config = make_config(epochs=4, calibration={"prior": prior}, **HALF)
        rows = predict(test, [train(config, images, tmp_path / str(prior))], out=tmp_path / f"run {prior}")
        assert np.array_equal(rows["p_ai"] > 0.5, rows["logit"] > rows["threshold"])
        # weighted to the prior, the mean probability is the prior
        means = [rows.filter(label=label)["p_ai"].mean() for label in (0, 1)]
        assert (1 - prior) * means[0] + prior * means[1] == pytest.approx(prior, abs=0.07)
        assert 0.3 < means[1] - means[0]


@pytest.mark.parametrize(("weights", "low", "high"), [("none", 0.14, 0.3), ("balanced", 0.4, 0.6)])
def test_class_weights_keep_raw_logits_from_leaning_to_the_larger_class(
    make_config: Make,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    weights: str,
    low: float,
    high: float,
) -> None:
    images = noisy(tmp_path / "images", n_real=200, n_ai=50, apart=0)  # nothing to tell them by
    config = make_config(epochs=6, loss={"class_weights": weights}, **HALF)
    rows = predict(images, [train(config, images, tmp_path / "d")], out=tmp_path / "run")
    assert low < probabilities(rows["logit"]).mean() < high
    line = "100 real and 25 AI images to train on: --set loss.class_weights=balanced"
    assert (line in capsys.readouterr().err) == (weights == "none")


def test_classes_of_like_numbers_are_not_mentioned(
    make_config: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = noisy(tmp_path / "images", n_real=56, n_ai=40, apart=2)
    train(make_config(epochs=1, **HALF), images, tmp_path / "d")
    assert "class_weights" not in capsys.readouterr().err
