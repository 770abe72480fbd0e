"""The thirty high-pass filters of the Spatial Rich Model, in the order of AIDE (Fridrich and Kodovsky, TIFS 2012)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

N, E, S, W = (-1, 0), (0, 1), (1, 0), (0, -1)  # rows and columns to a neighbour
NE, SE, SW, NW = (-1, 1), (1, 1), (1, -1), (-1, -1)
EDGE = (-1, 2, -1), (2, -4, 2), (0, 0, 0)
WIDE_EDGE = (-1, 2, -2, 2, -1), (2, -6, 8, -6, 2), (-2, 8, -12, 8, -2), (0,) * 5, (0,) * 5


class HighPass(nn.Module):
    """Each filter over the sum of the colours, without a cut."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", filters()[:, None].repeat(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, h, w)`` to ``(B, 30, h, w)``."""
        return functional.conv2d(images, self.weight, padding=2)


def filters() -> Tensor:
    """float32 ``(30, 5, 5)``: first, second and third differences, edges of two sizes in four turns, squares.

    >>> filters().sum((1, 2)).abs().max().item() < 1e-6
    True
    """
    first = [_kernel({(0, 0): -1, d: 1}) for d in (NW, N, NE, W, E, SW, S, SE)]
    second = [_kernel({(0, 0): -2, (-y, -x): 1, (y, x): 1}) / 2 for y, x in (SE, S, SW, E)]
    third = [
        _kernel({(2 * y, 2 * x): -1, (y, x): 3, (0, 0): -3, (-y, -x): 1}) / 3 for y, x in (NW, N, NE, E, SE, S, SW, W)
    ]
    small, wide = (torch.tensor(rows, dtype=torch.float32) for rows in (EDGE, WIDE_EDGE))
    edges = [functional.pad(torch.rot90(small, -turn), (1, 1, 1, 1)) / 4 for turn in range(4)]
    wide_edges = [torch.rot90(wide, -turn) / 12 for turn in range(4)]
    squares = [functional.pad(_mirrored(small), (1, 1, 1, 1)) / 4, _mirrored(wide) / 12]
    return torch.stack([*first, *second, *third, *edges, *wide_edges, *squares])


def _kernel(values: Mapping[tuple[int, int], int]) -> Tensor:
    kernel = torch.zeros(5, 5)
    for (row, column), value in values.items():
        kernel[2 + row, 2 + column] = value
    return kernel


def _mirrored(edge: Tensor) -> Tensor:
    """The half above the middle row, below it, too."""
    return torch.where(edge.any(1, keepdim=True), edge, edge.flip(0))
