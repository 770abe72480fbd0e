"""Training on images of any size: one a micro-batch, and the same step as a batch of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from synthscope.data.images import read_rgb
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.training.config import TrainConfig
from synthscope.training.data import choose
from synthscope.training.distributed import World
from synthscope.training.feeds import feeds
from synthscope.training.fit import train

Make = Callable[..., TrainConfig]
WHOLE = {"architecture": "timm:test_convnext", "input": {"resize": None, "crop": None}}  # no batch statistics
SINGLE = {"batch_size": 6, "accumulate": 6}
CPU = World(torch.device("cpu"))


@pytest.fixture(scope="module")
def sizes(manifest: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The images of the manifest cut to six sizes of 32 to 40 pixels."""
    folder, paths = tmp_path_factory.mktemp("sizes"), []
    for number, path in enumerate(manifest["path"]):
        paths.append(str(folder / f"{number}.png"))
        Image.open(path).crop((0, 0, 36 + 4 * (number // 2 % 2), 32 + 4 * (number % 3))).save(paths[-1])
    return manifest.with_columns(path=pl.Series(paths))


def test_single_images_make_the_step_of_a_batch(
    manifest: pl.DataFrame, make_config: Make, weights: Callable[[Path], dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    changes = {"augment": {"steps": [{"step": "hflip"}]}, "optimizer": {"name": "sgd", "lr": 0.05}, "epochs": 1}
    fixed = make_config(**changes, detector=WHOLE | {"input": {"resize": None, "crop": 40}}, batch_size=8)
    single = make_config(**changes, detector=WHOLE, batch_size=8, accumulate=8)
    expected, got = (weights(train(config, manifest, tmp_path / str(config.accumulate))) for config in (fixed, single))
    start = create_detector("timm:test_convnext", name="tiny", input=WHOLE["input"]).state_dict()
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value, rtol=1e-3, atol=1e-5)
    assert max((expected[key] - start[key]).abs().max().item() for key in expected) > 0.005


def test_whole_images_are_trained_on_and_held_out(sizes: pl.DataFrame, make_config: Make, tmp_path: Path) -> None:
    config = make_config(detector=WHOLE, augment={"steps": [{"step": "hflip", "p": 1}]}, epochs=1, **SINGLE)
    parts = choose(sizes, config.data)
    feed = feeds(config, parts, create_detector(WHOLE["architecture"], input=WHOLE["input"]), world=CPU)
    seen = [(int(row), pixels) for (row,), _, pixels in feed.train]
    assert sorted(row for row, _ in seen) == list(range(parts[0].height))
    for row, pixels in seen:
        assert np.array_equal(pixels[0].permute(1, 2, 0), read_rgb(parts[0]["path"][row])[:, ::-1])
    shapes = [tuple(pixels.shape) for _, _, pixels in feed.choosing.images]
    assert len(set(shapes)) > 3 and all(shape[0] == 1 for shape in shapes)
    folder = train(config, sizes.gather_every(3), tmp_path / "run")
    assert json.loads((folder / "log.jsonl").read_text())["loss"] < 2
    assert load_detector(folder).config.input.side is None


def test_an_image_below_what_the_detector_takes_is_left_out_and_named(
    sizes: pl.DataFrame, make_config: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (40, 24)).save(tmp_path / "low.png")
    config = make_config(augment={"steps": [{"step": "hflip"}]}, **SINGLE)
    train_on, held_out = choose(sizes, config.data)
    low = train_on.head(1).with_columns(path=pl.lit(str(tmp_path / "low.png")))
    feed = feeds(config, (low, held_out), create_detector("aide", options={"size": "tiny"}), world=CPU)
    with pytest.raises(SynthscopeError, match="1 unreadable ones"):
        next(iter(feed.train))
    assert "low.png: Expected 32 x 32 pixels" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{"batch_size": 8}, {"batch_size": 8, "accumulate": 4}])
def test_several_images_of_any_size_make_no_batch(
    sizes: pl.DataFrame, make_config: Make, changes: dict[str, int], tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError, match=r"one image a micro-batch.* Set accumulate to batch_size / 1, or a fixed size"
    ):
        train(make_config(detector=WHOLE, augment={}, **changes), sizes, tmp_path / "run")
    with pytest.raises(UsageError, match="fixed side for the augmentation random_crop"):
        train(make_config(detector=WHOLE, **SINGLE), sizes, tmp_path / "other")
