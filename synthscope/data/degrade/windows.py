"""Parts of an image that are enough: a detector that crops native pixels needs no more of a blurred or compressed image
than its crop, and the crop no more of the image before than its neighbourhood.

The pixels are those of the whole image, exactly. A blur looks as far as its kernel reaches. JPEG works on blocks of
8 x 8 samples, 16 x 16 pixels where chroma is halved, and its decoder smooths chroma over the next sample: a part whose
borders lie on a grid of 16 pixels, a block farther out than what is asked for, holds the same blocks and neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

GRID = 16  # pixels; the largest unit of a JPEG that is coded by itself


class Window(NamedTuple):
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of an image, without the last ones."""

    top: int
    left: int
    bottom: int
    right: int

    def of(self, rgb: np.ndarray) -> np.ndarray:
        """These pixels of ``(H, W, 3)``, a view."""
        return rgb[self.top : self.bottom, self.left : self.right]

    def within(self, other: Window) -> Window:
        """Where it lies in what ``other`` cuts out.

        >>> Window(20, 30, 25, 38).within(Window(16, 16, 32, 48))
        Window(top=4, left=14, bottom=9, right=22)
        """
        top, left = other.top, other.left
        return Window(self.top - top, self.left - left, self.bottom - top, self.right - left)

    def joined(self, other: Window) -> Window:
        """The smallest window that holds both."""
        return Window(*map(min, self[:2], other[:2]), *map(max, self[2:], other[2:]))

    def grown(self, pixels: int, height: int, width: int) -> Window:
        """Larger by so many pixels to all sides, then out to the grid, as far as an image of this size goes.

        >>> Window(40, 40, 60, 60).grown(5, 100, 70)
        Window(top=32, left=32, bottom=80, right=70)
        """
        top, left = (max(0, start - pixels) // GRID * GRID for start in self[:2])
        ends = zip(self[2:], (height, width), strict=True)
        bottom, right = (min(side, -(-(end + pixels) // GRID) * GRID) for end, side in ends)
        return Window(top, left, bottom, right)
