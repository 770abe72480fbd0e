"""Domains as test sets: figures from logits that are known, one class alone, and no domain leaking into another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor

from synthscope.detectors.base import Detector, DetectorConfig, TrainedOn
from synthscope.detectors.input import InputConfig
from synthscope.errors import UsageError
from synthscope.schema import MANIFEST, SCORES, conform
from synthscope.studies.content import content, content_table, parse_domains


class Brightness(Detector):
    """Calls bright images AI."""

    def __init__(self) -> None:
        inputs = InputConfig(resize=None, crop=8)
        trained = TrainedOn(subsets=("stable_diffusion_v_1_4",))
        super().__init__(DetectorConfig(name="bright", architecture="bright", input=inputs, trained_on=trained))
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * (images.float().mean(dim=(1, 2, 3)) - 127.5) / 64


def domain(folder: Path, real: list[int], ai: list[int]) -> pl.DataFrame:
    """Grey images of given levels; the same subset name in every domain."""
    folder.mkdir()
    rows = []
    for label, levels in ((0, real), (1, ai)):
        for i, level in enumerate(levels):
            path = folder / f"{label}_{i}.png"
            Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(path)
            rows.append({"path": str(path), "label": label, "subset": "sd" if label else None, "split": "val"})
    return conform(pl.DataFrame(rows), MANIFEST, "test")


def test_rates_of_each_domain(tmp_path: Path) -> None:
    domains = {
        "faces": domain(tmp_path / "faces", [10, 20, 30, 200], [180, 190, 220, 250]),
        "art": domain(tmp_path / "art", [10, 200], [40, 250]),
        "photos": domain(tmp_path / "photos", [5, 6, 250], []),
    }
    scores, predictions = content(domains, [Brightness()], out=tmp_path / "run")
    assert scores.schema == SCORES and set(scores["test_set"]) == set(domains)
    value = {(row["test_set"], row["metric"]): row for row in scores.iter_rows(named=True)}
    assert value["faces", "accuracy"]["value"] == 7 / 8 and value["faces", "real_accuracy"]["value"] == 3 / 4
    assert value["faces", "auroc"]["value"] == 14 / 16 and value["faces", "ai_accuracy"]["value"] == 1
    assert value["art", "accuracy"]["value"] == 0.5 and value["art", "auroc"]["value"] == 0.75
    assert (value["art", "accuracy"]["n_real"], value["art", "accuracy"]["n_ai"]) == (2, 2)
    assert value["photos", "real_accuracy"]["value"] == pytest.approx(2 / 3)
    assert value["photos", "real_accuracy"]["ci_low"] is not None
    assert [value["photos", metric]["value"] for metric in ("accuracy", "auroc", "ai_accuracy")] == [None] * 3
    assert value["photos", "accuracy"]["ci_low"] is None
    assert predictions.height == 15
    text = content_table(scores).to_text()
    assert "photos (3 real, 0 AI)" in text and "87.5" in text and "rate of that class alone" in text
    assert "Trained on SD V1.4." in text


def test_domains() -> None:
    assert parse_domains(["a=m.parquet", "b=imagefolder:x?ai=1&real=2"])["b"] == "imagefolder:x?ai=1&real=2"
    for wrong in (["faces"], ["=x"], ["a="], ["imagefolder:x?ai=1"], ["a=x", "a=y"], ["mean=x"]):
        with pytest.raises(UsageError, match="Expected"):
            parse_domains(wrong)
    with pytest.raises(UsageError, match="a domain or more"):
        content({}, [], out="unused")
