"""Edges between 8 x 8 blocks: where they stand, and whether an earlier grid stands elsewhere.

Blockiness as in Fan & de Queiroz (2003, "Identification of bitmap compression history"), by position modulo 8; a
picture that was cropped between two compressions shows a second position (Barni, Costanzo & Sabatini 2010).
"""

from __future__ import annotations

import cv2
import numpy as np


def lattice_features(rgb: np.ndarray) -> dict[str, float]:
    """Blockiness of uint8 ``(8 m, 8 n, 3)`` pixels at the grid and off it, in logarithms, mean of rows and columns."""
    plane = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.int16)
    edges = [edges_by_offset(plane), edges_by_offset(plane.T)]
    logs = [np.log(each + 0.01) for each in edges]
    return {
        "edges at the block grid": float(np.mean([each[7] - np.median(each[:7]) for each in logs])),
        "edges at another block grid": float(np.mean([each[:7].max() - np.median(each[:7]) for each in logs])),
        "strongest edges at the block grid": float(np.mean([each.argmax() == 7 for each in logs])),
    }


def edges_by_offset(plane: np.ndarray) -> np.ndarray:
    """Mean strength of the steps between columns x and x + 1 by x modulo 8, float64 ``(8,)``; 7 is JPEG's grid.

    The third difference |x[-1] - 3 x[0] + 3 x[1] - x[2]| sees a step on a slope, so less content than the first.
    """
    middle = plane[:, 2:-1] - plane[:, 1:-2]  # starts with the step behind column 1
    strength = np.abs(plane[:, :-3] - plane[:, 3:] + 3 * middle).mean(0)
    places = np.arange(1, plane.shape[1] - 2) % 8
    return np.bincount(places, strength, 8) / np.bincount(places, minlength=8)
