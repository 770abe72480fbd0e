"""Periods in how well pixels are predicted by their neighbours: the traces of a resize.

The variance of the second derivative of an interpolated picture is periodic (Gallagher 2005, "Detection of linear and
cubic interpolation in JPEG compressed images"; Popescu & Farid 2005); JPEG's own period of 8 is left out.
"""

from __future__ import annotations

import cv2
import numpy as np


def resampling_features(rgb: np.ndarray) -> dict[str, float]:
    """Strongest periods of uint8 ``(8 m, 8 n, 3)`` pixels along rows and columns, in logarithms over the median."""
    plane = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.int16)
    found = {}
    for name, lines in (("columns", plane), ("rows", plane.T)):
        frequencies, spectrum = residual_spectrum(lines)
        multiple = np.abs(frequencies * 8 - np.rint(frequencies * 8)) / 8
        free = (frequencies > 0.06) & (multiple > 2.5 / lines.shape[1])  # the window spreads a peak over two bins
        level = float(np.median(spectrum[free])) + 1e-9
        found[f"period of the {name}"] = float(np.log(spectrum[free].max() / level + 1e-3))
        twice = spectrum[frequencies > 0.5 - 1.5 / lines.shape[1]].max()  # of a doubled picture; a multiple of 1 / 8
        found[f"period of 2 of the {name}"] = float(np.log(twice / level + 1e-3))
    return found


def residual_spectrum(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in 1 / pixel and amplitudes of the mean second derivative of every column, over its running mean."""
    strength = np.log(np.abs(2 * plane[:, 1:-1] - plane[:, :-2] - plane[:, 2:]).mean(0) + 0.1)
    strength = strength - cv2.blur(strength[:, None], (1, 17), borderType=cv2.BORDER_REFLECT)[:, 0]
    spectrum = np.abs(np.fft.rfft(strength * np.hanning(len(strength))))
    return np.fft.rfftfreq(len(strength)), spectrum
