"""Straight edges between two areas of one colour each: what a screen is built of, and no camera records.

Along an edge that runs with the pixel grid, a renderer writes the same value again and again. JPEG keeps that: its
blocks along the edge are equal, so their errors are, too. Resizing keeps it for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

import cv2
import numpy as np

STEP = 8  # grey levels across an edge; what JPEG leaves beside one is lower
LENGTH = 48  # pixels, and
SHARE = 1 / 12  # of the side along which it runs
BLOCK = 8  # pixels: parallel edges so near are one, seen several times by resizing or JPEG
MOST = 1000  # edges that are told apart
BAND = 512  # rows held at once


def straight_edges(gray: np.ndarray) -> int:
    """Number of edges along rows and columns of uint8 ``(H, W)``, at most ``MOST`` each."""
    return _along_rows(gray) + _along_rows(cv2.transpose(gray))


def _along_rows(gray: np.ndarray) -> int:
    height, width = gray.shape
    shortest = max(LENGTH, SHARE * width)
    if min(height, width) < 2:
        return 0
    kept: list[tuple[int, int, int]] = []
    for top in range(0, height - 1, BAND):
        for row, left, right in _runs(gray[top : top + BAND + 1], shortest):
            if len(kept) == MOST:
                return MOST
            if not any(_overlap(edge, left, right) for edge in _near(kept, top + row)):
                kept.append((top + row, left, right))
    return len(kept)


def _near(edges: list[tuple[int, int, int]], row: int) -> Iterator[tuple[int, int, int]]:
    """The last of ``edges``, which are in order of rows."""
    return takewhile(lambda edge: row - edge[0] <= BLOCK, reversed(edges))


def _runs(gray: np.ndarray, shortest: float) -> list[tuple[int, int, int]]:
    """``(row, left, right)`` where two rows are constant and differ, for at least ``shortest`` pixels."""
    level = cv2.compare(gray[:, 1:], gray[:, :-1], cv2.CMP_EQ)
    _, step = cv2.threshold(cv2.absdiff(gray[1:, 1:], gray[:-1, 1:]), STEP - 1, 1, cv2.THRESH_BINARY)
    both = cv2.bitwise_and(cv2.bitwise_and(level[1:], level[:-1]), step)
    found = np.flatnonzero(cv2.reduce(both, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0] >= shortest)
    change = np.diff(np.pad(both[found].astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    long = ends - starts >= shortest
    return list(zip(found[rows[long]].tolist(), starts[long].tolist(), ends[long].tolist(), strict=True))


def _overlap(edge: tuple[int, int, int], left: int, right: int) -> bool:
    """Whether a run lies over an edge for half of the shorter one."""
    overlap = min(edge[2], right) - max(edge[1], left)
    return 2 * overlap > min(edge[2] - edge[1], right - left)
