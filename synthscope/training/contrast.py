"""Contrast: embeddings of one class draw together, away from those of the other."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from synthscope.config import Config


@runtime_checkable
class Contrasted(Protocol):
    """A detector whose embeddings can be contrasted: both come from one pass, so that dropout is drawn once."""

    def features(self, images: Tensor) -> Tensor:
        """What :meth:`logits_and_embeddings` starts from, of ``(B, 3, h, w)`` images."""

    def logits_and_embeddings(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B,)`` and embeddings ``(B, D)``, not normalised."""


class Contrast(Config):
    """The contrast beside the cross-entropy, both means over the images of a micro-batch of one process."""

    weight: float = Field(gt=0)
    name: Literal["supervised", "margin"] = "supervised"
    temperature: float = Field(default=0.07, gt=0)  # supervised
    margin: float = Field(default=1.0, gt=0)  # margin: distance from which on two classes are far enough apart

    def __call__(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """The weighted loss of ``(B, D)`` embeddings and ``(B,)`` labels."""
        embeddings = embeddings.float()
        if self.name == "margin":
            return self.weight * margin_contrast(embeddings, targets, margin=self.margin)
        return self.weight * supervised_contrast(embeddings, targets, temperature=self.temperature)


def supervised_contrast(embeddings: Tensor, labels: Tensor, *, temperature: float) -> Tensor:
    """``L_out`` of Khosla et al., NeurIPS 2020, eq. 2, with one view an image, as RINE's equation and program have it.

    ``-1/|P(i)| sum_{p in P(i)} log(exp(z_i z_p / t) / sum_{a != i} exp(z_i z_a / t))``, a mean over all ``i``, in which
    an image without another one of its class counts as 0.

    Args:
        embeddings: ``(B, D)``; ``z`` are these divided by their lengths.
        labels: ``(B,)``.
        temperature: ``t``.

    >>> same = torch.ones(4, 2)
    >>> round(supervised_contrast(same, torch.tensor([0, 0, 1, 1]), temperature=0.07).item(), 4)  # log 3
    1.0986
    """
    if len(embeddings) < 2:
        return embeddings.sum() * 0  # nothing to compare with
    z = functional.normalize(embeddings, dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    similarity = (z @ z.mT / temperature).masked_fill(itself, -torch.inf)
    positive = (labels[:, None] == labels) & ~itself
    log_share = torch.where(positive, similarity - similarity.logsumexp(1, keepdim=True), 0)
    return -(log_share.sum(1) / positive.sum(1).clamp(min=1)).mean()


def margin_contrast(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Mean distance within the classes plus the mean of what distances between them lack to ``margin``, as DDA has it.

    Hadsell et al., CVPR 2006, without its squares, of embeddings divided by their lengths; both are means over the
    pairs that are not 0, 0 without any: ``ContrastiveLoss(pos_margin=0, neg_margin=1)`` of pytorch-metric-learning.

    Args:
        embeddings: ``(B, D)``.
        labels: ``(B,)``.
        margin: Of the distance, at most 2.

    >>> three = torch.tensor([[1.0, 0], [2.0, 0], [0, 3.0]])
    >>> round(margin_contrast(three, torch.tensor([0, 1, 1]), margin=1).item(), 4)  # (1 - 0) / 1 + sqrt(2)
    2.4142
    """
    z = functional.normalize(embeddings, dim=1)
    # the gradient of this distance is 0, not infinite, where two embeddings are the same
    distance = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    once = torch.ones_like(distance, dtype=torch.bool).triu(1)
    same = labels[:, None] == labels
    parts = distance[same & once], functional.relu(margin - distance[~same & once])
    return torch.stack([part.sum() / (part > 0).sum().clamp(min=1) for part in parts]).sum()
