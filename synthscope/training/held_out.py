"""Figures on the held-out images: every one scored once, over all processes, with nothing random."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from synthscope.detectors.base import Detector
from synthscope.training.distributed import World


@torch.no_grad()
def held_out_logits(
    detector: Detector, images: DataLoader[Any], *, count: int, world: World, dtype: torch.dtype | None
) -> np.ndarray:
    """Logits ``(count,)`` by row, float64; nan for unreadable images."""
    detector.eval()
    mine: list[tuple[int, float]] = []
    for rows, _, pixels in images:
        with torch.autocast(world.device.type, dtype, enabled=dtype is not None):
            logits = detector(pixels.to(world.device, non_blocking=True))
        mine += zip(rows.tolist(), logits.float().tolist(), strict=True)
    scored = dict(pair for part in world.gather(mine) for pair in part)
    return np.array([scored.get(row, math.nan) for row in range(count)])


def held_out_figures(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Loss, balanced accuracy and accuracy of each class at threshold 0; nan logits are left out.

    >>> held_out_figures(np.array([1, 1, 0]), np.array([2.0, -2.0, -2.0]))["balanced_accuracy"]
    0.75
    """
    labels, logits = labels[~np.isnan(logits)], logits[~np.isnan(logits)]
    ai, real = (logits[labels == 1] > 0).mean(), (logits[labels == 0] <= 0).mean()
    loss = np.logaddexp(0, np.where(labels == 1, -logits, logits)).mean()
    figures = {"loss": loss, "balanced_accuracy": (ai + real) / 2, "accuracy_real": real, "accuracy_ai": ai}
    return {key: float(value) for key, value in figures.items()}
