"""Artifact annotations as targets of training.

An image and its target travel as one array: the fourth channel holds a bit for each of the seven categories, and in
``REGION`` what attention is to be aligned with. So the target takes every crop and flip that the image takes.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.nn import functional

from synthscope.annotations import CATEGORIES, image_masks, load_annotations
from synthscope.annotations.benign import blots, largest
from synthscope.detectors.artifact_vit import MaskForm
from synthscope.detectors.base import Detector, preprocess
from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime import seed_for
from synthscope.training.alignment import Source

REGION = 1 << 7
_GEOMETRY = ("gt_kind", "polygons", "box", "rle", "mask_path", "heatmap_path")


def annotate(parts: tuple[pl.DataFrame, pl.DataFrame], source: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Images to train on and held-out ones with a column ``regions``: rows of the annotation table.

    An empty list on real images and on AI-generated ones that were found clean, null on those not annotated. Images are
    found by the SHA-256 of the file where both tables have it, else by path.

    Raises:
        UsageError: No table named.
        SynthscopeError: Nothing there, or nothing about the AI-generated images to train on.
    """
    if source is None:
        raise UsageError("Expected annotations of artifacts, got none. Give their table: --annotations FILE.")
    known = load_annotations(source).with_columns(
        pl.struct("path", "region", "category", "width", "height", *_GEOMETRY).alias("regions")
    )
    train, held_out = (_with_regions(part, known) for part in parts)
    if not train.filter((pl.col("label") == 1) & pl.col("regions").is_not_null()).height:
        raise SynthscopeError(
            f"Expected annotations of the AI-generated images in {source}, got none that match by sha256 or path. "
            f"Check that both tables speak of the same files."
        )
    return train, held_out


def _with_regions(images: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    for key in ("sha256", "path"):
        of_image = pl.col("regions").filter(pl.col("region").is_not_null()).alias(f"by_{key}")
        found = known.filter(pl.col(key).is_not_null()).group_by(key, maintain_order=True).agg(of_image)
        images = images.join(found, on=key, how="left", maintain_order="left")
    nothing = pl.lit([], dtype=images.schema["by_path"])
    annotated = pl.when(pl.col("label") == 1).then(pl.coalesce("by_sha256", "by_path")).otherwise(nothing)
    return images.with_columns(annotated.alias("regions")).drop("by_sha256", "by_path")


class Targets:
    """Adds the fourth channel to an image, from its annotated regions."""

    def __init__(self, *, source: Source, categories: bool) -> None:
        self.source, self.categories = source, categories

    def __call__(self, rgb: np.ndarray, regions: list[dict[str, Any]] | None, key: str) -> np.ndarray:
        """uint8 ``(H, W, 4)``: ``rgb`` and its target, empty where nothing is annotated.

        Args:
            rgb: uint8 ``(H, W, 3)``.
            regions: Rows of an annotation table.
            key: Of the image, for what is drawn at random.

        Raises:
            SynthscopeError: Regions of an image of another size, or without the category that the masks need.
        """
        height, width = rgb.shape[:2]
        plane = np.zeros((height, width), np.uint8)
        if regions:
            if self.categories and (nameless := [r for r in regions if r["category"] is None]):
                raise SynthscopeError(
                    f"Expected a category for every region of {nameless[0]['path']}, got none for region "
                    f"{nameless[0]['region']}. Train with task authenticity, or name the category."
                )
            if self.categories:
                masks = image_masks(regions, height, width, per="category")
                plane |= np.packbits(masks, axis=0, bitorder="little")[0]
            artifacts = image_masks(regions, height, width)
            plane[alignment_region(rgb, artifacts, source=self.source, key=key)] |= REGION
        return np.dstack([rgb, plane])


def alignment_region(rgb: np.ndarray, artifacts: np.ndarray, *, source: Source, key: str) -> np.ndarray:
    """What attention is aligned with: the artifacts, or a control that covers as many pixels.

    Args:
        rgb: uint8 ``(H, W, 3)``.
        artifacts: bool ``(H, W)``.
        source: ``saliency`` takes the most salient pixels (Hou and Zhang, CVPR 2007), ``random`` blots anywhere,
            ``benign`` blots outside the artifacts (all of the rest where the artifacts fill more than half).
        key: Of the image; the blots depend on it alone.

    Returns:
        bool ``(H, W)``; empty where there are no artifacts.

    >>> inside = np.arange(16).reshape(4, 4) < 6
    >>> benign = alignment_region(np.zeros((4, 4, 3), np.uint8), inside, source="benign", key="a")
    >>> int(benign.sum()), bool((benign & inside).any())
    (6, False)
    """
    if source == "artifact" or not artifacts.any():
        return artifacts
    if source == "none":
        return np.zeros_like(artifacts)
    area = int(artifacts.sum())
    if source == "saliency":
        return largest(spectral_residual(rgb), area)
    rng = np.random.default_rng(seed_for("blots", key))
    return blots(artifacts.shape, area, outside=artifacts if source == "benign" else None, rng=rng)


def spectral_residual(rgb: np.ndarray) -> np.ndarray:
    """Saliency of uint8 ``(H, W, 3)`` as float32 ``(H, W)``: what the smoothed log spectrum does not explain.

    Hou and Zhang, Saliency Detection: A Spectral Residual Approach, CVPR 2007, eq. 5 to 9, at 64 x 64 pixels.
    """
    grey = cv2.resize(
        cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY), (64, 64), interpolation=cv2.INTER_AREA
    )
    spectrum = np.fft.fft2(grey.astype(np.float64))
    log = np.log1p(np.abs(spectrum))  # not log: drawn images have frequencies of amplitude 0
    residual = log - cv2.blur(log, (3, 3), borderType=cv2.BORDER_WRAP)
    saliency = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    smooth = cv2.GaussianBlur(saliency.astype(np.float32), (0, 0), 2.5)
    return cv2.resize(smooth, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)


def preprocess_with_target(detector: Detector, pixels: np.ndarray) -> Tensor:
    """The detector's preprocessing of uint8 ``(H, W, 4)``, ``(4, h, w)``; the target takes the nearest pixels."""
    rgb = detector.preprocess(pixels[..., :3])
    nearest = detector.config.input.model_copy(update={"interpolation": "pillow_nearest"})
    return torch.cat([rgb, preprocess(np.repeat(pixels[..., 3:], 3, axis=2), nearest)[:1]])


def category_targets(planes: Tensor) -> Tensor:
    """Masks bool ``(B, 7, h, w)`` of the categories from uint8 ``(B, h, w)`` planes."""
    bits = 1 << torch.arange(len(CATEGORIES), device=planes.device, dtype=torch.uint8)
    return (planes[:, None] & bits.view(1, -1, 1, 1)) > 0


def class_targets(masks: Tensor) -> Tensor:
    """One class a pixel, int64 ``(B, h, w)``, 0 = background, from masks bool ``(B, 7, h, w)``.

    Where categories overlap, the one with the smallest area in the image wins, or a large region would hide a small one
    inside it; of equal areas the first in canonical order. (Which one wins in X-AIGD is not published.)

    >>> masks = torch.zeros(1, 7, 1, 3, dtype=torch.bool)
    >>> masks[0, 1], masks[0, 4, 0, 1] = True, True
    >>> class_targets(masks).tolist()
    [[[2, 5, 2]]]
    """
    areas = masks.sum((2, 3), keepdim=True, dtype=torch.float32)
    areas = torch.where(masks, areas, torch.inf)
    smallest, number = areas.min(1)
    return torch.where(smallest.isinf(), 0, number + 1)


def artifact_loss(maps: Tensor, masks: Tensor, form: MaskForm) -> Tensor:
    """Segmentation loss of each image ``(B,)``.

    Softmax: cross-entropy over background and seven categories. Sigmoid: the mean of binary cross-entropies, plus the
    soft Dice loss of the categories that the image has. Of the others Dice would reward nothing but silence, and most
    images have most categories not.

    Args:
        maps: float32 artifact logits ``(B, 8, h, w)``.
        masks: bool ``(B, 7, h, w)``.
        form: Of the detector.
    """
    if form == "softmax":
        return functional.cross_entropy(maps, class_targets(masks), reduction="none").mean((1, 2))
    logits, wanted = maps[:, 1:], masks.float()
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean((1, 2, 3))
    p = logits.sigmoid()
    areas = wanted.sum((2, 3))
    dice = (2 * (p * wanted).sum((2, 3)) + 1) / (p.sum((2, 3)) + areas + 1)
    present = (areas > 0).float()
    return entropy + ((1 - dice) * present).sum(1) / present.sum(1).clamp(min=1)
