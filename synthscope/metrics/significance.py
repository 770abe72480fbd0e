"""p-values of paired differences: of images by the bootstrap's standard error, of training seeds by the t test.

The smallest difference that a number of seeds could have seen stands beside a null result.
"""

from __future__ import annotations

from functools import cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import nct, t

from synthscope.errors import UsageError

Floats = NDArray[np.float64]
SURE = 0.05  # adjusted p-values up to here are marked
POWER = 0.8


def bootstrap_p(values: Floats, replicates: Floats, *, units: Floats, freedom: Floats) -> Floats:
    """Two-sided p-values of differences from 0: t tests with the standard error of a paired bootstrap over groups.

    The standard error is the deviation of the replicates times sqrt(units / freedom), because a bootstrap divides by n
    where an unbiased variance divides by n - 1. Degrees of freedom are groups less strata, as in surveys (Korn and
    Graubard 1990), of the smaller class, the lower bound of Welch and Satterthwaite. With one image a group this is
    the paired t test, for verdicts nearly McNemar's without a continuity correction. Counting replicates beyond 0 could
    give no p below 1 / (R + 1), which no large family of comparisons passes, and rejects too often with few groups.
    No p is below that of a sign test in which all groups agree, 2^(1 - units).

    Args:
        values: ``(k,)`` differences; NaN = unknown.
        replicates: ``(k, R)``; NaN where a class is missing. Where more than half are, the p-value is NaN.
        units: ``(k,)`` independent groups of the smaller class.
        freedom: ``(k,)`` these less their strata; the p-value is NaN where none is left.

    Returns:
        float64 ``(k,)``; 1 where the difference and all its replicates are 0.
    """
    found = np.full(len(values), np.nan)
    for i, (value, row) in enumerate(zip(values, replicates, strict=True)):
        known = row[~np.isnan(row)]
        if np.isnan(value) or known.size < max(row.size / 2, 2) or not freedom[i] > 0:
            continue
        error = float(known.std(ddof=1)) * sqrt(units[i] / freedom[i])
        p = 2 * float(t.sf(abs(value) / error, freedom[i])) if error > 0 else float(value == 0)
        found[i] = min(1.0, max(p, 2 ** (1 - units[i]))) if value else 1.0
    return found


def paired_t_p(differences: Floats) -> float | None:
    """Two-sided p-value of the mean of ``(n,)`` differences by Student's t test.

    None where it cannot be known: a value is NaN, there is one value, or all are the same but not 0.

    >>> paired_t_p(np.array([0.0, 0.0])), paired_t_p(np.array([0.1, 0.1])), round(paired_t_p(np.array([1.0, 3.0])), 4)
    (1.0, None, 0.2952)
    """
    n = differences.size
    if n < 2 or np.isnan(differences).any():
        return None
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    if sd <= 1e-9 * abs(differences).max():  # rounding apart, all are the same
        return None if differences.any() else 1.0
    return 2 * float(t.sf(abs(mean) * sqrt(n) / sd, n - 1))


def smallest_detectable(sd: float, n: int) -> float:
    """The smallest true mean difference that a two-sided paired t test finds at 0.05 with a power of 0.8.

    The test statistic is noncentral t with n - 1 degrees of freedom (Cohen 1988, chapter 2). That it leaves on the
    wrong side is left out: below 1e-6 at this power.

    Args:
        sd: Standard deviation of the differences.
        n: Number of pairs, at least 2.

    Raises:
        UsageError: Fewer than two pairs.

    >>> round(smallest_detectable(1.0, 34), 3)
    0.495
    """
    if n < 2:
        raise UsageError(f"Expected at least 2 pairs, got {n}. Train with more seeds.")
    return sd * _noncentrality(n) / sqrt(n)


@cache
def _noncentrality(n: int) -> float:
    critical = float(t.ppf(1 - SURE / 2, n - 1))

    def lack(shift: float) -> float:
        return float(nct.sf(critical, n - 1, shift)) - POWER

    return float(brentq(lack, 0, 4 * critical))
