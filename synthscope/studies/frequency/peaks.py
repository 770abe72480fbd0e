"""Periodic traces in an amplitude spectrum: which frequencies stand out, and which pixel grid explains them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, median_filter

Floats = NDArray[np.float64]
LONGEST = 16  # pixels; the longest period that is given a name
AROUND = 15  # bins of the neighbourhood that a peak must stand out of
RING = 8  # bins; width of the rings that tell how much the spectrum scatters


@dataclass(frozen=True)
class Peak:
    """A frequency that stands out; the one at ``-fx, -fy`` always does too and is not listed."""

    fx: float  # cycles a pixel, 0 to 0.5
    fy: float  # above -0.5, up to 0.5
    ratio: float  # amplitude over that of its surroundings
    z: float  # log of the ratio in robust standard deviations of its ring
    period: int | None  # pixels of the finest square grid with this frequency; None = none up to LONGEST


def find_peaks(amplitude: Floats, *, threshold: float = 6.0) -> list[Peak]:
    """Frequencies whose amplitude stands out, the strongest first.

    A peak is the largest value among 5 x 5 bins whose logarithm lies ``threshold`` robust standard deviations
    (1.4826 MAD of its ring, or of the two axes) above the median of its surroundings. These are the square around it
    and the row and column through it, whichever is highest, so that the bright cross of image borders is no peak.

    Args:
        amplitude: ``(S, S)``, centred (``fftshift``), of a real image.
        threshold: In robust standard deviations. Frequencies below 2 / S are left out.
    """
    side = len(amplitude)
    log = np.log(np.fft.ifftshift(amplitude) + 1e-12)
    shapes = (AROUND, AROUND), (1, AROUND), (AROUND, 1)
    excess = log - np.max([median_filter(log, shape, mode="wrap") for shape in shapes], axis=0)
    bins = np.fft.fftfreq(side, 1 / side)
    radius = np.hypot(bins[:, None], bins[None, :])
    ring = np.minimum(radius, side / 2).astype(int) // RING
    ring[0, :] = ring[:, 0] = -1  # the cross of the borders and of upright things scatters more than all else
    z = excess / _spread(excess, ring)
    found = (z > threshold) & (log == maximum_filter(log, 5, mode="wrap")) & (radius > max(2, side / 64))
    found[:, side // 2 + 1 :] = False  # the other half repeats this one, and so do two columns in themselves
    found[side // 2 + 1 :, [0, *([side // 2] if side % 2 == 0 else [])]] = False
    rows, columns = np.nonzero(found)
    peaks = []
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        fy, fx = (row if row <= side // 2 else row - side) / side, column / side
        ratio, strength = float(np.exp(excess[row, column])), float(z[row, column])
        peaks.append(Peak(fx, fy, ratio, strength, period(fx, fy, side)))
    return sorted(peaks, key=lambda peak: (-peak.z, peak.fx, peak.fy))


def _spread(excess: Floats, ring: NDArray[np.int_]) -> Floats:
    spread = np.full(excess.shape, np.inf)
    for number in np.unique(ring):
        values = excess[ring == number]
        mad = np.median(np.abs(values - np.median(values)))
        spread[ring == number] = 1.4826 * mad if mad > 0 else np.inf
    return spread


def period(fx: float, fy: float, side: int) -> int | None:
    """Pixels of the finest grid, up to ``LONGEST``, that has this frequency within the resolution of ``side`` bins.

    >>> period(0.25, 0.5, 256), period(0.0, 0.375, 256), period(0.2109375, 0.0, 256)
    (4, 8, None)
    """
    for pixels in range(1, LONGEST + 1):
        if all(round(round(f * pixels) * side / pixels) == round(f * side) for f in (fx, fy)):
            return pixels
    return None


def name_trace(peaks: list[Peak]) -> str:
    """What the peaks look like, in words: the finest grid that explains four fifths of their strength.

    >>> name_trace([Peak(0.5, 0.0, 3.0, 9.0, 2), Peak(0.0, 0.25, 3.0, 9.0, 4)])
    'grid of period 4 px (2 of 2 peaks)'
    """
    if len(peaks) < 2:
        return f"a wave of {1 / np.hypot(peaks[0].fx, peaks[0].fy):.1f} px" if peaks else "no peaks"
    total = sum(peak.z for peak in peaks)
    for pixels in range(2, LONGEST + 1):
        on_grid = [peak for peak in peaks if peak.period is not None and pixels % peak.period == 0]
        if sum(peak.z for peak in on_grid) >= 0.8 * total:
            rows, columns = any(peak.fy for peak in on_grid), any(peak.fx for peak in on_grid)
            shape = "grid" if rows and columns else "columns" if columns else "rows"
            return f"{shape} of period {pixels} px ({len(on_grid)} of {len(peaks)} peaks)"
    return f"{len(peaks)} peaks without a common grid"
