"""What the golden files were asked to hold; plain Python and numpy, so that any tool's environment can read it."""

from __future__ import annotations

import numpy as np

WIDTH, HEIGHT = 40, 30
NAME = "000001.png"
POLYGON = [[4.0, 3.0], [20.0, 3.0], [20.0, 15.0], [10.0, 21.0]]
BOX = [10.0, 6.0, 30.0, 18.0]
TURNED, DEGREES = [8.0, 6.0, 20.0, 12.0], 30.0  # before it is turned
REASON = "six fingers, ü & <b>"


def mask() -> np.ndarray:
    """A ring with a hole and a single pixel elsewhere, bool ``(HEIGHT, WIDTH)``."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(x - 25.0, y - 12.0)
    found = (distance < 8) & (distance > 3)
    found[28, 2] = True
    return found
