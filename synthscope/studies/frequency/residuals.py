"""Noise residuals ``x - D(x)``: what a denoiser takes for noise, and where generators leave their traces.

Neither denoiser works in blocks or decimates, so neither adds a grid of its own to the spectrum.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from synthscope.errors import UsageError, suggest

Residual = NDArray[np.float32]
SPLINE = np.array([1, 4, 6, 4, 1], np.float32) / 16
GAINS = (
    0.889,
    0.200,
    0.086,
    0.041,
)  # standard deviation of unit white noise in the wavelet planes (Starck & Murtagh 2002)


def median_residual(rgb: NDArray[np.uint8]) -> Residual:
    """Residual of a 3 x 3 median, uint8 ``(H, W, 3)`` in and float32 ``(H, W, 3)`` in grey levels out.

    >>> median_residual(np.full((4, 4, 3), 9, np.uint8)).any()
    np.False_
    """
    return rgb.astype(np.float32) - cv2.medianBlur(rgb, 3)


def wavelet_residual(rgb: NDArray[np.uint8], sigma: float = 5.0) -> Residual:
    """Residual of a local Wiener filter on four wavelet planes, as camera fingerprints are extracted.

    Lukas, Fridrich and Goljan, "Digital camera identification from sensor pattern noise", 2006, appendix A, with
    undecimated B3-spline wavelets in place of decimated Daubechies ones, which leave traces at periods 2 to 16.

    Args:
        rgb: uint8 ``(H, W, 3)``.
        sigma: Standard deviation of the noise in grey levels; the paper uses 5.

    Returns:
        float32 ``(H, W, 3)`` in grey levels.
    """
    smooth: Residual = rgb.astype(np.float32)
    residual: Residual = np.zeros_like(smooth)
    for scale, gain in enumerate(GAINS):
        kernel = np.zeros(4 * 2**scale + 1, np.float32)
        kernel[:: 2**scale] = SPLINE
        smoother = np.asarray(cv2.sepFilter2D(smooth, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT), np.float32)
        plane, noise = smooth - smoother, (gain * sigma) ** 2
        power = plane * plane
        windows = [cv2.blur(power, (side, side), borderType=cv2.BORDER_REFLECT) for side in (3, 5, 7, 9)]
        residual += plane * (noise / np.maximum(np.minimum.reduce(windows), noise))
        smooth = smoother
    return residual


DENOISERS: dict[str, Callable[[NDArray[np.uint8]], Residual]] = {
    "median": median_residual,
    "wavelet": wavelet_residual,
}


def denoiser_named(name: str) -> Callable[[NDArray[np.uint8]], Residual]:
    """An entry of ``DENOISERS``. Raises ``UsageError`` with a suggestion for an unknown name."""
    if name not in DENOISERS:
        raise UsageError(f"Expected the name of a denoiser, got {name!r}. {suggest(name, DENOISERS)}")
    return DENOISERS[name]
