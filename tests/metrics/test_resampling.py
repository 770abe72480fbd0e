"""What is drawn together, and what clustered samples are worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthscope.metrics.intervals import effective, weighted_rates_interval, wilson
from synthscope.metrics.resampling import draw_counts, draw_weights, units_of

pairs = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("vwxyz")), min_size=1, max_size=40)


@given(pairs, st.integers(0, 3))
def test_rows_of_a_group_are_drawn_together_and_every_stratum_keeps_its_number_of_units(rows, seed) -> None:  # type: ignore[no-untyped-def]
    cells, groups = [cell for cell, _ in rows], [group for _, group in rows]
    units = units_of(cells, groups)
    (counts,) = draw_counts(units, [50], seed)
    for group in set(groups):
        of = [i for i, name in enumerate(groups) if name == group]
        assert (counts[of] == counts[of[0]]).all()
    for stratum, size in enumerate(units.sizes):
        first = {groups[i]: i for i in np.flatnonzero(units.stratum == stratum)}
        assert len(first) == size and (counts[list(first.values())].sum(0) == size).all()
    weights = draw_weights(groups, 30, seed)
    assert (
        weights.shape == (30, len(rows))
        and (weights[:, [groups.index(g) for g in set(groups)]].sum(1) == len(set(groups))).all()
    )


def test_rows_alone_are_drawn_within_their_cell_and_alike_in_any_part_of_the_table() -> None:
    units = units_of(["real"] * 5 + ["ai"] * 7)
    assert dict(zip(units.names, units.sizes, strict=True)) == {"real": 5, "ai": 7}
    (whole,) = draw_counts(units, [20], 0)
    (part,) = draw_counts(units.of(np.arange(2, 9)), [20], 0)
    assert np.array_equal(whole[2:9], part)


def test_groups_in_several_cells_make_strata_of_their_own_where_there_are_enough() -> None:
    many = [("real", f"u{i}") for i in range(25)] + [("ai", f"u{i}") for i in range(25)]
    few = [("real", "x"), ("other", "x"), ("ai", "y"), ("other", "y"), ("real", "alone")]
    cells, groups = zip(*many, *few, strict=True)
    units = units_of(cells, groups)
    assert dict(zip(units.names, units.sizes, strict=True)) == {"ai\x1ereal": 25, "\x1e": 2, "real": 1}


def test_effective_sizes_by_hand() -> None:
    """Five groups of two copies each are worth five images, less the factor (G - 1) / G of an estimated variance."""
    verdicts = np.repeat([True, True, True, False, False], 2)
    found = effective([verdicts, np.ones(4, bool)], [np.repeat(np.arange(5), 2), np.array([9, 9, 8, 8])])
    assert found.n == pytest.approx((4.0, 2.0)) and found.correlation == 0
    alone = effective([verdicts, verdicts], [np.arange(10), np.arange(10, 20)])
    assert alone.n == (10, 10) and alone.correlation == 0
    pair = effective([verdicts, ~verdicts], [np.arange(10), np.arange(10)])
    assert pair.n == (10, 10) and pair.correlation == pytest.approx(-1)
    low, high = weighted_rates_interval((6, 4), (10, 10), (0.5, 0.5), correlation=-1)
    assert high - low < 0.06  # opposite in every pair: their mean is one half for certain
    assert weighted_rates_interval((6, 0), (10, 0), (1, 0)) == pytest.approx(wilson(6, 10))
