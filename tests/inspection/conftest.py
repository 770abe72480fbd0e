"""A tiny detector, photographs to compare with, and files to inspect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector, weights_sha256
from synthscope.inspection.calibrated import Calibrated
from synthscope.inspection.reference import ReferenceSet, Source

Calibrate = Callable[..., Calibrated]


def scene(seed: int, height: int = 150, width: int = 200) -> np.ndarray:
    """Smooth noise of many colours, like a photograph to every rule of scope."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 226, (12, 16, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(smooth) + rng.normal(0, 4, (height, width, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def detector() -> Detector:
    return create_detector("cnn_small", name="tiny", options={"width": 4}, input={"crop": 64}).eval()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.fromarray(scene(0)).save(path, quality=95)
    return path


@pytest.fixture
def calibrate(detector: Detector) -> Calibrate:
    """The detector with a reference set of given logits."""

    def with_logits(photographs: list[float], ai: list[float] | None = None, **changes: object) -> Calibrated:
        sha256 = weights_sha256(detector)
        reference = ReferenceSet(
            name="made here",
            date="2026-11-30",
            weights_sha256=sha256,
            preprocessing=detector.config.digest(),
            photographs=tuple(photographs),
            ai=tuple(ai or ()),
            sources=(Source(name="photographs", label=0, n=len(photographs)),),
        )
        return Calibrated(detector, sha256, reference.model_copy(update=changes))

    return with_logits
