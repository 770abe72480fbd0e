"""How unusual a score is among those of reference images: conformal p-values, and what a level misses.

A p-value is valid whatever the distribution of scores, as long as the image and the references are exchangeable: under
that assumption it is at most ``a`` with probability at most ``a`` (Vovk, Gammerman and Shafer, Algorithmic Learning in
a Random World, 2005, proposition 2.4; Bates et al., Annals of Statistics, 2023).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthscope.errors import SynthscopeError

Floats = NDArray[np.float64]


def conformal_p(reference: ArrayLike, scores: ArrayLike) -> Floats:
    """``(1 + #{reference >= score}) / (n + 1)`` of each score; high scores get low p-values, ties count against them.

    Args:
        reference: ``(n,)``, finite, n >= 1.
        scores: Any shape; nan gives nan.

    Returns:
        float64 of the shape of ``scores``, between ``1 / (n + 1)`` and 1.

    >>> conformal_p([0.0, 1.0, 2.0, 3.0], [9.0, 3.0, 2.5, -1.0]).tolist()
    [0.2, 0.4, 0.4, 1.0]
    """
    ordered = _checked(reference)
    values = np.asarray(scores, np.float64)
    above = len(ordered) - np.searchsorted(ordered, values, side="left")
    return np.where(np.isnan(values), np.nan, (1 + above) / (len(ordered) + 1))


def attainable_level(level: float, n: int) -> float:
    """``level``, or the least p-value that ``n`` references can give where that is larger.

    >>> attainable_level(0.01, 999), attainable_level(0.01, 49)
    (0.01, 0.02)
    """
    return max(level, 1 / (n + 1))


def critical_score(reference: ArrayLike, level: float) -> float:
    """The score above which, strictly, p-values are at most ``level``; infinite where none can be.

    >>> critical_score([0.0, 1.0, 2.0, 3.0], 0.4)
    2.0
    >>> critical_score([0.0, 1.0, 2.0, 3.0], 0.1)
    inf
    """
    ordered = _checked(reference)
    possible = np.arange(1, len(ordered) + 2) / (len(ordered) + 1)
    may_exceed = int((possible <= level).sum()) - 1  # references that may score at least as high
    if may_exceed < 0:
        return float("inf")
    return float(ordered[len(ordered) - 1 - may_exceed]) if may_exceed < len(ordered) else float("-inf")


def missed(reference: ArrayLike, ai: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Which scores ``(m,)`` of AI images have a p-value above ``level``."""
    return np.asarray(conformal_p(reference, ai) > level)


def _checked(reference: ArrayLike) -> Floats:
    ordered = np.sort(np.asarray(reference, np.float64))
    if ordered.ndim != 1 or not ordered.size or not np.isfinite(ordered).all():
        raise SynthscopeError("Expected finite scores of at least one reference image, got others. Score them first.")
    return ordered
