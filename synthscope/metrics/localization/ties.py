"""The k highest pixels of a heatmap where pixels are equal: what is certain, and what is drawn at random."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from synthscope.metrics.localization.curves import Floats, Mask


class Top(NamedTuple):
    """The k highest pixels: those above the k-th value, and ``drawn`` of those ``tied`` at it."""

    inside: int  # the mask, of the pixels above
    tied: int
    tied_inside: int
    drawn: int


def top_pixels(a: Floats, m: Mask, k: int) -> Top:
    """The k highest pixels of relevance and mask ``(H, W)``."""
    value = np.partition(a, a.size - k, axis=None)[a.size - k]
    above, tied = a > value, a == value
    return Top(int((above & m).sum()), int(tied.sum()), int((tied & m).sum()), k - int(above.sum()))


def hypergeometric(population: int, marked: int, drawn: int) -> tuple[NDArray[np.int64], Floats]:
    """Numbers of marked things that can be among those drawn without replacement, and their probabilities.

    >>> hypergeometric(4, 2, 2)[1].round(6).tolist()
    [0.166667, 0.666667, 0.166667]
    """
    x = np.arange(max(0, drawn - (population - marked)), min(marked, drawn) + 1)
    log = _log_binomial(marked, x) + _log_binomial(population - marked, drawn - x)
    p = np.exp(log - log.max())
    return x, p / p.sum()


def _log_binomial(n: int, k: NDArray[np.int64]) -> Floats:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
