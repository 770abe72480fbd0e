"""Alignment of a ViT's attention with annotated artifacts (Xiao et al., X-AIGD, ICLR 2026, 5.2).

The attention of the class logit is a gradient attention rollout, differentiable like the logit itself; the loss is its
squared distance to the share of every patch that lies inside the artifacts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from synthscope.config import Config
from synthscope.explainers.attention import gradient_rollout

Source = Literal["artifact", "saliency", "random", "benign", "none"]


class Align(Config):
    """The alignment term of a loss. The paper gives no ``beta``; of ``lambda``, 0.4 and 0.6 were best."""

    model_config = ConfigDict(populate_by_name=True)

    beta: float = Field(default=10.0, gt=0)  # weight beside the cross-entropy
    lambda_: float = Field(default=0.4, ge=0, le=1, alias="lambda")  # weight of patches outside the target
    source: Source = "artifact"  # the target; all but artifact are controls of the same area, none switches it off
    second_order: bool = True  # False: the gradients inside the rollout are constant weights; half the time


def class_attention(
    logits: Tensor, attentions: Sequence[Tensor], *, grid: tuple[int, int], second_order: bool = True, eps: float = 1e-6
) -> Tensor:
    """``A_cls``: gradient attention rollout of the logits, divided by its largest patch plus ``eps``.

    Args:
        logits: ``(B,)``.
        attentions: Of every block, ``(B, heads, T, T)``, as ``attention_taps`` collects them, from which ``logits``
            were computed. Token 0 is the class token.
        grid: Rows and columns of patches, the last tokens.
        second_order: Whether the gradients of the logits are part of the graph too.
        eps: Keeps the division finite where no patch has a positive gradient.

    Returns:
        float32 (or float64) ``(B, h, w)`` in [0, 1].
    """
    gradients = torch.autograd.grad(logits.sum(), list(attentions), create_graph=second_order, retain_graph=True)
    rollout = gradient_rollout([_at_least_float32(a) for a in attentions], [_at_least_float32(g) for g in gradients])
    patches = rollout[:, -grid[0] * grid[1] :]  # registers stand before the patches
    return (patches / (patches.amax(1, keepdim=True) + eps)).unflatten(1, grid)


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def patch_fractions(region: Tensor, patch: int) -> Tensor:
    """``A_art``: share of the pixels of every patch inside a region, ``(B, H, W)`` bool to float32 ``(B, h, w)``.

    >>> patch_fractions(torch.tensor([[[True, False], [True, False]]]), 2).item()
    0.5
    """
    return functional.avg_pool2d(region.float()[:, None], patch)[:, 0]


def alignment_loss(attention: Tensor, target: Tensor, *, benign_weight: float) -> Tensor:
    """``L_align`` of each image: mean of ``W (A_cls - A_art)^2`` over patches, ``W`` = 1 where ``A_art`` > 0.

    Args:
        attention: ``A_cls``, ``(B, h, w)``.
        target: ``A_art``, ``(B, h, w)``.
        benign_weight: ``lambda``, the weight of all other patches.

    Returns:
        ``(B,)``.

    >>> loss = alignment_loss(torch.tensor([[[1.0, 0.5]]]), torch.tensor([[[0.5, 0.0]]]), benign_weight=0.4)
    >>> round(loss.item(), 4)  # (0.25 + 0.4 x 0.25) / 2
    0.175
    """
    weight = torch.where(target > 0, 1.0, benign_weight)
    return (weight * (attention - target).square()).mean((1, 2))
