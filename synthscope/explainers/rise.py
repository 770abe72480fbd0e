"""RISE: the mean probability under random smooth masks, for every pixel (Petsiuk et al., BMVC 2018)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from synthscope.config import Config
from synthscope.detectors.base import Detector
from synthscope.explainers.base import Explainer
from synthscope.explainers.occlusion import MAX_INPUTS


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
        generator = torch.Generator().manual_seed(self.options.seed)
        total = images.new_zeros(len(images), *images.shape[-2:])
        at_once = max(1, MAX_INPUTS // len(images))
        for first in range(0, self.options.masks, at_once):
            count = min(at_once, self.options.masks - first)
            masks = torch.stack([self._mask(images.shape[-2:], generator) for _ in range(count)]).to(images)
            shown = detector.mean + masks[:, None, None] * (images - detector.mean)
            scores = detector(shown.flatten(0, 1)).sigmoid().view(count, len(images))
            total += torch.einsum("mb,mhw->bhw", scores, masks)
        return total / (self.options.masks * self.options.keep)

    def _mask(self, size: torch.Size, generator: torch.Generator) -> Tensor:
        """Smooth ``size`` in [0, 1]: ``cells x cells`` zeros and ones, enlarged, cut out at random (section 3.2).

        With ``C = ceil(side / cells)`` they are enlarged to ``(cells + 1) * C`` a side, and the window starts at 0 to
        C - 1, as in the released program. The paper rounds C down, which is too small where cells don't divide a side.
        """
        cells = self.options.cells
        grid = (torch.rand(1, 1, cells, cells, generator=generator) < self.options.keep).float()
        steps = [-(-side // cells) for side in size]
        large = functional.interpolate(grid, [(cells + 1) * step for step in steps], mode="bilinear")[0, 0]
        top, left = (int(torch.randint(step, (), generator=generator)) for step in steps)
        return large[top : top + size[0], left : left + size[1]]
