"""A detector in one file: logistic regression on the mean colour of a crop.

File: ``synthscope/detectors/mean_colour.py``. Test: ``tests/detectors/test_mean_colour.py``. Line in
``synthscope/detectors/__init__.py``:

    DETECTORS.register("mean_colour", "synthscope.detectors.mean_colour:MeanColour")

A row of the table in ``docs/reference/detectors.md`` says what ``synthscope detectors show mean_colour`` prints.
"""

from __future__ import annotations

from torch import Tensor, nn

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.input import InputConfig


class MeanColour(Detector):
    """Logistic regression on the mean colour of a crop."""

    class Options(Config):
        """What a user may set as ``--set detector.options.bias=false``."""

        bias: bool = True

    default_input = InputConfig(resize=None, crop=64)
    paper = "none"
    licence = "Apache-2.0"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.head = nn.Linear(3, 1, bias=self.options.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI, of ``(B, 3, h, w)`` images, uint8 or float in 0..255."""
        return self.head(self.normalize(images).mean((2, 3)))[:, 0]
