"""UniversalFakeDetect: a linear classifier on the frozen image embedding of CLIP ViT-L/14 (Ojha et al., CVPR 2023)."""

from __future__ import annotations

from torch import nn

from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.clip import CLIP_MEAN, CLIP_STD, FEATURES, ClipProbe
from synthscope.detectors.input import InputConfig


class UnivFd(ClipProbe):
    """CLIP ViT-L/14 embedding, one linear layer.

    Images are cropped without a resize and padded with zeros, as in the published evaluation; CLIP's own resize
    changes the figures.
    """

    default_input = InputConfig(resize=None, crop=224, small="pad", mean=CLIP_MEAN, std=CLIP_STD)
    paper = (
        "Ojha, Li and Lee, Towards Universal Fake Image Detectors that Generalize Across Generative Models, "
        "CVPR 2023, arXiv 2302.10174"
    )
    licence = "Apache-2.0 (this code); the published head and CLIP's weights are MIT"
    weights = (
        "trained by you: synthscope train; published: fc_weights.pth of WisconsinAIVision/UniversalFakeDetect, on "
        "OpenAI's CLIP ViT-L/14"
    )

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        head = nn.Linear(self.tower.get("features", FEATURES), 1)
        nn.init.normal_(head.weight, 0.0, 0.02)
        self.net = nn.ModuleDict({"model": self._tower(), "fc": head})
        self._freeze()
