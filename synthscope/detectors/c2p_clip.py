"""C2P-CLIP: CLIP ViT-L/14 that learnt with prompts to tell cameras from generators (Tan et al., AAAI 2025).

At test time only the image tower, with the training's low-rank updates already in its weights, and a linear layer on
the normalised embedding are left. Training needs captions and the text tower and is not here: what is trained here is
the linear layer on frozen CLIP.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.clip import CLIP_MEAN, CLIP_STD, FEATURES, AnyClipOptions, ClipProbe
from synthscope.detectors.input import InputConfig


class C2pClip(ClipProbe):
    """CLIP's embedding divided by its length, and one linear layer.

    The released script resizes the short side to 224. Others crop native pixels: ``input.resize=null
    input.small=tile``. Scores of the two differ strongly.
    """

    class Options(AnyClipOptions):
        """Of the tower."""

    options: Options
    default_input = InputConfig(resize=224, interpolation="pillow_bilinear", crop=224, mean=CLIP_MEAN, std=CLIP_STD)
    paper = (
        "Tan et al., C2P-CLIP: Injecting Category Common Prompt in CLIP to Enhance Generalization in Deepfake "
        "Detection, AAAI 2025, arXiv 2408.09647"
    )
    licence = "Apache-2.0 (this code); the published weights have no licence: fetch them, do not redistribute them"
    weights = (
        "published: C2P_CLIP_release_20240901.zip of chuangchuangtan/C2P-CLIP-DeepfakeDetection, unpacked; trained by "
        "you: the linear layer alone, on CLIP's own in options.weights"
    )

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        head = nn.Linear(self._sizes().get("features", FEATURES), 1)
        self.net = nn.ModuleDict({"model": self._tower(), "fc": head})
        self._freeze()

    def features(self, images: Tensor) -> Tensor:
        """``(B, 768)`` of length 1."""
        return functional.normalize(super().features(images), dim=-1)
