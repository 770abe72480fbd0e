"""DRCT's two detectors: ConvNeXt-B, or frozen CLIP ViT-L/14, to a 1024-d embedding, and a linear layer (ICML 2024).

Published training adds reconstructed images and a margin loss on the embedding; what is trained here has neither.
"""

from __future__ import annotations

from torch import Tensor, nn

from synthscope.detectors.backbones import Backbone
from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.clip import FEATURES, ClipProbe
from synthscope.detectors.input import InputConfig

EMBEDDING = 1024
INPUT = InputConfig(resize=None, crop=224, corner="floor", small="pad")  # ImageNet's mean and deviation, for CLIP too
PAPER = (
    "Chen et al., DRCT: Diffusion Reconstruction Contrastive Training towards Universal Detection of Diffusion "
    "Generated Images, ICML 2024"
)
LICENCE = "Apache-2.0 (this code); the published weights have no licence: fetch them, do not redistribute them"
WEIGHTS = "trained by you: synthscope train; published: beibuwandeluori/DRCT"


class Embedded(nn.Module):
    """``model`` to an embedding, ``fc`` to one output; the published names."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.fc = nn.Linear(EMBEDDING, 1)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, 1)``."""
        return self.fc(self.model(images))


class DrctConvNext(Backbone):
    """ConvNeXt-B whose classifier gives the embedding; any size from 32 x 32 pixels."""

    model = "convnext_base.fb_in22k"
    default_input = INPUT
    paper = PAPER
    licence = LICENCE
    weights = f"{WEIGHTS}; options.pretrained=true starts from timm's ImageNet-22k weights"

    def _build(self, *, pretrained: bool) -> nn.Module:
        backbone = super()._build(pretrained=pretrained)
        backbone.reset_classifier(EMBEDDING)  # type: ignore[operator]
        return Embedded(backbone)


class DrctClip(ClipProbe):
    """CLIP ViT-L/14, frozen as published, with a trained linear layer to the embedding."""

    frozen = "net.model.model"
    default_input = INPUT
    paper = PAPER
    licence = LICENCE
    weights = f"{WEIGHTS}; the backbone's own from options.weights"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        embed = nn.Linear(self.tower.get("features", FEATURES), EMBEDDING)
        model = nn.ModuleDict({"model": self._tower(), "fc": embed})
        self.net = nn.ModuleDict({"model": model, "fc": nn.Linear(EMBEDDING, 1)})
        self._freeze()

    def head(self, features: Tensor) -> Tensor:
        """Logits ``(B,)`` of CLIP's features."""
        return super().head(self.net.get_submodule("model.fc")(features))
