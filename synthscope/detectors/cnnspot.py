"""CNNSpot (CNNDetection): ResNet-50 with one logit on native pixels, trained with blur and JPEG augmentation."""

from __future__ import annotations

from torch import nn

from synthscope.detectors.backbones import Backbone
from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.input import InputConfig


class CnnSpot(Backbone):
    """ResNet-50 whose head starts from N(0, 0.02).

    Images are not resized, as in the published ``eval.py``, which zero-pads images below the crop: all of them then
    fall into one class (GenImage: exactly 50.0 at 112 and 64 pixels). Here they are enlarged; ``input.small=pad``
    reproduces the published figures.
    """

    model = "resnet50"
    default_input = InputConfig(resize=None, crop=224, interpolation="bilinear", small="upscale")
    paper = "Wang et al., CNN-generated images are surprisingly easy to spot... for now, CVPR 2020, arXiv 1912.11035"
    licence = "Apache-2.0 (this code); the published weights are CC BY-NC-SA 4.0"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self._init_head()

    def _init_head(self) -> None:
        head = self.net.get_submodule("fc")
        assert isinstance(head, nn.Linear)
        nn.init.normal_(head.weight, 0.0, 0.02)

    def load_pretrained(self) -> None:
        """ImageNet weights, as in the published training code; the head starts from N(0, 0.02)."""
        super().load_pretrained()
        self._init_head()
