"""CO-SPY: what an image shows beside the traces of its pixels, one logit of both (Cheng et al., CVPR 2025).

Two published detectors: for diffusion, SigLIP beside what Stable Diffusion's autoencoder cannot rebuild; for GANs, CLIP
beside NPR. The former is trained in three stages: a branch, the other branch, then what joins their logits.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.clip import CLIP_MEAN, CLIP_STD, FEATURES, TINY, ClipOptions, ClipProbe
from synthscope.detectors.input import IMAGENET_MEAN, IMAGENET_STD, InputConfig
from synthscope.detectors.npr import NprNet, NprTrunk
from synthscope.detectors.probe import Probe, ProbeOptions
from synthscope.detectors.residual import nearest_residual
from synthscope.detectors.sd_vae import WIDTHS, Autoencoder, modern_names
from synthscope.detectors.timm_models import timm_model
from synthscope.errors import SynthscopeError, UsageError

ARTIFACT_SIDE = 224  # pixels of what the autoencoder rebuilds
TINY_SIGLIP = {"embed_dim": 64, "depth": 2, "num_heads": 4}
TINY_WIDTHS = (32, 32, 32, 32)
START, LEAST_BIAS = 0.5, 2.0  # of the joining layer: its weights, give or take 0.02, and the bias that it begins with
PAPER = (
    "Cheng et al., CO-SPY: Combining Semantic and Pixel Features to Detect Synthetic Images by AI, CVPR 2025, "
    "arXiv 2503.18286"
)
LICENCE = "MIT; that of the published weights is not stated"


class CoSpy(Probe):
    """SigLIP's features and the autoencoder's error; in the published program ``sd-v1_4``."""

    class Options(ProbeOptions):
        """Of the networks; ``weights`` are SigLIP's, or the autoencoder's where the artifact branch is alone."""

        size: Literal["so400m", "tiny"] = "so400m"  # tiny: without published weights, to train or try out on a CPU
        # whose logit it is: artifact has no semantic branch, semantic keeps the artifact branch as it is
        branch: Literal["both", "artifact", "semantic"] = "both"

    options: Options
    frozen = "net.semantic.model"
    default_input = InputConfig(
        resize=384, crop=384, interpolation="pillow_bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    paper = PAPER
    licence = f"{LICENCE}, SigLIP's are Apache-2.0, the autoencoder's CreativeML OpenRAIL-M"
    weights = (
        "trained by you: synthscope train, in three stages, from Stable Diffusion's autoencoder and SigLIP; published: "
        "sd-v1_4.zip of hf-hub:ruojiruoli/Co-Spy-Pretrained-Weights, unpacked, on SigLIP's own"
    )

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        tiny = self.options.size == "tiny"
        encoder = ReconstructionError(TINY_WIDTHS if tiny else WIDTHS)
        if self.options.branch == "artifact":
            self.net = nn.ModuleDict({"artifact": _artifact(encoder)})
        else:
            siglip: Any = timm_model(
                "vit_so400m_patch14_siglip_384", config.input, num_classes=0, **(TINY_SIGLIP if tiny else {})
            )
            self.net = _branches(siglip, int(siglip.embed_dim), encoder)
        self._freeze()
        if self.options.branch == "semantic":
            self._artifact_trains(False)
            self.net["fusion"].requires_grad_(False)

    @property
    def backbone(self) -> nn.Module:
        """SigLIP; the autoencoder where the artifact branch is alone."""
        alone = self.options.branch == "artifact"
        return self.get_submodule("net.artifact.artifact_encoder.vae" if alone else self.frozen)

    def _artifact_trains(self, trains: bool) -> None:
        self.net["artifact"].requires_grad_(trains)
        self.net.get_submodule("artifact.artifact_encoder.vae").requires_grad_(False)

    def train(self, mode: bool = True) -> CoSpy:
        """As for any module, but what is frozen stays in evaluation mode, batch norms above all."""
        super().train(mode)
        if not self.net.get_submodule("artifact.fc").weight.requires_grad:
            self.net["artifact"].eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        if self.options.branch == "semantic":
            return self.head(self.features(images))
        if not self.has_features:
            raise self._no_features()
        small = functional.interpolate(
            images.float() / 255, (ARTIFACT_SIDE, ARTIFACT_SIDE), mode="bilinear", align_corners=False
        )
        traces = self.net.get_submodule("artifact.artifact_encoder")(small)
        if self.options.branch == "artifact":
            return self.net.get_submodule("artifact.fc")(traces)[:, 0]
        return _fused(self.net, self.features(images), traces)

    def head(self, features: Tensor) -> Tensor:
        """Logits ``(B,)`` of the semantic branch alone."""
        return self.net.get_submodule("semantic.fc")(features)[:, 0]

    def start_from(self, source: Detector, origin: str) -> None:
        """Take the branches that another stage has trained.

        Args:
            source: A CO-SPY detector of the same size.
            origin: Its folder, for the error.

        Raises:
            UsageError: Another detector, or one with other sizes.
        """
        if not isinstance(source, CoSpy) or source.options.size != self.options.size or "artifact" not in self.net:
            raise UsageError(
                f"Expected a cospy of size {self.options.size} in init_from, got {source.config.architecture} in "
                f"{origin}. Name the folder of the stage before."
            )
        for name in source.net:
            if name in self.net and (name != "semantic" or source.has_features):
                self.net[name].load_state_dict(source.net[name].state_dict())

    def freeze_branches(self) -> None:
        """Leave the joining layer alone to be trained, and start it where the published program does."""
        self.requires_grad_(False)
        joining: Any = self.net.get_submodule("fusion.fc").requires_grad_()
        nn.init.normal_(joining.weight, START, 0.02)
        nn.init.constant_(joining.bias, LEAST_BIAS)

    def too_small_bias(self) -> Tensor:
        """By how much the joining layer's bias is below the published least: part of that stage's loss."""
        joining: Any = self.net.get_submodule("fusion.fc")
        return functional.relu(LEAST_BIAS - joining.bias[0])

    def backbone_name(self) -> str:
        """timm's name of SigLIP's weights."""
        return "vit_so400m_patch14_siglip_384.webli"

    def _no_features(self) -> SynthscopeError:
        if self.options.branch != "artifact":
            return super()._no_features()
        return SynthscopeError(
            "Expected the weights of Stable Diffusion's autoencoder, got none. Download vae/"
            "diffusion_pytorch_model.safetensors of https://huggingface.co/CompVis/stable-diffusion-v1-4 and set "
            "options.weights to the file, or to random to train behind a random one on purpose."
        )

    def backbone_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """timm's names, or open_clip's, whose text side is left out; of the autoencoder those of diffusers."""
        if self.options.branch == "artifact":
            return modern_names(state)
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
            "artifact": _artifact(encoder),
            "fusion": nn.ModuleDict({"fc": nn.Linear(2, 1)}),
        }
    )


def _artifact(encoder: nn.Module) -> nn.ModuleDict:
    return nn.ModuleDict({"artifact_encoder": encoder, "fc": nn.Linear(512, 1)})


def _fused(net: nn.ModuleDict, meaning: Tensor, traces: Tensor) -> Tensor:
    """One logit ``(B,)`` of those of both branches, the semantic one first."""
    logits = net.get_submodule("semantic.fc")(meaning), net.get_submodule("artifact.fc")(traces)
    return net.get_submodule("fusion.fc")(torch.cat(logits, 1))[:, 0]
