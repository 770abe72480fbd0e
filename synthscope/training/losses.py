"""Losses on one logit. The two-class losses of the published recipes are the same functions of ``[1 - p, p]``.

With ``p = sigmoid(z)``, cross-entropy of two softmax outputs ``[0, z]`` is binary cross-entropy of ``z``; label
smoothing ``s`` moves the targets 0 and 1 to ``s / 2`` and ``1 - s / 2``.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from synthscope.config import Config

Weights = tuple[float, float]  # of real and AI images


class Loss(Config):
    """Binary cross-entropy, or the Jensen-Shannon consistency loss over a clean and two or more augmented views."""

    name: Literal["bce", "jsd"] = "bce"
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    consistency: float = Field(default=12.0, ge=0)  # weight of the divergence, jsd only
    class_weights: Literal["none", "balanced"] = "none"  # balanced: both classes weigh the same in the cross-entropy

    def __call__(self, logits: Tensor, targets: Tensor, weights: Weights = (1.0, 1.0)) -> Tensor:
        """Mean loss of float32 ``logits`` ``(V, B)``, one row a view, against ``targets`` ``(B,)`` in [0, 1]."""
        if self.name == "jsd":
            return jsd(logits, targets, smoothing=self.smoothing, consistency=self.consistency, weights=weights)
        return bce(logits, targets.expand_as(logits), smoothing=self.smoothing, weights=weights)


def balanced_weights(n_real: int, n_ai: int) -> Weights:
    """Weights of the two classes with which they count alike, 1 in the mean over images: ``n / (2 n_class)``.

    King and Zeng, Logistic regression in rare events data, 2001; scikit-learn's ``class_weight="balanced"``.

    >>> balanced_weights(30, 10)
    (0.6666666666666666, 2.0)
    """
    n = n_real + n_ai
    return n / (2 * n_real), n / (2 * n_ai)


def bce(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, weights: Weights = (1.0, 1.0)) -> Tensor:
    """Binary cross-entropy with label smoothing; soft targets (mixup) are smoothed too.

    The parts of a target are weighted before it is smoothed, so that smoothing stays the same for both classes.

    >>> round(bce(torch.tensor([0.0]), torch.tensor([1.0])).item(), 4)
    0.6931
    """
    real, ai = weights[0] * (1 - targets), weights[1] * targets
    smoothed = ai / (real + ai) * (1 - smoothing) + smoothing / 2
    return functional.binary_cross_entropy_with_logits(logits, smoothed, weight=real + ai)


def jsd(
    logits: Tensor,
    targets: Tensor,
    *,
    smoothing: float = 0.1,
    consistency: float = 12.0,
    weights: Weights = (1.0, 1.0),
) -> Tensor:
    """Smoothed cross-entropy of view 0 plus ``consistency`` x mean KL of every view to the mean distribution.

    Hendrycks et al., AugMix, ICLR 2020, eq. 3, as in timm's ``JsdCrossEntropy``: the mixture is clamped to
    [1e-7, 1] before its logarithm, and the divergence is averaged over the batch.

    Args:
        logits: float32 ``(V, B)``; row 0 is the clean view.
        targets: ``(B,)`` in [0, 1].
        smoothing: Label smoothing of the cross-entropy.
        consistency: Weight of the divergence.
        weights: Of the classes, in the cross-entropy; the divergence knows no label.
    """
    log_p = torch.stack([functional.logsigmoid(-logits), functional.logsigmoid(logits)], dim=-1)  # (V, B, 2)
    log_mixture = log_p.exp().mean(0).clamp(1e-7, 1).log()
    divergence = (log_p.exp() * (log_p - log_mixture)).sum(-1).mean()
    return bce(logits[0], targets, smoothing=smoothing, weights=weights) + consistency * divergence
