"""Probes: a small trained head on a frozen network, and the linear one on the features of any timm model.

The backbone's own weights are asked for by name or file; a probe never looks at random features unless told to.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor, nn

from synthscope.config import Config
from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.checkpoints import read_checkpoint
from synthscope.detectors.downloads import weights_file
from synthscope.detectors.input import InputConfig
from synthscope.detectors.timm_models import backbone_weights, pretrained_cfg, timm_model
from synthscope.detectors.weights import WEIGHTS, unusable, with_counters
from synthscope.errors import SynthscopeError, UsageError


class ProbeOptions(Config):
    """Where the frozen backbone's weights come from. A saved detector holds them and reads none of these again."""

    weights: str | None = None  # FILE, local-dir:FOLDER, hf-hub:OWNER/NAME[@REVISION] (downloads), or random


class Probe(Detector):
    """A frozen backbone, named by ``frozen``, under a trained linear layer ``net.fc``.

    The backbone gets no gradient and stays in evaluation mode, but gradients flow through it to the input.
    """

    options: ProbeOptions
    frozen: ClassVar[str] = "net.model"
    net: nn.ModuleDict

    def _freeze(self) -> None:
        """Called by constructors once ``self.net`` is built."""
        self.has_features = self.options.weights == "random"
        self.backbone.requires_grad_(False).eval()
        self.backbone.register_load_state_dict_post_hook(self._loaded)

    def _loaded(self, module: nn.Module, keys: Any) -> None:
        self.has_features = not keys.missing_keys

    @property
    def backbone(self) -> nn.Module:
        """The frozen part of ``self.net``."""
        return self.get_submodule(self.frozen)

    def train(self, mode: bool = True) -> Probe:
        """As for any module, but the backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def load_pretrained(self) -> None:
        """Fill the backbone from ``options.weights``.

        Raises:
            UsageError: No such file.
            SynthscopeError: No weights named, a failed download, or a file whose keys, shapes or numbers don't fit.
        """
        if self.options.weights is None:
            raise self._no_features()
        if self.options.weights == "random":
            return
        file = weights_file(self.options.weights)
        wanted = self.backbone.state_dict()
        state = with_counters(self.backbone_state(read_checkpoint(file)[0]), wanted)
        if problem := unusable(state, wanted):
            raise SynthscopeError(
                f"Expected exactly the weights of {self.backbone_name()} in {file}, got {problem}. "
                f"Choose the file that belongs to it; input.crop must be the size that the weights were made for."
            )
        self.backbone.load_state_dict(state)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B,)``, positive = AI."""
        return self.head(self.features(images))

    def head(self, features: Tensor) -> Tensor:
        """Logits ``(B,)`` of what :meth:`features` gives, which training may keep where nothing in it is trained."""
        return self.net["fc"](features)[:, 0]

    @abstractmethod
    def backbone_name(self) -> str:
        """timm's name of the backbone, with the tag of its weights."""

    def backbone_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """What a weights file holds, in the names of :attr:`backbone`; foreign keys stay, for the check to find."""
        return state

    def features(self, images: Tensor) -> Tensor:
        """Frozen features ``(B, D)``, not normalised, of ``(B, 3, h, w)`` images, uint8 or float in 0..255.

        Raises:
            SynthscopeError: The backbone's weights are random, and nobody asked for that.
        """
        if not self.has_features:
            raise self._no_features()
        return self.backbone(self.normalize(images))

    def _no_features(self) -> SynthscopeError:
        repository = f"timm/{self.backbone_name()}"
        return SynthscopeError(
            f"Expected trained weights of the backbone {self.backbone_name()}, got none. Download {WEIGHTS} of "
            f"https://huggingface.co/{repository} and set options.weights to the file, set it to hf-hub:{repository} "
            f"to have it downloaded, or to random to probe random features on purpose."
        )


class LinearProbe(Probe):
    """Logistic regression on the pooled features of a frozen timm model, taken as they are."""

    class Options(ProbeOptions):
        """The backbone; input.crop, input.mean and input.std must be those that it was trained with."""

        backbone: str = Field(default="vit_small_patch16_224.dino", min_length=1)  # timm's name, best with its tag

    options: Options
    default_input = InputConfig(resize=None, crop=224)
    paper = "Alain and Bengio, Understanding intermediate layers using linear classifier probes, arXiv 1610.01644"
    licence = "Apache-2.0 (timm); that of the backbone's weights binds the detector too"
    weights = "trained by you: synthscope train; the backbone's own from options.weights"

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        model: Any = timm_model(self.backbone_name(), config.input, num_classes=0)
        self.net = nn.ModuleDict({"model": model, "fc": nn.Linear(model.head_hidden_size, 1)})
        self._freeze()

    def load_pretrained(self) -> None:
        """Fill the backbone from ``options.weights``; another mean or deviation than its own is refused."""
        super().load_pretrained()
        cfg = pretrained_cfg(self.backbone_name()) if self.options.weights != "random" else {}
        for field in ("mean", "std"):
            ours, theirs = getattr(self.config.input, field), tuple(cfg.get(field, ()))
            if theirs and theirs != ours:
                raise UsageError(
                    f"Expected input.{field} {list(theirs)}, which {self.backbone_name()} was trained with, got "
                    f"{list(ours)}. Set it."
                )

    def backbone_name(self) -> str:
        """``options.backbone``."""
        return self.options.backbone

    def backbone_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """``state`` without timm's classifier, which a probe replaces."""
        return backbone_weights(state, self.backbone_name(), self.backbone.state_dict())
