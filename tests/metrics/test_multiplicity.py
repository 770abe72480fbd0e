"""Adjusted p-values: cases by hand, scipy's, and what must hold for any family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from synthscope.errors import SynthscopeError
from synthscope.metrics.multiplicity import benjamini_hochberg, holm

FAMILIES = st.lists(st.floats(0, 1), min_size=1, max_size=20)
BENJAMINI = (0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528,
             0.759, 1.0)  # fmt: skip


def test_holm_by_hand() -> None:
    # 4 x 0.005 = 0.02; 3 x 0.01 = 0.03; 2 x 0.03 = 0.06; 1 x 0.04 = 0.04, raised to 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]


def test_the_example_of_benjamini_and_hochberg() -> None:
    """The paper's 15 p-values of a trial of thrombolysis: its method finds four, Bonferroni's and Holm's three."""
    assert np.flatnonzero(benjamini_hochberg(BENJAMINI) <= 0.05).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(holm(BENJAMINI) <= 0.05).tolist() == [0, 1, 2]


@given(FAMILIES)
def test_benjamini_hochberg_is_that_of_scipy(family: list[float]) -> None:
    assert benjamini_hochberg(family) == pytest.approx(false_discovery_control(family, method="bh"), abs=1e-12)


@given(FAMILIES, st.floats(0.001, 0.999))
def test_holm_rejects_what_its_step_down_procedure_rejects(family: list[float], alpha: float) -> None:
    rejected = set()
    for step, place in enumerate(sorted(range(len(family)), key=lambda i: family[i])):
        if family[place] * (len(family) - step) > alpha:
            break
        rejected.add(place)
    assert set(np.flatnonzero(holm(family) <= alpha)) == rejected


@given(FAMILIES, st.randoms())
def test_adjusted_values_follow_their_order_and_bounds(family: list[float], random) -> None:
    p = np.array(family)
    first, second = benjamini_hochberg(p), holm(p)
    assert (p <= first + 1e-15).all() and (first <= second + 1e-12).all() and (second <= 1).all()
    order = list(range(len(family)))
    random.shuffle(order)
    assert holm(p[order]) == pytest.approx(second[order]) and benjamini_hochberg(p[order]) == pytest.approx(
        first[order]
    )


def test_unknown_values_are_no_comparisons() -> None:
    for adjust in (holm, benjamini_hochberg):
        with_nan = adjust([0.02, np.nan, 0.01])
        assert np.isnan(with_nan[1]) and with_nan[[0, 2]].tolist() == adjust([0.02, 0.01]).tolist()
        assert adjust([]).size == 0
        with pytest.raises(SynthscopeError, match=r"Expected p-values in 0\.\.1"):
            adjust([0.5, 1.5])
