"""Held-out images: every one scored once, over all processes, with nothing random; figures and the calibration."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch

from synthscope.detectors.artifact_vit import ArtifactVit, category_masks
from synthscope.detectors.base import Calibration, Detector
from synthscope.detectors.probe import Probe
from synthscope.metrics.calibration import fit_temperature
from synthscope.training.batches import Batch
from synthscope.training.distributed import World
from synthscope.training.features import KeptFeatures
from synthscope.training.masks import category_targets


@torch.no_grad()
def held_out_logits(
    detector: Detector, images: Iterable[Batch], *, count: int, world: World, dtype: torch.dtype | None
) -> np.ndarray:
    """Logits ``(count,)`` by row, float64; nan for unreadable images."""
    detector.eval()
    if isinstance(images, KeptFeatures):
        images.under(dtype)
    mine: list[tuple[int, float]] = []
    for rows, _, pixels in images:
        with torch.autocast(world.device.type, dtype, enabled=dtype is not None):
            if isinstance(images, KeptFeatures) and isinstance(detector, Probe):
                logits = detector.head(pixels.to(world.device, non_blocking=True))
            else:
                logits = detector(pixels[:, :3].to(world.device, non_blocking=True))
        mine += zip(rows.tolist(), logits.float().tolist(), strict=True)
    scored = dict(pair for part in world.gather(mine) for pair in part)
    return np.array([scored.get(row, math.nan) for row in range(count)])


@torch.no_grad()
def held_out_masks(
    detector: ArtifactVit, images: Iterable[Batch], *, chosen: np.ndarray, world: World, dtype: torch.dtype | None
) -> dict[str, float]:
    """``iou`` and ``pix_f1`` of the artifact masks, whatever their category, from pixels counted over all images.

    X-AIGD's category-agnostic figures, at the detector's input instead of the image's own size.

    Args:
        detector: With an artifact head.
        images: Batches whose fourth channel holds the targets.
        chosen: bool by row: the annotated AI-generated images.
        world: Processes that share the images.
        dtype: Of the cheap arithmetic.
    """
    detector.eval()
    counts = np.zeros(3, np.int64)  # TP, FP, FN
    for rows, _, pixels in images:
        if not (here := torch.from_numpy(chosen[rows.numpy()])).any():
            continue
        pixels = pixels[here].to(world.device)
        with torch.autocast(world.device.type, dtype, enabled=dtype is not None):
            maps = detector.artifact_logits(pixels[:, :3])
        found = category_masks(maps, detector.options.masks).any(1)
        there = category_targets(pixels[:, 3]).any(1)
        counts += [int(pair.sum()) for pair in (found & there, found & ~there, ~found & there)]
    tp, fp, fn = np.sum(world.gather(counts), axis=0).tolist()
    return {"iou": tp / max(tp + fp + fn, 1), "pix_f1": 2 * tp / max(2 * tp + fp + fn, 1)}


def held_out_figures(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Loss, balanced accuracy and accuracy of each class at threshold 0; nan logits are left out.

    Of calibrated logits (``logit / temperature + bias``) they are those of ``p_ai`` and of the verdict.

    >>> held_out_figures(np.array([1, 1, 0]), np.array([2.0, -2.0, -2.0]))["balanced_accuracy"]
    0.75
    """
    labels, logits = labels[~np.isnan(logits)], logits[~np.isnan(logits)]
    ai, real = (logits[labels == 1] > 0).mean(), (logits[labels == 0] <= 0).mean()
    loss = np.logaddexp(0, np.where(labels == 1, -logits, logits)).mean()
    figures = {"loss": loss, "balanced_accuracy": (ai + real) / 2, "accuracy_real": real, "accuracy_ai": ai}
    return {key: float(value) for key, value in figures.items()}


def calibrate(labels: np.ndarray, logits: np.ndarray, *, prior: float, chose_epoch: bool) -> Calibration:
    """The calibration of a detector from its logits of held-out images; nan logits are left out.

    Args:
        labels: ``(n,)``, 1 = AI.
        logits: ``(n,)``.
        prior: Share of AI images where it is to hold.
        chose_epoch: Whether these images chose the epoch, too.
    """
    known = np.isfinite(logits)
    temperature, bias = fit_temperature(labels[known], logits[known], prior=prior)
    n_ai = int(labels[known].sum())
    return Calibration(
        temperature=temperature, bias=bias, prior=prior, n_real=int(known.sum()) - n_ai, n_ai=n_ai,
        chose_epoch=chose_epoch,
    )  # fmt: skip
