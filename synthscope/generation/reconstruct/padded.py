"""Pixels of any size through models that want a multiple of something."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def padded(rgb: np.ndarray, factor: int, through: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What a model makes of a picture that is mirrored at its right and lower border up to a multiple of ``factor``.

    Args:
        rgb: ``(H, W, …)``.
        factor: In pixels.
        through: From such an array to one of the same height and width.

    Returns:
        ``(H, W, …)``.

    >>> padded(np.arange(3)[:, None], 4, lambda rows: rows.repeat(2, axis=1)).ravel()
    array([0, 1, 2])
    """
    height, width = rgb.shape[:2]
    more = [(0, -height % factor), (0, -width % factor), *[(0, 0)] * (rgb.ndim - 2)]
    return np.ascontiguousarray(through(np.pad(rgb, more, mode="reflect"))[:height, :width])


def to_tensor(rgb: np.ndarray, like: Tensor) -> Tensor:
    """uint8 ``(H, W, 3)`` -> ``(1, 3, H, W)`` in -1..1, of the type and on the device of ``like``."""
    import torch

    pixels = torch.from_numpy(rgb).to(like.device).permute(2, 0, 1)[None]
    return (pixels.float() / 127.5 - 1).to(like.dtype)


def to_pixels(images: Tensor) -> np.ndarray:
    """``(1, 3, H, W)`` in -1..1 -> uint8 ``(H, W, 3)``, rounded; values outside are clipped.

    >>> import torch
    >>> to_pixels(torch.tensor([-2.0, 0.0, 1.0])[None, :, None, None]).ravel()
    array([  0, 128, 255], dtype=uint8)
    """
    return ((images[0].float() + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
