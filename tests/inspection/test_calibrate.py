"""Making a reference set from people's own photographs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from synthscope.cli import app
from synthscope.data.index import index, index_files
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import load_detector, save_detector
from synthscope.errors import SynthscopeError
from synthscope.inspection import calibrate as module
from synthscope.inspection.calibrate import calibrate
from synthscope.inspection.calibrated import load_calibrated
from tests.inspection.conftest import scene


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six photographs, one of them twice, and four AI images."""
    for kind, seeds in (("photographs", range(6)), ("ai", range(10, 14))):
        (tmp_path / kind).mkdir()
        for seed in seeds:
            Image.fromarray(scene(seed)).save(tmp_path / kind / f"{seed}.jpg")
    shutil.copy(tmp_path / "photographs" / "0.jpg", tmp_path / "photographs" / "again.jpg")
    return tmp_path


def folder(images: Path, kind: str) -> pl.DataFrame:
    return index_files([str(images / kind)])


def test_the_logits_are_those_of_the_detector(images: Path, detector: Detector, tmp_path: Path) -> None:
    made = calibrate(detector, folder(images, "photographs"), folder(images, "ai"), out=tmp_path / "out")
    direct = []
    for seed in range(6):
        with Image.open(images / "photographs" / f"{seed}.jpg") as image:
            direct.append(detector(detector.preprocess(np.array(image))[None]).item())
    assert made.photographs == pytest.approx(sorted(direct), abs=2e-4)
    assert list(made.photographs) == sorted(made.photographs)
    assert len(made.ai) == 4
    assert [(source.name, source.label, source.n) for source in made.sources] == [
        ("photographs", 0, 6), ("AI images", 1, 4),
    ]  # fmt: skip
    loaded = load_calibrated(tmp_path / "out")
    assert loaded.reference == made
    assert not (tmp_path / "out" / ".calibration").exists()  # no names of people's files stay


def test_images_of_one_group_count_once(images: Path, detector: Detector, tmp_path: Path) -> None:
    grouped = folder(images, "photographs").with_columns(
        group=pl.when(pl.col("path").str.contains(r"[123]\.jpg")).then(pl.lit("burst"))
    )
    assert len(calibrate(detector, grouped, out=tmp_path / "out").photographs) == 4


def test_a_file_cannot_be_both(images: Path, detector: Detector, tmp_path: Path) -> None:
    shutil.copy(images / "photographs" / "1.jpg", images / "ai" / "1.jpg")
    with pytest.raises(SynthscopeError, match="photographs or AI images, got .* as both"):
        calibrate(detector, folder(images, "photographs"), folder(images, "ai"), out=tmp_path / "out")


def test_labels_that_are_known_count(images: Path, detector: Detector, tmp_path: Path) -> None:
    both = index(f"imagefolder:{images}?ai=ai&real=photographs")
    made = calibrate(detector, both, out=tmp_path / "out")
    apart = calibrate(detector, folder(images, "photographs"), folder(images, "ai"), out=tmp_path / "apart")
    assert (made.photographs, made.ai) == (apart.photographs, apart.ai)


def test_a_stopped_run_goes_on(
    images: Path, detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "save_reference", stop)
        with pytest.raises(KeyboardInterrupt):
            calibrate(detector, folder(images, "photographs"), out=tmp_path / "out")
    parts = list((tmp_path / "out" / ".calibration" / "parts").glob("*.parquet"))
    assert parts and load_calibrated(tmp_path / "out").reference is None
    calibrate(detector, folder(images, "photographs"), out=tmp_path / "out")
    assert load_calibrated(tmp_path / "out").reference is not None


def test_the_command_keeps_the_weights_and_prints_the_levels(images: Path, detector: Detector, tmp_path: Path) -> None:
    save_detector(detector, tmp_path / "tiny", card="# my own card\n")
    (images / "photographs" / "broken.jpg").write_bytes(b"none")
    arguments = ["calibrate", tmp_path / "tiny", images / "photographs", "--ai", images / "ai", "-o", tmp_path / "out"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 3, result.output
    assert "6 reference photographs, 4 AI images" in result.output
    assert "broken.jpg" in result.output
    assert (tmp_path / "out" / "README.md").read_text() == "# my own card\n"
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("tiny", "out")]
    assert weights[0] == weights[1]
    assert load_detector(tmp_path / "out").config.name == "tiny"
    again = CliRunner().invoke(
        app, ["calibrate", str(tmp_path / "out"), str(images / "ai"), "-o", str(tmp_path / "out")]
    )
    assert again.exit_code == 0, again.output  # in place
