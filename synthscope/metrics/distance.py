"""How far two pictures of the same size lie apart: PSNR, and SSIM of their luma."""

from __future__ import annotations

from math import log10
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from synthscope.errors import SynthscopeError

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
WINDOW, SIGMA = 11, 1.5  # Wang et al. 2004, section III.B
K1, K2 = 0.01, 0.03
Image = NDArray[np.uint8]


def psnr(first: Image, second: Image) -> float:
    """Peak signal-to-noise ratio in decibels over all channels, ``10 log10(255² / MSE)``; infinite where all is alike.

    Args:
        first: uint8 ``(H, W, 3)``.
        second: The same.

    Raises:
        SynthscopeError: Pictures of different sizes.

    >>> round(psnr(np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)), 2)
    48.13
    """
    _check(first, second)
    error = float(np.mean((first.astype(np.float64) - second) ** 2))
    return 10 * log10(255**2 / error) if error else float("inf")


def ssim(first: Image, second: Image) -> float:
    """Mean structural similarity of the luma (Wang, Bovik, Sheikh and Simoncelli 2004, equations 13 to 17).

    Windows are Gaussian, 11 x 11 pixels, sigma 1.5, of unit sum, and lie inside the picture as a whole.

    Args:
        first: uint8 ``(H, W, 3)``, 11 pixels or more on each side.
        second: The same.

    Raises:
        SynthscopeError: Pictures of different sizes, or smaller than a window.
    """
    _check(first, second)
    if min(first.shape[:2]) < WINDOW:
        raise SynthscopeError(
            f"Expected pictures of {WINDOW} x {WINDOW} pixels or more for SSIM, got {first.shape[1]} x "
            f"{first.shape[0]}. Leave them out."
        )
    x, y = (picture @ np.array(LUMA) for picture in (first, second))
    mean_x, mean_y = _windowed(x), _windowed(y)
    variances = _windowed(x * x) - mean_x**2 + _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    c1, c2 = (K1 * 255) ** 2, (K2 * 255) ** 2
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((above / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))).mean())


def _windowed(values: NDArray[np.float64]) -> Any:
    """Weighted means of all windows that lie inside."""
    radius = WINDOW // 2
    return gaussian_filter(values, SIGMA, radius=radius)[radius:-radius, radius:-radius]


def _check(first: Image, second: Image) -> None:
    if first.shape != second.shape:
        sizes = [f"{picture.shape[1]} x {picture.shape[0]}" for picture in (first, second)]
        raise SynthscopeError(f"Expected two pictures of one size, got {' and '.join(sizes)}. Resize one.")
