"""Where a detector's evidence lies in one image: heatmaps, their pictures, and the regions that hold most of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from synthscope.detectors.input import Placed
from synthscope.errors import UsageError
from synthscope.explainers.base import Explainer, to_image
from synthscope.inspection.calibrated import Calibrated
from synthscope.inspection.evidence import Heatmap, Region
from synthscope.inspection.trust import trust
from synthscope.report.heatmaps.overlays import transparent_png
from synthscope.runtime.told import printable

MAX_REGIONS = 5
HALF = 0.5  # of the greatest relevance: where a region begins
LEAST_SHARE = 0.05  # of the relevance, that a region holds
SIDE = 1024  # longest side of a picture of a heatmap


class Look(NamedTuple):
    """One heatmap of one image."""

    heatmap: Heatmap  # without files
    placed: Placed  # float32 (H, W)
    regions: tuple[Region, ...]

    def raw(self) -> bytes:
        """``.npz`` with ``heat``, float16 ``(H, W)``, and ``seen``, bool ``(H, W)``."""
        file = BytesIO()
        np.savez_compressed(file, heat=self.placed.heat.astype(np.float16), seen=self.placed.seen)
        return file.getvalue()

    def overlay(self) -> bytes:
        """A PNG to lay over the image: colour and opacity by relevance, transparent where nothing was seen."""
        return transparent_png(self.placed.heat, self.placed.seen, SIDE, signed=self.heatmap.signed)


def looks(
    asked: Calibrated, input: Tensor, shape: tuple[int, ...], explainers: Sequence[Explainer]
) -> tuple[Look, ...]:
    """Heatmaps of one image by all explainers that fit the detector; the others are told on stderr.

    Args:
        asked: The detector.
        input: uint8 ``(3, h, w)`` of its ``preprocess``.
        shape: ``(H, W, 3)`` of the image that the input was made from.
        explainers: Methods.
    """
    found = []
    for explainer in explainers:
        try:
            layer = explainer.layer(asked.detector)
            placed = to_image(explainer(asked.detector, input[None])[0], asked.detector, shape)
        except UsageError as error:
            print(printable(f"left out: {explainer} of {asked.id}: {error}"), file=sys.stderr)
            continue
        name = str(explainer)
        heatmap = Heatmap(
            detector=asked.id, explainer=name, layer=layer, signed=explainer.signed, trust=trust(name)
        )  # fmt: skip
        found.append(Look(heatmap, placed, _regions(asked.id, name, placed)))
    return tuple(found)


def _regions(detector: str, explainer: str, placed: Placed) -> tuple[Region, ...]:
    """Connected places above half of the greatest relevance, by the share of all positive relevance in them."""
    positive = np.where(placed.seen, np.maximum(placed.heat, 0), 0)
    total, highest = float(positive.sum(dtype=np.float64)), float(positive.max(initial=0))
    if total <= 0:
        return ()
    count, parts = cv2.connectedComponents((positive >= HALF * highest).astype(np.uint8))
    held = np.bincount(parts.ravel(), weights=positive.ravel(), minlength=count)[1:] / total
    order = [part for part in np.argsort(-held, kind="stable")[:MAX_REGIONS] if held[part] >= LEAST_SHARE]
    return tuple(
        Region(
            detector=detector,
            explainer=explainer,
            polygon=_outline((parts == part + 1).astype(np.uint8)),
            share=round(float(held[part]), 4),
        )
        for part in order
    )


def _outline(mask: NDArray[np.uint8]) -> tuple[tuple[float, float], ...]:
    """The outer border of a connected mask, to within 0.2 % of the image's longer side."""
    lines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    longest = max(lines, key=cv2.contourArea)
    points = cv2.approxPolyDP(longest, 0.002 * max(mask.shape), closed=True)[:, 0]
    return tuple((float(x), float(y)) for x, y in points)
