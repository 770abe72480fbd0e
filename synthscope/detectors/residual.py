"""The high-pass residual that networks see where content would drown the traces of generators."""

from __future__ import annotations

from torch import Tensor, nn


def residual(images: Tensor) -> Tensor:
    """Difference to the mean of the 3 x 3 neighbourhood, 8 times, cut at 3 (about 21 grey levels); ``(B, 3, h, w)``.

    Amplified and truncated as in the Spatial Rich Model (Fridrich and Kodovsky, TIFS 2012).
    """
    local = nn.functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    return ((images - local) * 8).clamp(-3, 3)
