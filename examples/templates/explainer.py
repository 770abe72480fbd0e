"""An explainer in one file: how bright a pixel is.

File: ``synthscope/explainers/brightness.py``. Test: ``tests/explainers/test_brightness.py``. Line in
``synthscope/explainers/__init__.py``:

    EXPLAINERS.register("brightness", "synthscope.explainers.brightness:Brightness")
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from synthscope.config import Config
from synthscope.detectors.base import Detector
from synthscope.explainers.base import Explainer


class Brightness(Explainer):
    """How bright a pixel is: a control that knows nothing of the detector, and that others should beat."""

    class Options(Config):
        """What a user may set as ``-e brightness:power=2``."""

        power: float = Field(default=1.0, gt=0, le=8)

    name = "brightness"

    def heatmaps(self, detector: Detector, images: Tensor) -> Tensor:
        """``(B, h, w)`` in input coordinates, positive = AI, of ``(B, 3, h, w)`` images as the detector gets them."""
        return (images.float().mean(1) / 255) ** self.options.power
