"""Lines of text: rows full of strokes between rows of bare paper, on paper of exactly one value."""

from __future__ import annotations

import cv2
import numpy as np

PAPER = 0.25  # of the image must have the paper's very value; paper before a camera never does
MIDDLE = 2048  # pixels a side that are looked at
STRIPS = 4  # columns in which lines are counted apart, as pages have columns
LOW, HIGH = 4, 1 / 8  # height of a line: pixels, and share of what is looked at
DENSE = 0.25  # strokes in a square as high as the line
INK = 8  # grey levels from the paper at least


def text_lines(gray: np.ndarray, background: int, share: float) -> float:
    """Mean number of lines of text in a quarter of the image, along rows or columns, whichever has more.

    Args:
        gray: uint8 ``(H, W)``.
        background: Its commonest value.
        share: Of pixels that have it.
    """
    if share < PAPER:
        return 0.0
    top, left = (max(0, side - MIDDLE) // 2 for side in gray.shape)
    seen = gray[top : top + MIDDLE, left : left + MIDDLE]
    distance = cv2.absdiff(seen, np.full_like(seen, background))
    counts = cv2.calcHist([distance], [0], None, [256], [0, 256]).ravel()
    contrast = int(np.searchsorted(np.cumsum(counts), 0.995 * seen.size))
    ink = distance > max(contrast // 2, INK)
    return max(_in_strips(ink), _in_strips(np.ascontiguousarray(ink.T)))


def _in_strips(ink: np.ndarray) -> float:
    width = ink.shape[1] // STRIPS
    start = (ink.shape[1] - STRIPS * width) // 2
    return sum(_lines(ink[:, start + i * width :][:, :width]) for i in range(STRIPS)) / STRIPS


def _lines(ink: np.ndarray) -> int:
    strokes = np.count_nonzero(ink[:, 1:] != ink[:, :-1], axis=1) / 2
    change = np.diff(ink.any(axis=1).astype(np.int8), prepend=0, append=0)
    tops, bottoms = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    high, dense = HIGH * len(ink), DENSE * ink.shape[1]
    return sum(
        bool(LOW <= bottom - top <= high and strokes[top:bottom].sum() >= dense)
        for top, bottom in zip(tops, bottoms, strict=True)
    )
