"""Where memory is short, batches are halved: once said, real, and for all later ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor

from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.input import InputConfig
from synthscope.inference.predict import predict


class Large(Detector):
    """Has memory for so many images at a time."""

    def __init__(self, most: int, message: str) -> None:
        super().__init__(DetectorConfig(name="large", architecture="l", input=InputConfig(resize=None, crop=8)))
        self.most, self.message, self.sizes = most, message, list[int]()

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError(self.message) if "CUDA" in self.message else RuntimeError(self.message)
        return images.float().mean((1, 2, 3))


@pytest.fixture
def images(tmp_path: Path) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    for number in range(64):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"{number:02}.png")
    return pl.DataFrame({"path": sorted(map(str, tmp_path.glob("*.png")))})


@pytest.mark.parametrize(
    "message", ["CUDA out of memory. Tried to allocate 2.00 GiB", "DefaultCPUAllocator: can't allocate memory"]
)
def test_a_batch_without_memory_is_halved_and_so_are_all_later_ones(
    images: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str], message: str
) -> None:
    detector = Large(5, message)
    table = predict(images, [detector], out=tmp_path / "run", batch_size=16, workers=1)
    assert table["error"].is_null().all()
    pixels = [np.asarray(Image.open(path)).mean() for path in images["path"]]
    assert np.allclose(table["logit"], pixels, atol=1e-4)
    said = [line for line in capsys.readouterr().err.splitlines() if "not enough memory" in line]
    counts = [tuple(map(int, re.findall(r"\d+", line))) for line in said]
    assert counts == [(16, 8), (8, 4)]  # each size once
    assert detector.sizes == [16, 8] + [4] * 16  # and no batch of 16 or 8 ever again


def test_an_image_alone_without_memory_is_a_row_with_the_reason(images: pl.DataFrame, tmp_path: Path) -> None:
    table = predict(images[:3], [Large(0, "out of memory")], out=tmp_path / "run", batch_size=2, workers=1)
    assert table["error"].to_list() == ["out of memory"] * 3


def test_other_errors_leave_the_size_of_batches_alone(images: pl.DataFrame, tmp_path: Path) -> None:
    class Odd(Large):
        def forward(self, images: Tensor) -> Tensor:
            self.sizes.append(len(images))
            if (images[:, 0, 0, 0] == first).any():
                raise RuntimeError("an odd image")
            return images.float().mean((1, 2, 3))

    first = int(np.asarray(Image.open(images["path"][0]))[0, 0, 0])
    detector = Odd(0, "")
    table = predict(images, [detector], out=tmp_path / "run", batch_size=16, workers=1)
    assert table["error"][0] == "an odd image" and table["error"].null_count() >= 56
    assert 16 in detector.sizes[-18:] or detector.sizes.count(16) >= 2
