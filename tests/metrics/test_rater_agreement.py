"""Agreement of two judgements against published and independent figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from synthscope.metrics.rater_agreement import cohen_kappa, icc, krippendorff_alpha


def test_krippendorffs_own_examples() -> None:
    """Computing Krippendorff's Alpha-Reliability (2011), A: binary data of two observers: 0.095."""
    a, b = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert (
        krippendorff_alpha(a, b) == pytest.approx(1 - 19 * 4 / (14 * 6), abs=1e-12) and round(1 - 76 / 84, 3) == 0.095
    )


def by_definition(a: np.ndarray, b: np.ndarray) -> float:
    """1 - observed over expected disagreement, from all pairs of values."""
    values = np.concatenate([a, b])
    n = len(values)
    observed = np.mean((a - b) ** 2)
    expected = sum((values[i] - values[j]) ** 2 for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return 1 - observed / expected


@given(st.integers(3, 12), st.integers(0, 10**6), st.booleans())
@settings(deadline=None, max_examples=40)
def test_against_definitions_and_libraries(n, seed, binary) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 2 if binary else 9, (2, n)).astype(float)
    if np.ptp([a, b]) == 0:
        assert np.isnan(krippendorff_alpha(a, b)) and np.isnan(icc(a, b))
        return
    assert krippendorff_alpha(a, b) == pytest.approx(by_definition(a, b))
    if np.any(a != b):
        f = stats.f_oneway(*np.stack([a, b], axis=1)).statistic  # mean squares between over within, (F - 1) / (F + 1)
        assert icc(a, b) == pytest.approx((f - 1) / (f + 1))
    if binary and (np.ptp(a) or np.ptp(b)):
        assert cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))


@given(st.integers(4, 10), st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_weights_repeat_units(n, seed) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 2, (2, n, 3)).astype(float)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=4)
    for measure in (krippendorff_alpha, icc, cohen_kappa):
        one_by_one = [measure(np.repeat(a, c, axis=0), np.repeat(b, c, axis=0)) for c in counts]
        assert measure(a, b, counts) == pytest.approx(np.array(one_by_one), nan_ok=True)


def test_items_of_different_frequency_are_no_agreement() -> None:
    """Two people who say "hands" always and "feet" never, whatever they see, agree by chance alone."""
    rng = np.random.default_rng(0)
    a, b = (rng.random((4000, 2)) < (0.9, 0.1) for _ in range(2))
    assert abs(float(krippendorff_alpha(a, b))) < 0.05 and abs(float(cohen_kappa(a, b))) < 0.05
    assert float(krippendorff_alpha(a.ravel(), b.ravel())) > 0.5
