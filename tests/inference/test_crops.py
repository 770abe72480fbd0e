"""Several crops of an image: their places by hand, their logits one by one, and ids that never mix."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor

from synthscope.cli import app
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import InputConfig
from synthscope.errors import UsageError
from synthscope.inference.crops import Crops
from synthscope.inference.predict import predict
from synthscope.schema import MANIFEST, conform

SIDE = 16


class Brightness(Detector):
    """How bright the crop is; one with a black corner fails where ``fails`` is set."""

    fails = False

    def __init__(self, **input: object) -> None:
        config = InputConfig.model_validate({"resize": None, "crop": SIDE, **input})
        super().__init__(DetectorConfig(name="bright", architecture="bright", input=config))

    def forward(self, images: Tensor) -> Tensor:
        logits = images.float().mean((1, 2, 3)) / 64 - 2
        return torch.where(images[:, 0, 0, 0] == 0, torch.nan, logits) if self.fails else logits


@pytest.fixture
def images(tmp_path: Path) -> pl.DataFrame:
    rng, rows = np.random.default_rng(0), []
    for number, size in enumerate([(40, 50), (33, 16), (16, 16), (35, 34), (10, 20)]):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(1, 256, (*size, 3), dtype=np.uint8)).save(path)
        rows.append({"path": str(path), "label": number % 2, "generator": "g", "subset": "g"})
    return conform(pl.DataFrame(rows), MANIFEST, "m")


STARTS = {  # rows and columns of the crops of the first four images, from a drawing
    "5": [
        [(0, 0), (0, 34), (24, 0), (24, 34), (12, 17)],
        [(0, 0), (17, 0), (8, 0)],
        [(0, 0)],
        [(0, 0), (0, 18), (19, 0), (19, 18), (10, 9)],
    ],
    "grid": [
        [(row, column) for row in (4, 20) for column in (1, 17, 33)],
        [(0, 0), (16, 0)],
        [(0, 0)],
        [(row, column) for row in (2, 18) for column in (1, 17)],
    ],
}


@pytest.mark.parametrize("places", ["5", "grid"])
@pytest.mark.parametrize("pool", ["mean", "max"])
def test_the_logit_is_that_of_all_crops_scored_one_by_one(
    images: pl.DataFrame, tmp_path: Path, places: str, pool: str
) -> None:
    detector = Brightness()
    for batch_size in (1, 4):
        run = tmp_path / f"run{batch_size}"
        table = predict(images, [detector], out=run, crops=places, pool=pool, batch_size=batch_size)
        for path, starts, logit in zip(images["path"], STARTS[places], table["logit"], strict=False):
            pixels = np.asarray(Image.open(path)).astype(np.float64)
            logits = [pixels[y : y + SIDE, x : x + SIDE].mean() / 64 - 2 for y, x in starts]
            assert logit == pytest.approx(np.mean(logits) if pool == "mean" else max(logits), abs=1e-5)
        suffix = {"5": "+5crops", "grid": "+grid"}[places] + {"mean": "", "max": ".max"}[pool]
        assert table["detector"][0].startswith(f"bright{suffix}@")
        assert table["preprocessing"].unique().to_list() == [detector.config.digest() + suffix]
        told = json.loads((run / "run.json").read_text())["inputs"][detector.config.digest() + suffix]
        assert told["crops"] == {"places": places, "pool": pool}


def test_small_images_are_enlarged_or_seen_whole(images: pl.DataFrame, tmp_path: Path) -> None:
    small = images.tail(1)  # 10 x 20: enlarged to 16 x 32, or padded to 16 x 20
    rgb = np.asarray(Image.open(small["path"][0]))
    assert [crop.shape for crop in Crops("5").inputs(Brightness(), rgb)] == [(3, SIDE, SIDE)] * 3
    assert len(Crops("grid").inputs(Brightness(), rgb)) == 2
    for kind in ("pad", "tile"):
        (crop,) = Crops("grid").inputs(Brightness(small=kind), rgb)
        assert torch.equal(crop, Brightness(small=kind).preprocess(rgb))


def test_ten_crops_are_torchvisions(images: pl.DataFrame) -> None:
    from torchvision.transforms.functional import ten_crop

    for path in images["path"][:4]:
        image = Image.open(path)
        theirs = [np.asarray(crop) for crop in ten_crop(image, SIDE)]
        ours = [crop.permute(1, 2, 0).numpy() for crop in Crops("10").inputs(Brightness(), np.asarray(image))]
        np.testing.assert_array_equal(ours, theirs)
    assert str(Crops("10")) == "+10crops"


def test_rows_of_different_crops_never_mix(images: pl.DataFrame, tmp_path: Path) -> None:
    detector = Brightness()
    one = predict(images, [detector], out=tmp_path / "run")
    five = predict(images, [detector], out=tmp_path / "run", crops="5")
    grid = predict(images, [detector], out=tmp_path / "run", crops="grid")
    again = predict(images, [detector], out=tmp_path / "run", crops="5")
    assert again.equals(five) and json.loads((tmp_path / "run/run.json").read_text())["scorings"] == 0
    ids = [table["detector"][0] for table in (one, five, grid)]
    assert len(set(ids)) == 3 and ids[0].startswith("bright@")
    assert one["logit"][0] != five["logit"][0] != grid["logit"][0]
    assert one["logit"][2] == five["logit"][2] == grid["logit"][2]  # 16 x 16: the same crop


def test_an_image_without_one_of_its_logits_has_none(images: pl.DataFrame, tmp_path: Path) -> None:
    path = images["path"][0]
    rgb = np.asarray(Image.open(path)).copy()
    rgb[24, 34] = 0
    Image.fromarray(rgb).save(path)
    detector = Brightness()
    detector.fails = True
    table = predict(images, [detector], out=tmp_path / "run", crops="5")
    assert table["error"].to_list() == ["non-finite logit", None, None, None, None]
    assert predict(images, [detector], out=tmp_path / "run")["error"].null_count() == 5


def test_what_cannot_be_cropped_is_said(images: pl.DataFrame, tmp_path: Path) -> None:
    for detector in (create_detector("npr"), create_detector("ssp"), Brightness(crop=None)):
        with pytest.raises(UsageError, match=r"crop native pixels for crops=5, got .*Score it without crops"):
            predict(images, [detector], out=tmp_path / "run", crops="5")
    for arguments, sentence in (
        ({"crops": "7"}, "crops of 1, 5, 10, grid"),
        ({"crops": "5", "pool": "median"}, "pool of mean, max"),
        ({"pool": "max"}, "several crops to pool"),
    ):
        with pytest.raises(UsageError, match=sentence):
            predict(images, [Brightness()], out=tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


def test_the_command(images: pl.DataFrame, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from synthscope.detectors.hub import save_detector

    save_detector(create_detector("cnn_small", name="mine", input={"crop": SIDE}), tmp_path / "det")
    images.write_parquet(tmp_path / "m.parquet")
    arguments = ["predict", tmp_path / "m.parquet", "-d", tmp_path / "det", "-o", tmp_path / "run"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--crops", "grid", "--pool", "max"])
    assert result.exit_code == 0, result.output
    table = pl.read_parquet(tmp_path / "run/predictions.parquet")
    assert table["detector"].str.starts_with("mine+grid.max@").all() and table["logit"].null_count() == 0
