"""Community Forensics: a small vision transformer that saw the images of thousands of generators (Park, CVPR 2025)."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.downloads import download
from synthscope.detectors.input import InputConfig
from synthscope.detectors.residual import residual
from synthscope.detectors.timm_models import timm_model


class CommunityForensics(Detector):
    """ViT-S/16 at 384 pixels, trained whole; ImageNet's statistics, not those of the backbone's own weights.

    The second published file is for 224 pixels: ``input.resize=256 input.crop=224``.
    """

    class Options(Config):
        """Of the transformer."""

        size: Literal["small", "tiny"] = "small"  # tiny: in the published code, without published weights
        pretrained: bool = False  # start from timm's ImageNet weights, as published
        residual: bool = False  # see the high-pass residual: with few images and steps it teaches more than pixels

    options: Options
    default_input = InputConfig(resize=440, crop=384, interpolation="pillow_bilinear")
    paper = (
        "Park and Owens, Community Forensics: Using Thousands of Generators to Train Fake Image Detectors, CVPR 2025, "
        "arXiv 2411.04125"
    )
    licence = "MIT"
    weights = (
        "trained by you: synthscope train, options.pretrained=true starts from timm's ImageNet weights; published: "
        "hf-hub:OwensLab/commfor-model-384 and hf-hub:OwensLab/commfor-model-224"
    )

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        vit: Any = timm_model(f"vit_{self.options.size}_patch16_384", config.input, num_classes=1)
        self.net = nn.ModuleDict({"vit": vit})

    def load_pretrained(self) -> None:
        """Replace all weights but the head by timm's of ImageNet-21k and 1k, those of 224 pixels for a crop of 224."""
        side = 224 if self.config.input.side == 224 else 384
        name = f"vit_{self.options.size}_patch16_{side}.augreg_in21k_ft_in1k"
        with download(
            f"ImageNet weights {name} from the Hugging Face Hub",
            "Connect to the network, or set options.pretrained=false to start from scratch.",
        ):
            state = timm_model(name, self.config.input, num_classes=1, pretrained=True).state_dict()
        self.net["vit"].load_state_dict(state)

    def no_decay(self) -> set[str]:
        """timm's list: the class token and the position embeddings."""
        return {f"net.vit.{name}" for name in self.net["vit"].no_weight_decay()}  # type: ignore[operator]

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        pixels = self.normalize(images)
        return self.net["vit"](residual(pixels) if self.options.residual else pixels)[:, 0]
