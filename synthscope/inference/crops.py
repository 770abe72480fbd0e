"""Several crops of one image, each scored alone, and one logit of them: for detectors that see native pixels.

A crop of 224 pixels is 5 % of an image of 1,024. More crops see more of it, at as many forward passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from synthscope.data.degrade.windows import Window
from synthscope.detectors.base import Detector, dense, uncropped
from synthscope.detectors.input import crop_start
from synthscope.errors import UsageError, suggest
from synthscope.explainers.base import keeps_geometry

PLACES, POOLS = ("1", "5", "10", "grid"), ("mean", "max")


class Crops(NamedTuple):
    """Which crops of an image are scored, and how their logits become one."""

    # the detector's own; 5 = corners and centre; 10 = those and their mirror images; grid = whole crops side by side
    places: str = "1"
    pool: str = "mean"  # of the logits, or max: the crop that looks most like AI

    def __str__(self) -> str:
        """What ids of detectors and preprocessings end with; nothing for the detector's own crop."""
        if self.places == "1":
            return ""
        return ("+grid" if self.places == "grid" else f"+{self.places}crops") + (".max" if self.pool == "max" else "")

    def check(self, detectors: Sequence[Detector]) -> None:
        """Raises ``UsageError`` for an unknown word, or a detector that does not crop native pixels."""
        for name, value, known in (("crops", self.places, PLACES), ("pool", self.pool, POOLS)):
            if value not in known:
                raise UsageError(f"Expected {name} of {', '.join(known)}, got {value!r}. {suggest(value, known)}")
        if self.places == "1":
            if self.pool != "mean":
                raise UsageError(f"Expected several crops to pool, got pool={self.pool} of one. Add crops=5 or grid.")
            return
        for detector in detectors:
            input = detector.config.input
            if input.resize is not None or input.crop is None or not keeps_geometry(detector):
                raise UsageError(
                    f"Expected detectors that crop native pixels for crops={self.places}, got {detector.config.name} "
                    f"({input}), which resizes images or chooses its input by itself. Score it without crops."
                )

    def window(self, detector: Detector, height: int, width: int) -> Window | None:
        """The pixels of an image of this size that the detector sees, as they are; None where it needs more of it."""
        input = detector.config.input
        own = type(detector).preprocess is not Detector.preprocess
        if own or self.places != "1" or input.resize is not None or not input.crop:
            return None
        if min(height, width) < max(input.crop, input.fill or 0):
            return None
        top, left = (crop_start(side, input.crop, input.corner) for side in (height, width))
        return Window(top, left, top + input.crop, left + input.crop)

    def inputs(self, detector: Detector, rgb: np.ndarray) -> list[Tensor]:
        """The crops of one image uint8 ``(H, W, 3)``, each uint8 ``(3, h, w)``.

        Crops at one place count once, but not of ten, where published protocols count them all. An image that fills no
        crop, unless it is enlarged to one, has the detector's own alone.
        """
        input = detector.config.input
        side = input.crop or 0
        if self.places == "1" or (input.small != "upscale" and min(rgb.shape[:2]) < side):
            return [detector.preprocess(rgb)]
        image = uncropped(rgb, input)
        height, width = image.shape[-2:]
        if self.places == "grid":
            starts = [(top, left) for top in _tiles(height, side) for left in _tiles(width, side)]
        else:
            corners = [(top, left) for top in (0, height - side) for left in (0, width - side)]
            starts = [*corners, (crop_start(height, side, input.corner), crop_start(width, side, input.corner))]
        if self.places == "10":
            both = image, image.flip(-1)  # whose centres differ by a pixel where the rest is odd, as torchvision's
            return [dense(each[:, top : top + side, left : left + side]) for each in both for top, left in starts]
        return [dense(image[:, top : top + side, left : left + side]) for top, left in dict.fromkeys(starts)]

    def pooled(self, logits: Sequence[float]) -> float:
        """One logit of those of all crops."""
        return max(logits) if self.pool == "max" else math.fsum(logits) / len(logits)


def _tiles(length: int, side: int) -> range:
    """Where the whole tiles begin that fit side by side.

    >>> list(_tiles(1024, 224))
    [64, 288, 512, 736]
    """
    count = length // side
    first = round((length - count * side) / 2)
    return range(first, first + count * side, side)
