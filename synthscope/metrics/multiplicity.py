"""p-values adjusted for the number of comparisons in a family; NaN = no comparison, which stays NaN and counts not."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthscope.errors import SynthscopeError

Floats = NDArray[np.float64]


def holm(p: ArrayLike) -> Floats:
    """Adjusted p-values of Holm (1979): with probability 1 - alpha none up to alpha is false, however dependent.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values, known, order = _sorted(p)
    factors = np.arange(len(order), 0, -1)
    values[known[order]] = np.minimum(np.maximum.accumulate(values[known[order]] * factors), 1)
    return values


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Adjusted p-values of Benjamini and Hochberg (1995): of those up to q, a share of q is expected to be false.

    Under independence or positive dependence (Benjamini and Yekutieli 2001).

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]
    """
    values, known, order = _sorted(p)
    n = len(order)
    scaled = values[known[order]] * n / np.arange(1, n + 1)
    values[known[order]] = np.minimum.accumulate(scaled[::-1])[::-1]
    return values


def _sorted(p: ArrayLike) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """A copy, the places of the known values, and their order."""
    values = np.array(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    if known.size and not (values[known].min() >= 0 and values[known].max() <= 1):
        raise SynthscopeError(
            f"Expected p-values in 0..1, got {values[known].min()} to {values[known].max()}. Check p."
        )
    return values, known, np.argsort(values[known], kind="stable")
