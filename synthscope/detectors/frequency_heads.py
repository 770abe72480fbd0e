"""What F3Net reads: frequency-aware decomposition of the image (FAD) and local frequency statistics (LFS), by DCT.

Qian et al., ECCV 2020, sections 3.1 and 3.2. Where the re-implementation that GenImage ships departs from the paper,
``published`` does what it does.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Heads = Literal["paper", "published"]
WINDOW, STRIDE, PADDING, BANDS = 10, 2, 4, 6  # of LFS
FLOOR = {"paper": 1e-3, "published": 1e-15}  # grey levels; below the first one stands only rounding


def dct_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II: ``D @ x @ D.T`` is the spectrum of a square ``x``; float32 ``(size, size)``.

    >>> d = dct_matrix(8)
    >>> torch.allclose(d @ d.T, torch.eye(8), atol=1e-6)
    True
    """
    k = np.arange(size)
    matrix = np.sqrt(2 / size) * np.cos(np.pi * k[:, None] * (k + 0.5) / size)
    matrix[0] = np.sqrt(1 / size)
    return torch.tensor(matrix, dtype=torch.float32)


def band(size: int, start: float, end: float) -> Tensor:
    """1 where ``start < i + j <= end`` in a ``(size, size)`` spectrum, else 0; float32. ``start=-1`` lets the DC in.

    >>> band(3, 0, 1).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    diagonal = np.add.outer(np.arange(size), np.arange(size))
    return torch.tensor((start < diagonal) & (diagonal <= end), dtype=torch.float32)


def fad_bands(size: int, heads: Heads) -> list[tuple[int, int]]:
    """Bounds on ``i + j``, as in :func:`band`, of the low, middle, high and whole band of a spectrum of side ``size``.

    ``paper``: the first 1/16 of the coefficients, those up to 1/8, the other 7/8 (section 3.1), cut at the diagonals
    that come nearest; at 299: 6.2, 6.3 and 87.5 %. ``published``: 1/16 and 1/8 of the *side*, which hold 0.2, 0.6 and
    49.7 %; the last corner and the DC are in none.

    >>> fad_bands(299, "paper"), fad_bands(299, "published")
    ([(-1, 104), (104, 148), (148, 598), (-1, 598)], [(0, 18), (18, 37), (37, 299), (0, 598)])
    """
    if heads == "published":
        low, middle = size // 16, size // 8
        return [(0, low), (low, middle), (middle, size), (0, 2 * size)]
    diagonal = np.add.outer(np.arange(size), np.arange(size))
    counts = np.bincount(diagonal.ravel()).cumsum()  # coefficients up to each diagonal
    low, middle = (int(np.abs(parts * counts - size**2).argmin()) for parts in (16, 8))
    return [(-1, low), (low, middle), (middle, 2 * size), (-1, 2 * size)]


class Mask(nn.Module):
    """A band's base mask plus ``2 sigmoid(learnable) - 1``, which lets a little of any coefficient in or out."""

    def __init__(self, size: int, start: float, end: float, *, mean: bool = False) -> None:
        super().__init__()
        self.base: Tensor
        self.register_buffer("base", band(size, start, end))
        self.learnable = nn.Parameter(torch.empty(size, size).normal_(0, 0.1))
        if mean:
            self.register_buffer("ft_num", self.base.sum())  # coefficients in the band

    def forward(self) -> Tensor:
        """The mask ``(size, size)``."""
        return self.base + 2 * self.learnable.sigmoid() - 1


class FadHead(nn.Module):
    """Band-passed copies of the image, back in the pixel domain (section 3.1)."""

    _DCT_all: Tensor

    def __init__(self, side: int, heads: Heads) -> None:
        super().__init__()
        self.register_buffer("_DCT_all", dct_matrix(side))
        self.register_buffer("_DCT_all_T", dct_matrix(side).T.contiguous())  # only for the published file's sake
        self.filters = nn.ModuleList(Mask(side, start, end) for start, end in fad_bands(side, heads))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, side, side)`` to ``(B, 12, side, side)``: the low band's R, G, B first, the whole one's last."""
        return band_passed(images, self._DCT_all, torch.stack([mask() for mask in self.filters]))


class LfsHead(nn.Module):
    """Logarithmic mean amplitudes in six bands of the DCT of overlapping 10 x 10 windows (section 3.2).

    ``paper``: filter, sum, logarithm. ``published``: the logarithm of every coefficient, then filter and sum; the DC is
    in no band, and grey levels end at 245.
    """

    _DCT_patch: Tensor

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.heads = heads
        self.register_buffer("_DCT_patch", dct_matrix(WINDOW))
        self.register_buffer("_DCT_patch_T", dct_matrix(WINDOW).T.contiguous())
        bounds = [WINDOW * 2.0 / BANDS * number for number in range(BANDS + 1)]
        if heads == "paper":
            bounds[0] = -1
        self.filters = nn.ModuleList(Mask(WINDOW, start, end, mean=True) for start, end in pairwise(bounds))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, side, side)`` in [-1, 1] to ``(B, 6, side // 2, side // 2)``."""
        masks = torch.stack([mask() / mask.ft_num for mask in self.filters])
        return window_statistics(images, self._DCT_patch, masks, self.heads)


def band_passed(images: Tensor, dct: Tensor, masks: Tensor) -> Tensor:
    """``images`` ``(B, C, n, n)`` once a mask of their DCT: ``(B, M * C, n, n)``, in float32 under autocast too."""
    with torch.autocast(images.device.type, enabled=False):
        spectrum = dct @ images.float() @ dct.mT
        return (dct.mT @ (spectrum[:, None] * masks[:, None]) @ dct).flatten(1, 2)


def window_statistics(images: Tensor, dct: Tensor, masks: Tensor, heads: Heads) -> Tensor:
    """Amplitudes of windows, summed with the weights of ``masks`` ``(M, 10, 10)``: ``(B, M, h, w)``.

    ``paper`` transforms the rows, then the columns of all windows at once: twice a small matrix product.

    ``published`` multiplies window by window, in float32 and in the order of the re-implementation. Where coefficients
    cancel, in flat areas above all, its logarithm reads the rounding of these products, anything from -15 to -5. One
    build of torch on one kind of processor rounds alike, and logits agree. Another BLAS or a GPU rounds otherwise, and
    what the machine of the published training saw there cannot be had again: up to 9 in the logit of a flat image.
    """
    with torch.autocast(images.device.type, enabled=False):
        red, green, blue = images.float().unbind(1)
        grey = (0.299 * red + 0.587 * green + 0.114 * blue + 1) * (122.5 if heads == "published" else 127.5)
        windows = functional.unfold(grey[:, None], WINDOW, stride=STRIDE, padding=PADDING)  # (B, 100, windows)
        if heads == "published":
            spectra = dct @ windows.mT.unflatten(2, (WINDOW, WINDOW)) @ dct.mT
            statistics = masks.flatten(1) @ (spectra.abs() + FLOOR[heads]).log10().flatten(2).mT
        else:
            rows = (dct @ windows.unflatten(1, (WINDOW, -1)).flatten(2)).unflatten(2, (WINDOW, -1))
            amplitudes = (dct @ rows).abs().flatten(1, 2)
            statistics = (masks.abs().flatten(1) @ amplitudes + FLOOR[heads]).log10()
        return statistics.unflatten(2, (images.shape[2] // 2, images.shape[3] // 2))
