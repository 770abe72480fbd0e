"""Classification backbones of GenImage (ResNet-50, DeiT-S, Swin-T) and any other timm model, with one logit.

GenImage trained two outputs with softmax; here ``logit = z_ai - z_real`` is a single output. Losses on the
probabilities ``[1 - sigmoid(logit), sigmoid(logit)]`` are the same functions, so the published recipes carry over.
"""

from __future__ import annotations

import difflib
from typing import Any, ClassVar, cast

from pydantic import Field
from torch import Tensor, nn

from synthscope import runtime
from synthscope.config import Config, validate
from synthscope.detectors.base import Detector, DetectorConfig, InputConfig
from synthscope.detectors.residual import residual
from synthscope.errors import SynthscopeError, UsageError, suggest

GENIMAGE = "Zhu et al., GenImage, NeurIPS 2023, arXiv 2306.08571"


class BackboneOptions(Config):
    """Options of every timm backbone."""

    pretrained: bool = False  # start from ImageNet weights; GenImage starts from scratch
    drop_path: float = Field(default=0.0, ge=0, lt=1)  # stochastic depth
    residual: bool = False  # show the high-pass residual, from which few images and steps teach more than from pixels


class Backbone(Detector):
    """A timm model with one output; the model is ``self.net``."""

    Options: ClassVar[type[Config] | None] = BackboneOptions
    model: ClassVar[str] = ""  # timm's name
    licence = "Apache-2.0 (timm)"
    weights = "trained by you: synthscope train; options.pretrained=true starts from timm's ImageNet weights"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.residual = bool(config.options.get("residual"))
        self.net = self._build(pretrained=False)

    def _build(self, *, pretrained: bool) -> nn.Module:
        options = validate(cast(type[BackboneOptions], self.Options), self.config.options, "options")
        name = self.model or timm_name(self.config.architecture)
        arguments: dict[str, Any] = {"drop_path_rate": options.drop_path} if options.drop_path else {}
        if _pretrained_cfg(name).get("fixed_input_size"):
            if self.config.input.crop is None:
                raise UsageError(f"Expected input.crop in pixels for {name}, got none. Set input.crop, such as 224.")
            arguments["img_size"] = self.config.input.crop
        return runtime.import_timm().create_model(name, pretrained=pretrained, num_classes=1, **arguments)

    def load_pretrained(self) -> None:
        """Replace all weights but the head by timm's ImageNet weights, downloaded where they aren't cached."""
        try:
            state = self._build(pretrained=True).state_dict()
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise SynthscopeError(
                f"Expected ImageNet weights of {self.config.architecture} from the Hugging Face Hub, got: {reason} "
                f"Connect to the network, or set options.pretrained=false to start from scratch."
            ) from error
        self.net.load_state_dict(state)

    def no_decay(self) -> set[str]:
        """timm's list, such as positional embeddings and Swin's relative position tables."""
        spared: set[str] = getattr(self.net, "no_weight_decay", set)()
        return {f"net.{name}" for name, _ in self.net.named_parameters() if any(key in name for key in spared)}

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        pixels = self.normalize(images)
        return self.net(residual(pixels) if self.residual else pixels)[:, 0]


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


class Timm(Backbone):
    """Any timm model, written ``timm:NAME``; its input is the one of timm's pretrained configuration."""

    @classmethod
    def input_for(cls, architecture: str) -> InputConfig:
        """Resize, crop, interpolation, mean and standard deviation of timm's pretrained configuration."""
        timm = runtime.import_timm()
        data = timm.data.resolve_data_config(pretrained_cfg=_pretrained_cfg(timm_name(architecture)))
        crop = int(data["input_size"][1])
        return InputConfig(
            resize=int(crop / data["crop_pct"]),
            resize_mode="square" if data["crop_mode"] == "squash" else "short",
            crop=crop,
            interpolation="bilinear" if data["interpolation"] == "bilinear" else "bicubic",
            mean=tuple(data["mean"]),
            std=tuple(data["std"]),
        )


def timm_name(architecture: str) -> str:
    """``NAME`` of ``timm:NAME``.

    Raises:
        UsageError: No such model; also for ``hf-hub:`` names, which would download and run a foreign configuration.
    """
    timm = runtime.import_timm()
    _, _, name = architecture.partition(":")
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)  # naming all of a thousand helps nobody
        advice = suggest(name, near) if near else "Write timm:NAME, such as timm:convnext_tiny."
        raise UsageError(f"Expected a timm model, got {name!r}. {advice}")
    return name


def _pretrained_cfg(name: str) -> dict[str, Any]:
    config = runtime.import_timm().get_pretrained_cfg(name, allow_unregistered=True)
    return config.to_dict() if config else {}
