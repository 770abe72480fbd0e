"""Residuals that networks see where content would drown the traces of generators."""

from __future__ import annotations

from torch import Tensor, nn


def residual(images: Tensor) -> Tensor:
    """Difference to the mean of the 3 x 3 neighbourhood, 8 times, cut at 3 (about 21 grey levels); ``(B, 3, h, w)``.

    Amplified and truncated as in the Spatial Rich Model (Fridrich and Kodovsky, TIFS 2012).
    """
    local = nn.functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    return ((images - local) * 8).clamp(-3, 3)


def nearest_residual(images: Tensor) -> Tensor:
    """Difference of an image to itself halved and doubled again by nearest neighbour.

    Tan et al., Rethinking the Up-Sampling Operations, CVPR 2024: every pixel less the top-left one of its
    2 x 2 cell, which betrays generators that up-sample. An odd last row or column has no whole cell and is dropped.

    Args:
        images: float ``(B, C, h, w)``.

    Returns:
        ``(B, C, h - h % 2, w - w % 2)``.

    >>> import torch
    >>> nearest_residual(torch.tensor([[[[1., 2.], [4., 8.]]]])).flatten().tolist()
    [0.0, 1.0, 3.0, 7.0]
    """
    height, width = (side - side % 2 for side in images.shape[-2:])
    corners = images[..., 0:height:2, 0:width:2]
    return images[..., :height, :width] - corners.repeat_interleave(2, -2).repeat_interleave(2, -1)
