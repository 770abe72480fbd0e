"""What a row's network costs: parameters, and milliseconds an image beside ResNet-50's forward pass in the same run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import torch

from synthscope.benchmarking.cost.probe import forward_rate, preprocess_rate
from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector, load_detector
from synthscope.runtime import track
from synthscope.tables.left_out import COSTS

BATCH, PHOTOGRAPH = 8, (375, 500, 3)


def network_costs(rows: Mapping[str, str | Path], *, seconds: float = 6.0) -> pl.DataFrame:
    """Columns of ``COSTS``, measured on this machine for about ``seconds`` a row.

    Args:
        rows: Name of a row -> folder of one of its detectors.
        seconds: For the two forward passes and the preprocessing of a row.
    """
    reference = create_detector("resnet50", seed=0)
    rgb = np.random.default_rng(0).integers(0, 256, PHOTOGRAPH, dtype=np.uint8)
    found = []
    for name, folder in track(rows.items(), "measuring", total=len(rows), unit="detectors"):
        detector = load_detector(str(folder))
        beside = _forward(reference, rgb, seconds / 3)  # again and again, since machines get slower and faster
        prepare = preprocess_rate(detector, [rgb] * 64, seconds=seconds / 3)
        count = sum(parameter.numel() for parameter in detector.parameters())
        forward = _forward(detector, rgb, seconds / 3)
        found.append((name, count, 1000 * prepare, 1000 * forward, 1000 * beside))
    return pl.DataFrame(found, schema=COSTS, orient="row")


def _forward(detector: Detector, rgb: np.ndarray, seconds: float) -> float:
    """Seconds an image; one image at a time, of the photograph's size, where the input follows the image."""
    if detector.config.input.side is not None:
        return forward_rate(detector, BATCH, device=torch.device("cpu"), seconds=seconds)
    return forward_rate(detector, 1, device=torch.device("cpu"), seconds=seconds, like=detector.preprocess(rgb)[None])
