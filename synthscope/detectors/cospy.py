"""CO-SPY: what an image shows beside the traces of its pixels, one logit of both (Cheng et al., CVPR 2025).

Two published detectors: for diffusion, SigLIP beside what Stable Diffusion's autoencoder cannot rebuild; for GANs, CLIP
beside NPR. The published training in three stages is not here.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthscope.detectors.base import DetectorConfig
from synthscope.detectors.clip import CLIP_MEAN, CLIP_STD, FEATURES, TINY, ClipOptions, ClipProbe
from synthscope.detectors.input import IMAGENET_MEAN, IMAGENET_STD, InputConfig
from synthscope.detectors.npr import NprNet, NprTrunk
from synthscope.detectors.probe import Probe, ProbeOptions
from synthscope.detectors.residual import nearest_residual
from synthscope.detectors.sd_vae import WIDTHS, Autoencoder
from synthscope.detectors.timm_models import timm_model

ARTIFACT_SIDE = 224  # pixels of what the autoencoder rebuilds
TINY_SIGLIP = {"embed_dim": 64, "depth": 2, "num_heads": 4}
TINY_WIDTHS = (32, 32, 32, 32)
PAPER = (
    "Cheng et al., CO-SPY: Combining Semantic and Pixel Features to Detect Synthetic Images by AI, CVPR 2025, "
    "arXiv 2503.18286"
)
LICENCE = "MIT; that of the published weights is not stated"


class CoSpy(Probe):
    """SigLIP's features and the autoencoder's error; in the published program ``sd-v1_4``."""

    class Options(ProbeOptions):
        """Of the networks; ``weights`` are SigLIP's."""

        size: Literal["so400m", "tiny"] = "so400m"  # tiny: without published weights, to try out on a CPU

    options: Options
    frozen = "net.semantic.model"
    default_input = InputConfig(
        resize=384, crop=384, interpolation="pillow_bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    paper = PAPER
    licence = f"{LICENCE}, SigLIP's are Apache-2.0, the autoencoder's CreativeML OpenRAIL-M"
    weights = "published: sd-v1_4.zip of hf-hub:ruojiruoli/Co-Spy-Pretrained-Weights, unpacked, on SigLIP's own"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        tiny = self.options.size == "tiny"
        siglip: Any = timm_model(
            "vit_so400m_patch14_siglip_384", config.input, num_classes=0, **(TINY_SIGLIP if tiny else {})
        )
        encoder = ReconstructionError(TINY_WIDTHS if tiny else WIDTHS)
        self.net = _branches(siglip, int(siglip.embed_dim), encoder)
        self._freeze()

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        small = functional.interpolate(
            images.float() / 255, (ARTIFACT_SIDE, ARTIFACT_SIDE), mode="bilinear", align_corners=False
        )
        return _fused(self.net, self.features(images), self.net.get_submodule("artifact.artifact_encoder")(small))

    def backbone_name(self) -> str:
        """timm's name of SigLIP's weights."""
        return "vit_so400m_patch14_siglip_384.webli"

    def backbone_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """timm's names, or open_clip's, whose text side is left out."""
        prefix = "visual.trunk."
        theirs = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        return theirs or state


class CoSpyProgan(ClipProbe):
    """CLIP's embedding and NPR's residual; in the published program ``progan``."""

    class Options(ClipOptions):
        """Of the tower."""

    options: Options
    artifact_mean: Tensor
    artifact_std: Tensor
    frozen = "net.semantic.model"
    default_input = InputConfig(resize=256, crop=224, interpolation="pillow_bilinear", mean=CLIP_MEAN, std=CLIP_STD)
    paper = PAPER
    licence = f"{LICENCE}, CLIP's are MIT"
    weights = "published: progan.zip of hf-hub:ruojiruoli/Co-Spy-Pretrained-Weights, unpacked, on CLIP's own"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        features = TINY["features"] if self.options.tower == "tiny" else FEATURES
        self.net = _branches(self._tower(), features, NprNet())  # whose own fc1 is never asked
        self._freeze()
        for name, values in (("artifact_mean", IMAGENET_MEAN), ("artifact_std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1) * 255, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        pixels = (images.float() - self.artifact_mean) / self.artifact_std
        encoder: Any = self.net.get_submodule("artifact.artifact_encoder")
        return _fused(self.net, self.features(images), encoder.features(nearest_residual(pixels) * (2 / 3)))


class ReconstructionError(NprTrunk):
    """NPR's trunk on what the autoencoder does not rebuild of pixels in 0..1."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.vae = Autoencoder(widths).requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, 512)``."""
        return self.features((images - self.vae(images)) / 7 * 100)


def _branches(model: nn.Module, features: int, encoder: nn.Module) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "semantic": nn.ModuleDict({"model": model, "fc": nn.Linear(features, 1)}),
            "artifact": nn.ModuleDict({"artifact_encoder": encoder, "fc": nn.Linear(512, 1)}),
            "fusion": nn.ModuleDict({"fc": nn.Linear(2, 1)}),
        }
    )


def _fused(net: nn.ModuleDict, meaning: Tensor, traces: Tensor) -> Tensor:
    """One logit ``(B,)`` of those of both branches, the semantic one first."""
    logits = net.get_submodule("semantic.fc")(meaning), net.get_submodule("artifact.fc")(traces)
    return net.get_submodule("fusion.fc")(torch.cat(logits, 1))[:, 0]
