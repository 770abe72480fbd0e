"""Agreement of two judgements of each of ``n`` units, also under bootstrap weights: alpha, ICC, kappa.

Judgements of several items are pooled: disagreement observed and expected by chance is summed over items before the two
are divided, so that items of different frequency are no agreement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
TINY = 1e-12


def krippendorff_alpha(a: ArrayLike, b: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Krippendorff's alpha of interchangeable raters, two a unit, with the interval metric (Krippendorff 2011).

    Of values 0 and 1 that is the nominal alpha.

    Args:
        a: ``(n,)`` or ``(n, items)``, one judgement of each unit.
        b: The other.
        weights: ``(…, n)`` how often each unit counts; default once.

    Returns:
        ``(…)``; NaN where all values are alike.

    >>> round(float(krippendorff_alpha([0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0])), 3)
    0.095
    """
    x, y, w = _prepared(a, b, weights)
    n = 2 * w.sum(axis=-1)[..., None]
    observed = 2 * (w @ (x - y) ** 2) / n
    expected = 2 * (n * (w @ (x**2 + y**2)) - (w @ (x + y)) ** 2) / (n * (n - 1))
    return 1 - _ratio(observed.sum(axis=-1), expected.sum(axis=-1))


def icc(a: ArrayLike, b: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """ICC(1, 1): the share of variance between units, of one-way random effects with two raters a unit.

    (Shrout and Fleiss 1979, case 1: raters are not the same for all units.) Arguments and shapes as of
    :func:`krippendorff_alpha`; NaN where all values are alike.

    >>> float(icc([1, 2, 3], [1, 2, 3]))
    1.0
    """
    x, y, w = _prepared(a, b, weights)
    n, means = w.sum(axis=-1)[..., None], (x + y) / 2
    within = (w @ (x - y) ** 2) / 2 / n
    between = 2 * (w @ means**2 - (w @ means) ** 2 / n) / (n - 1)
    return _ratio((between - within).sum(axis=-1), (between + within).sum(axis=-1))


def cohen_kappa(a: ArrayLike, b: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Cohen's (1960) kappa of two raters who judged all units, yes (1) or no (0).

    Arguments and shapes as of :func:`krippendorff_alpha`; NaN where chance explains everything.

    >>> float(cohen_kappa([1, 1, 0, 0], [1, 0, 0, 0]))
    0.5
    """
    x, y, w = _prepared(a, b, weights)
    n = w.sum(axis=-1)[..., None]
    p, q = w @ x / n, w @ y / n
    chance = p * q + (1 - p) * (1 - q)
    return _ratio((w @ (x == y) / n - chance).sum(axis=-1), (1 - chance).sum(axis=-1))


def _prepared(a: ArrayLike, b: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    x, y = (np.asarray(values, np.float64) for values in (a, b))
    x, y = (values.reshape(len(values), -1) for values in (x, y))
    return x, y, np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.asarray(a / np.where(np.abs(b) > TINY, b, np.nan))
