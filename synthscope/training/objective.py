"""What a step lowers: the losses of the image's label, of contrasts, of artifact masks, of where attention goes.

A module of its own, because processes average the gradients of the one module that they call.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from synthscope.detectors.artifact_vit import ArtifactVit
from synthscope.detectors.base import Detector
from synthscope.detectors.cospy import CoSpy
from synthscope.detectors.hub import load_detector
from synthscope.detectors.probe import Probe
from synthscope.errors import UsageError
from synthscope.explainers.attention import attention_taps
from synthscope.training.alignment import alignment_loss, class_attention, patch_fractions
from synthscope.training.config import TrainConfig
from synthscope.training.contrast import Contrasted
from synthscope.training.losses import Weights
from synthscope.training.masks import REGION, artifact_loss, category_targets
from synthscope.training.mix import FeatureMix


def prepare(detector: Detector, config: TrainConfig) -> None:
    """Start ``detector``'s backbone from another detector and freeze it, as ``config`` says.

    Raises:
        UsageError: A task, an alignment, a transfer or a contrast that the detector is not made for.
    """
    if config.contrast is not None and not isinstance(detector, Contrasted):
        raise UsageError(
            f"Expected a detector with embeddings for contrast, such as rine, got {detector.config.architecture!r}. "
            f"Set contrast=null, or give the detector features and logits_and_embeddings."
        )
    if config.augment.mix_features is not None and not has_one_head(detector):
        raise UsageError(
            f"Expected a probe with one linear layer for augment.mix_features, got {detector.config.architecture!r}. "
            f"Set it to null; cospy needs detector.options.branch=semantic."
        )
    if isinstance(detector, CoSpy) and not config.uses_masks:
        _start_stage(detector, config)
        return
    if not isinstance(detector, ArtifactVit):
        if config.uses_masks or config.init_from or config.freeze != "none":
            raise UsageError(
                f"Expected architecture artifact_vit for task, align, init_from and freeze, got "
                f"{detector.config.architecture!r}. Change detector.architecture."
            )
        return
    if detector.options.task != config.task:
        raise UsageError(
            f"Expected detector.options.task {config.task!r}, which the run trains, got {detector.options.task!r}. "
            f"Set both to the same."
        )
    if config.init_from is not None:
        _take_backbone(detector, config.init_from)
    if config.freeze == "backbone":
        if config.init_from is None and detector.options.weights is None:
            raise UsageError(
                "Expected trained weights in a frozen backbone, got none. Set init_from or detector.options.weights."
            )
        detector.vit.requires_grad_(False)


def has_one_head(detector: Detector) -> bool:
    """Whether ``detector.head(detector.features(images))`` are its logits."""
    if isinstance(detector, CoSpy):
        return detector.options.branch == "semantic"
    return isinstance(detector, Probe) and type(detector).forward is Probe.forward


def _start_stage(detector: CoSpy, config: TrainConfig) -> None:
    if config.init_from is not None:
        detector.start_from(load_detector(config.init_from), config.init_from)
    if config.freeze == "backbone":
        if detector.options.branch != "both" or config.init_from is None:
            raise UsageError(
                "Expected detector.options.branch=both and init_from with freeze=backbone, which trains what joins two "
                "trained branches. Set them, or freeze=none."
            )
        detector.freeze_branches()


def _take_backbone(detector: ArtifactVit, folder: str) -> None:
    source = load_detector(folder)
    names = ArtifactVit.shape_options
    ours = {name: getattr(detector.options, name) for name in names}
    theirs = {name: source.config.options.get(name) for name in names}
    if not isinstance(source, ArtifactVit) or ours != theirs:
        raise UsageError(
            f"Expected an artifact_vit with the backbone {ours} in init_from, got {source.config.architecture} with "
            f"{theirs} in {folder}. Set detector.options to the same, or name another folder."
        )
    detector.load_backbone(source.vit.state_dict(), origin=folder)


class Objective(nn.Module):
    """``(images, targets, annotated)`` of a micro-batch -> its mean loss.

    ``BCE + weight * contrast``, or ``BCE + artifact_weight * masks + beta * alignment``, each a mean over all images of
    the micro-batch, in which those without annotations count as 0 in the latter two: so its size changes nothing but
    the contrast, which compares the images of one micro-batch.
    """

    def __init__(
        self,
        detector: Detector,
        config: TrainConfig,
        dtype: torch.dtype | None,
        weights: Weights = (1.0, 1.0),
        *,
        from_features: bool = False,
    ) -> None:
        super().__init__()
        self.detector, self.config, self.weights = detector, config, weights  # weights: of the classes
        self.from_features = from_features  # what comes in are not images, but a probe's features of them
        # the small gradients inside the rollout vanish in fp16, and no scaler reaches them
        self.dtype = None if config.aligned and dtype is torch.float16 else dtype

    def forward(self, images: Tensor, targets: Tensor, annotated: Tensor | None = None) -> Tensor:
        """Scalar loss.

        Args:
            images: ``(V * B, 3, h, w)``, or ``(B, 4, h, w)`` with targets in the fourth channel; or features of them.
            targets: float32 ``(B,)`` in [0, 1].
            annotated: float32 ``(B,)``, 1 where the masks of an image are known.
        """
        if annotated is not None:
            return self._masked(images[:, :3], targets, images[:, 3], annotated)
        contrast, mix = self.config.contrast, self.config.augment.mix_features
        with self._autocast(images):
            if mix is None:
                logits, embeddings = self._logits(images)
            else:
                logits, targets, embeddings = *self._mixed(images, targets, mix), None
        looks = self.config.augment.looks
        loss = self.config.loss(logits.float().view(looks, -1), targets, self.weights)
        if contrast is not None and embeddings is not None:
            loss = loss + contrast(embeddings, targets.repeat(looks))
        if isinstance(self.detector, CoSpy) and self.config.freeze == "backbone":
            loss = loss + self.detector.too_small_bias()
        return loss

    def _mixed(self, images: Tensor, targets: Tensor, mix: FeatureMix) -> tuple[Tensor, Tensor]:
        detector = self.detector
        assert isinstance(detector, Probe)
        features, targets = mix(images if self.from_features else detector.features(images), targets)
        return detector.head(features), targets

    def _logits(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        detector = self.detector
        if self.config.contrast is not None:
            assert isinstance(detector, Contrasted)
            return detector.logits_and_embeddings(images if self.from_features else detector.features(images))
        if self.from_features:
            assert isinstance(detector, Probe)
            return detector.head(images), None
        return detector(images), None

    def _masked(self, images: Tensor, targets: Tensor, planes: Tensor, annotated: Tensor) -> Tensor:
        detector, config, align = self.detector, self.config, self.config.aligned
        assert isinstance(detector, ArtifactVit)
        taps: AbstractContextManager[list[Tensor]] = attention_taps(detector.vit) if align else nullcontext([])
        with taps as attentions, self._autocast(images):
            logits, maps = detector.logits_and_maps(images)
        loss = torch.zeros((), device=images.device)
        if config.task != "artifacts":
            loss = loss + config.loss(logits.float()[None], targets, self.weights)
        if maps is not None:
            masks = artifact_loss(maps.float(), category_targets(planes), detector.options.masks)
            loss = loss + config.artifact_weight * (masks * annotated).mean()
        if align:
            grid = detector.vit.patch_embed.grid_size
            attention = class_attention(logits, attentions, grid=grid, second_order=align.second_order)
            wanted = patch_fractions((planes & REGION) > 0, detector.patch)
            apart = alignment_loss(attention, wanted, benign_weight=align.lambda_)
            loss = loss + align.beta * (apart * annotated).mean()
        return loss

    def _autocast(self, images: Tensor) -> torch.autocast:
        return torch.autocast(images.device.type, self.dtype, enabled=self.dtype is not None)
