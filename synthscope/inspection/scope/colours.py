"""How much of an image is of one colour, and how much is painted in areas of one colour each."""

from __future__ import annotations

import cv2
import numpy as np

SAMPLES = 256  # rows and columns of a grid of pixels that stands for the image
NEAR = 8  # levels of 0..255 that count as the same colour to an eye
WINDOW = 9  # pixels: wider than a JPEG block, which alone may be of one value in a photograph
DARK, LIGHT = 5, 250  # grey levels beyond which a photograph is clipped, and then constant, too
COVERED = 0.05  # of the image must be more than background to say anything of it
BAND = 512  # rows held at once


def one_colour(rgb: np.ndarray) -> float:
    """Share of pixels within ``NEAR`` levels of the median colour in every channel, of a grid of pixels.

    Args:
        rgb: uint8 ``(H, W, 3)``.
    """
    rows, columns = (_spread(side) for side in rgb.shape[:2])
    few = rgb[np.ix_(rows, columns)].astype(np.int16)
    return float((np.abs(few - np.median(few, axis=(0, 1))).max(axis=2) <= NEAR).mean())


def painted(gray: np.ndarray, background: int) -> float:
    """Of the pixels that are neither background nor clipped, the share in the middle of ``WINDOW`` equal pixels a side.

    Args:
        gray: uint8 ``(H, W)``.
        background: Its commonest value.
    """
    square, half = np.ones((WINDOW, WINDOW), np.uint8), WINDOW // 2
    inside = total = 0
    for top in range(0, gray.shape[0], BAND):
        start = max(0, top - half)
        part = gray[start : top + BAND + half]
        own = slice(top - start, top - start + BAND)
        paper = cv2.inRange(part, background - 2, background + 2)
        of_note = cv2.bitwise_and(cv2.inRange(part, DARK + 1, LIGHT - 1), cv2.bitwise_not(paper))
        level = cv2.compare(cv2.erode(part, square), cv2.dilate(part, square), cv2.CMP_EQ)
        total += cv2.countNonZero(of_note[own])
        inside += cv2.countNonZero(cv2.bitwise_and(level, of_note)[own])
    return inside / total if total >= COVERED * gray.size else 0.0


def _spread(side: int) -> np.ndarray:
    """Places over a side, the same from either end."""
    first = ((np.arange(min(side, SAMPLES) // 2) + 0.5) * side / min(side, SAMPLES)).astype(int)
    middle = [side // 2] if side % 2 else []
    return np.concatenate([first, middle, side - 1 - first[::-1]]).astype(int)
