"""Classification backbones of GenImage (ResNet-50, DeiT-S, Swin-T) and any other timm model, with one logit.

GenImage trained two outputs with softmax; here ``logit = z_ai - z_real`` is a single output. Losses on the
probabilities ``[1 - sigmoid(logit), sigmoid(logit)]`` are the same functions, so the published recipes carry over.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor, nn

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.checkpoints import read_checkpoint
from synthscope.detectors.downloads import download, weights_file
from synthscope.detectors.input import InputConfig
from synthscope.detectors.residual import residual
from synthscope.detectors.timm_models import backbone_weights, pretrained_cfg, timm_input, timm_model
from synthscope.detectors.weights import unusable
from synthscope.errors import SynthscopeError

GENIMAGE = "Zhu et al., GenImage, NeurIPS 2023, arXiv 2306.08571"


class BackboneOptions(Config):
    """Options of every timm backbone."""

    pretrained: bool = False  # start from ImageNet weights; GenImage starts from scratch
    drop_path: float = Field(default=0.0, ge=0, lt=1)  # stochastic depth
    residual: bool = False  # show the high-pass residual, from which few images and steps teach more than from pixels


class Backbone(Detector):
    """A timm model with one output; the model is ``self.net``."""

    Options: ClassVar[type[Config] | None] = BackboneOptions
    options: BackboneOptions
    model: ClassVar[str] = ""  # timm's name
    licence = "Apache-2.0 (timm)"
    weights = "trained by you: synthscope train; options.pretrained=true starts from timm's ImageNet weights"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.net = self._build(pretrained=False)

    def _build(self, *, pretrained: bool) -> nn.Module:
        drop_path = self.options.drop_path
        arguments: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}  # not every model takes it
        name = self.model or _after_colon(self.config.architecture)
        return timm_model(name, self.config.input, pretrained=pretrained, num_classes=1, **arguments)

    def load_pretrained(self) -> None:
        """Replace all weights but the head by timm's ImageNet weights, downloaded where they aren't cached."""
        with download(
            f"ImageNet weights of {self.config.architecture} from the Hugging Face Hub",
            "Connect to the network, or set options.pretrained=false to start from scratch.",
        ):
            state = self._build(pretrained=True).state_dict()
        self.net.load_state_dict(state)

    def no_decay(self) -> set[str]:
        """timm's list, such as positional embeddings and Swin's relative position tables."""
        spared: set[str] = getattr(self.net, "no_weight_decay", set)()
        return {f"net.{name}" for name, _ in self.net.named_parameters() if any(key in name for key in spared)}

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        pixels = self.normalize(images)
        return self.net(residual(pixels) if self.options.residual else pixels)[:, 0]


class Resnet50(Backbone):
    """ResNet-50; short side to floor(224 / 0.95) = 235, as timm 0.6.12 evaluates it."""

    model = "resnet50"
    default_input = InputConfig(resize=235, crop=224, interpolation="bicubic")
    paper = f"He et al., CVPR 2016; {GENIMAGE}"


class DeitS(Backbone):
    """DeiT-S without distillation, drop path 0.1 (facebookresearch/deit ``main.py`` defaults)."""

    class Options(BackboneOptions):
        """DeiT's drop path."""

        drop_path: float = Field(default=0.1, ge=0, lt=1)

    model = "deit_small_patch16_224"
    default_input = InputConfig(resize=256, crop=224, interpolation="bicubic")
    paper = f"Touvron et al., ICML 2021; {GENIMAGE}"


class SwinT(Backbone):
    """Swin-T, drop path 0.2 (``swin_tiny_patch4_window7_224.yaml``)."""

    class Options(BackboneOptions):
        """Swin's drop path."""

        drop_path: float = Field(default=0.2, ge=0, lt=1)

    model = "swin_tiny_patch4_window7_224"
    default_input = InputConfig(resize=256, crop=224, interpolation="bicubic")
    paper = f"Liu et al., ICCV 2021; {GENIMAGE}"


class TimmOptions(BackboneOptions):
    """Weights to start from may lie in a file."""

    # ImageNet weights: timm's, or where they are, as in options.weights of a probe
    pretrained: bool | str = False  # type: ignore[assignment]


class Timm(Backbone):
    """Any timm model, written ``timm:NAME``; its input is the one of timm's pretrained configuration."""

    Options = TimmOptions

    def load_pretrained(self) -> None:
        """Replace all weights but the head by timm's, or by those of a file that fits exactly."""
        source = self.options.pretrained
        if not isinstance(source, str):
            return super().load_pretrained()
        name, file = _after_colon(self.config.architecture), weights_file(source)
        own = self.net.state_dict()
        head = {key: value for key, value in own.items() if key.startswith(f"{pretrained_cfg(name)['classifier']}.")}
        wanted = {key: value for key, value in own.items() if key not in head}
        state = backbone_weights(read_checkpoint(file)[0], name, wanted)
        if problem := unusable(state, wanted):
            raise SynthscopeError(
                f"Expected exactly the weights of {name} in {file}, got {problem}. Choose the file that belongs to it."
            )
        self.net.load_state_dict(state | head)

    @classmethod
    def input_for(cls, architecture: str) -> InputConfig:
        """Input of timm's pretrained configuration. Raises ``UsageError`` for an unknown model."""
        return timm_input(_after_colon(architecture))


def _after_colon(architecture: str) -> str:
    return architecture.partition(":")[2]
