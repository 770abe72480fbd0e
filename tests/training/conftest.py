"""A few images whose classes any small network can tell apart, and a configuration that trains in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
import torch

from synthscope.schema import MANIFEST, conform
from synthscope.training.config import TrainConfig


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """24 smooth real JPEG files and 24 AI-generated PNG files with a checkerboard, 40 pixels; two generators."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    board = (np.indices((40, 40)).sum(0) % 2 * 40)[..., None]
    rows = []
    for number in range(48):
        ai = number % 2
        smooth = cv2.GaussianBlur(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8), (0, 0), 4)
        pixels = np.clip(smooth + board, 0, 255).astype(np.uint8) if ai else smooth
        path = folder / f"{number:02}.{'png' if ai else 'jpg'}"
        assert cv2.imwrite(str(path), pixels)
        subset = "checker" if number % 4 == 1 else "board"
        rows.append({"path": str(path), "label": ai, "subset": subset if ai else None, "split": "train"})
    return conform(pl.DataFrame(rows), MANIFEST, "test")


@pytest.fixture
def photographs(tmp_path: Path) -> Callable[..., pl.DataFrame]:
    """Photographs of 48 x 40 pixels, and of each ``versions`` images by ``made``."""

    def make(made: Callable[[np.ndarray], np.ndarray] = np.copy, *, count: int = 16, versions: int = 1) -> pl.DataFrame:
        rng, rows = np.random.default_rng(0), []
        folder = tmp_path / "pairs" / "images"  # draws look at the last three parts of a path
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            photo = cv2.GaussianBlur(rng.integers(0, 246, (40, 48, 3), dtype=np.uint8), (0, 0), 3)
            for version in range(versions + 1):
                path = folder / f"{number:02}_{version}.png"
                assert cv2.imwrite(str(path), made(photo) if version else photo)
                rows.append(
                    {
                        "path": str(path),
                        "label": min(version, 1),
                        "subset": f"v{version}" if version else None,
                        "split": "train",
                        "group": f"g{number:02}",
                    }
                )
        return conform(pl.DataFrame(rows), MANIFEST, "test")

    return make


@pytest.fixture
def make_config() -> Callable[..., TrainConfig]:
    """A tiny float32 run, with any key replaced."""

    def make(**changes: Any) -> TrainConfig:
        tree = {
            "name": "tiny",
            "detector": {"architecture": "cnn_small", "options": {"width": 4}, "input": {"crop": 32}},
            "data": {"holdout": 0.25},
            "augment": {"steps": [{"step": "random_crop"}, {"step": "hflip"}]},
            "optimizer": {"lr": 0.01},
            "epochs": 4,
            "batch_size": 8,
            "precision": "fp32",
        }
        return TrainConfig.model_validate({key: value for key, value in (tree | changes).items() if value is not None})

    return make


@pytest.fixture
def weights() -> Callable[[Path], dict[str, torch.Tensor]]:
    """Weights of a detector folder."""
    from safetensors.torch import load_file

    return lambda folder: load_file(folder / "model.safetensors")
