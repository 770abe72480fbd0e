"""PSNR by hand, SSIM against the sums of the paper written out window by window."""

from __future__ import annotations

from math import exp, isinf, log10

import numpy as np
import pytest

from synthscope.errors import SynthscopeError
from synthscope.metrics.distance import psnr, ssim


def pictures(spread: float, *, height: int = 14, width: int = 17) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    second = np.clip(first + rng.normal(0, spread, first.shape), 0, 255).astype(np.uint8)
    return first, second


def written_out(first: np.ndarray, second: np.ndarray) -> float:
    """Wang et al. 2004, equations 13 to 17, of luma, a window at a time."""
    luma = [
        0.299 * p[..., 0] + 0.587 * p[..., 1] + 0.114 * p[..., 2] for p in (first.astype(float), second.astype(float))
    ]
    places = range(-5, 6)
    weights = np.array([[exp(-(i * i + j * j) / (2 * 1.5**2)) for j in places] for i in places])
    weights /= weights.sum()
    found = []
    for row in range(first.shape[0] - 10):
        for column in range(first.shape[1] - 10):
            x, y = (layer[row : row + 11, column : column + 11] for layer in luma)
            mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
            var_x, var_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
            both = (weights * (x - mean_x) * (y - mean_y)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            above = (2 * mean_x * mean_y + c1) * (2 * both + c2)
            found.append(above / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)))
    return float(np.mean(found))


@pytest.mark.parametrize("spread", [2.0, 40.0])
def test_ssim_is_the_mean_over_all_whole_windows(spread: float) -> None:
    first, second = pictures(spread)
    assert ssim(first, second) == pytest.approx(written_out(first, second), abs=1e-9)
    assert ssim(first, first) == pytest.approx(1)


def test_more_noise_is_less_alike() -> None:
    near, far = (ssim(*pictures(spread)) for spread in (2.0, 40.0))
    assert near > far and psnr(*pictures(2.0)) > psnr(*pictures(40.0))


def test_psnr_by_hand() -> None:
    first = np.full((2, 2, 3), 100, np.uint8)
    second = first.copy()
    second[0, 0] = 106  # one of four pixels by 6: a mean square of 9
    assert psnr(first, second) == pytest.approx(10 * log10(255**2 / 9)) and isinf(psnr(first, first))


def test_other_sizes_and_small_pictures_are_refused() -> None:
    with pytest.raises(SynthscopeError, match="17 x 14 and 16 x 14"):
        psnr(pictures(1)[0], pictures(1, width=16)[0])
    with pytest.raises(SynthscopeError, match="11 x 11 pixels or more"):
        ssim(*pictures(1, height=10))
