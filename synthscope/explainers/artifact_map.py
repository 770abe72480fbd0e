"""The detector's own answer to where the artifacts are, where it has one: the probabilities of its artifact head."""

from __future__ import annotations

import torch
from torch import Tensor

from synthscope.detectors.artifact_vit import ArtifactVit, MaskForm
from synthscope.detectors.base import Detector
from synthscope.errors import UsageError
from synthscope.explainers.base import FromForward
from synthscope.explainers.forward import Forward, Taps
from synthscope.explainers.targets import ANY


class ArtifactMap(FromForward):
    """Probability that a pixel lies in an artifact of any category; see :func:`artifact_probabilities`.

    What the artifact head says, not what the verdict rests on: X-AIGD (Table 13) compares the two.
    """

    name = "artifact_map"

    def layer(self, detector: Detector) -> str:
        """``mask_head``."""
        self._head(detector)
        return "mask_head"

    def taps(self, detector: Detector) -> Taps:
        """The artifact head."""
        return Taps(outputs=(self.layer(detector),))

    def maps(self, detector: Detector, images: Tensor, seen: Forward) -> list[Tensor]:
        """The heatmaps, in 0..1."""
        head = self._head(detector)
        logits = head.enlarge(seen.outputs[self.layer(detector)], images.shape[-2:])
        return [artifact_probabilities(logits.float(), head.options.masks)[:, 0]]

    def _head(self, detector: Detector) -> ArtifactVit:
        if (head := artifact_head(detector)) is None:
            raise UsageError(f"Expected a detector of artifacts for {self.name}, got {detector.config.name}. {ANY}")
        return head


def artifact_head(detector: Detector) -> ArtifactVit | None:
    """``detector`` if it draws artifacts, else None."""
    return detector if isinstance(detector, ArtifactVit) and detector.mask_head is not None else None


def artifact_probabilities(maps: Tensor, form: MaskForm) -> Tensor:
    """Probabilities of any artifact (channel 0) and of each category (1..7) from artifact logits ``(B, 8, h, w)``.

    In the softmax form any artifact is what the background leaves, 1 - p(background). In the sigmoid form it is the
    maximum over the categories, which are not independent.

    >>> maps = torch.tensor([1.0, 1, 1, 1, 1, 1, 1, 3]).view(1, 8, 1, 1)
    >>> [round(artifact_probabilities(maps, form)[0, 0].item(), 3) for form in ("softmax", "sigmoid")]
    [0.931, 0.953]
    """
    if form == "sigmoid":
        categories = maps[:, 1:].sigmoid()
        return torch.cat([categories.amax(1, keepdim=True), categories], dim=1)
    categories = maps.softmax(1)[:, 1:]
    either = categories.sum(1, keepdim=True).clamp(max=1)  # rather than 1 - background: tiny probabilities keep digits
    return torch.cat([either, categories], dim=1)
