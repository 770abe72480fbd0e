"""RISE: the mean probability under random smooth masks, for every pixel (Petsiuk et al., BMVC 2018)."""

from __future__ import annotations

from functools import lru_cache

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from synthscope.config import Config
from synthscope.detectors.base import Detector
from synthscope.explainers.base import Explainer
from synthscope.explainers.occlusion import at_once


class Rise(Explainer):
    """Sum of ``sigmoid(logit of the masked image) * mask`` over masks, divided by their number times ``keep`` (eq. 6).

    Masked pixels take the colour that normalises to 0. All images meet the same masks, which follow from the seed and
    the size of the input alone.
    """

    class Options(Config):
        """The masks."""

        masks: int = Field(default=1000, ge=1, le=100_000)  # the paper: 4000 to 8000
        cells: int = Field(default=7, ge=1, le=256)  # a side, before enlarging
        keep: float = Field(default=0.5, gt=0, lt=1)  # probability of a cell to be shown
        seed: int = 0

    name = "rise"

    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        """``(B, h, w)`` between 0 and about 1: a probability of AI."""
        images = images.float()
        size, options = images.shape[-2:], self.options
        steps = (-(-size[0] // options.cells), -(-size[1] // options.cells))
        shown, corners = _drawn(options.masks, options.cells, options.keep, options.seed, steps)
        total, coloured = images.new_zeros(len(images), *size), images - detector.mean
        count = at_once(images)
        for first in range(0, options.masks, count):
            some = slice(first, first + count)
            masks = _enlarged(shown[some], corners[some], steps, size).to(images)
            scores = detector((detector.mean + masks[:, None, None] * coloured).flatten(0, 1)).sigmoid()
            total += torch.einsum("mb,mhw->bhw", scores.view(len(masks), len(images)), masks)
        return total / (options.masks * options.keep)


@lru_cache(maxsize=4)
def _drawn(
    masks: int, cells: int, keep: float, seed: int, steps: tuple[int, int]
) -> tuple[Tensor, list[tuple[int, int]]]:
    """Which cells each mask shows, bool ``(masks, cells, cells)``, and where its window starts: the same every time."""
    generator = torch.Generator().manual_seed(seed)
    shown, corners = torch.empty(masks, cells, cells, dtype=torch.bool), []
    for mask in shown:
        mask[:] = torch.rand(1, 1, cells, cells, generator=generator)[0, 0] < keep
        top, left = (int(torch.randint(step, (), generator=generator)) for step in steps)
        corners.append((top, left))
    return shown, corners


def _enlarged(shown: Tensor, corners: list[tuple[int, int]], steps: tuple[int, int], size: torch.Size) -> Tensor:
    """Smooth masks ``(n, *size)`` in [0, 1]: cells enlarged, and cut out at random (section 3.2).

    With ``step = ceil(side / cells)`` they are enlarged to ``(cells + 1) * step`` a side, and the window starts at 0 to
    step - 1, as in the released program. The paper rounds the step down, which is too small where cells don't divide a
    side.
    """
    sides = [(shown.shape[-1] + 1) * step for step in steps]
    large = functional.interpolate(shown[:, None].float(), sides, mode="bilinear")[:, 0]
    windows = zip(large, corners, strict=True)
    return torch.stack([mask[top : top + size[0], left : left + size[1]] for mask, (top, left) in windows])
