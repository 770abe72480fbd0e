"""The detector that comes with the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from synthscope.detectors.hub import CARD, bundled_folder, load_detector, weights_digest
from synthscope.detectors.weights import WEIGHTS
from synthscope.inspection.calibrated import load_calibrated
from synthscope.inspection.evidence import Answer
from synthscope.inspection.examine import examine
from synthscope.inspection.inspect import Settings, inspect_image


def test_its_weights_are_small_and_its_digest_is_that_of_the_file() -> None:
    detector = load_detector("bundled")
    assert sum(parameter.numel() for parameter in detector.parameters()) <= 6e6
    assert (bundled_folder() / WEIGHTS).stat().st_size <= 12e6
    assert weights_digest(detector) == weights_digest(bundled_folder())
    assert all(parameter.dtype == torch.float32 for parameter in detector.parameters())


def test_its_reference_set_names_sources_licences_and_numbers() -> None:
    reference = load_calibrated("bundled").reference
    assert reference is not None and reference.view == "none"
    assert len(reference.photographs) >= 100 and len(reference.ai) >= 20
    for label, logits in ((0, reference.photographs), (1, reference.ai)):
        assert sum(source.n for source in reference.sources if source.label == label) == len(logits)
    assert all(source.licence for source in reference.sources)


def test_its_name_and_card_say_whether_it_is_proven() -> None:
    asked = load_calibrated("bundled")
    assert asked.reference is not None
    card = (bundled_folder() / CARD).read_text(encoding="utf-8")
    assert asked.detector.config.name == ("demo_only" if asked.reference.demo_only else "bundled")
    assert ("Not proven on unseen generators" in card) == asked.reference.demo_only
    for told in ("false alarms at the 5 % level", "use=evaluate", "| laundered | all |", "| aligned | all |"):
        assert told in card


def test_what_is_trained_on_is_not_what_it_is_compared_with() -> None:
    asked = load_calibrated("bundled")
    assert asked.reference is not None
    assert not {source.name for source in asked.reference.sources} & set(asked.detector.config.trained_on.subsets)


def test_a_photograph_is_inspected_without_a_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:300, :400]
    rgb = np.stack([x / 2, y / 2, (x + y) / 3], 2) + rng.normal(0, 12, (300, 400, 3))
    file = tmp_path / "photo.jpg"
    Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(file, quality=90)
    code = f"""
import socket, sys
def refuse(*_, **__):
    raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = refuse
from synthscope.cli import main
sys.argv = ["synthscope", "inspect", {str(file)!r}, "--quick", "--json", "-o", {str(tmp_path / "out")!r}]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert any(f'"answer":"{answer}"' in done.stdout for answer in Answer), done.stdout


@pytest.mark.slow
def test_reference_logits_are_those_of_the_weights() -> None:
    """Of photographs that lie beside the repository."""
    folder = Path(__file__).parents[3] / "shared" / "images"
    if not folder.is_dir():
        pytest.skip("../shared/images is absent")
    asked = load_calibrated("bundled")
    assert asked.reference is not None
    stored = np.array(asked.reference.photographs)
    rows = pl.read_csv(folder / "manifest.csv").filter(pl.col("source_repo").str.contains("imagenet")).head(5)
    for path in rows["path"]:
        rgb = np.asarray(Image.open(folder / path).convert("RGB"))
        with torch.no_grad():
            logit = asked.detector(asked.detector.preprocess(rgb)[None]).item()
        assert np.abs(stored - logit).min() < 2e-3, path


def test_its_twin_has_random_weights_and_can_be_explained(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (150, 200, 3), dtype=np.uint8)).save(tmp_path / "noise.png")
    settings = Settings(stability=False, twin=True)
    asked = load_calibrated("bundled")
    own, twin = inspect_image(examine((tmp_path / "noise.png").read_bytes(), "noise.png"), [asked], settings).looks
    assert twin.heatmap.detector == f"{asked.id}, random weights"
    assert not np.array_equal(own.placed.heat, twin.placed.heat)
