"""Outlines and single artifacts: hand-computed cases and a brute-force distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from synthscope.errors import SynthscopeError
from synthscope.metrics.localization.regions import boundary_f1, instance_recall


def square(size: int = 20, top: int = 5, left: int = 5, side: int = 6) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def slow_outline(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.argwhere(mask & ~inside)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([0, 1, 1.5, 3]))
def test_boundary_f1_equals_all_distances(data: st.DataObject, tolerance: float) -> None:
    a, b = (data.draw(hnp.arrays(np.bool_, (5, 6))) for _ in range(2))
    a[0, 0] = b[4, 5] = True
    distance = np.linalg.norm(slow_outline(a)[:, None] - slow_outline(b)[None], axis=2)
    precision, recall = np.mean(distance.min(1) <= tolerance), np.mean(distance.min(0) <= tolerance)
    expected = 2 * precision * recall / (precision + recall) if precision + recall else 0
    assert boundary_f1(a, b, tolerance=tolerance) == pytest.approx(expected)
    assert boundary_f1(b, a, tolerance=tolerance) == pytest.approx(expected)


def test_boundary_f1_forgives_within_the_tolerance() -> None:
    assert boundary_f1(square(), square(left=7), tolerance=2) == 1
    assert boundary_f1(square(), square(top=4, left=4, side=8), tolerance=1.5) == 1  # corners are sqrt(2) away
    assert boundary_f1(square(), square(left=14), tolerance=2) == 0
    assert boundary_f1(square(), square(left=6), tolerance=0) == pytest.approx(10 / 20)  # top and bottom edges overlap


def test_boundary_f1_of_empty_masks() -> None:
    assert np.isnan(boundary_f1(np.zeros((3, 3)), np.zeros((3, 3)), tolerance=1))
    assert boundary_f1(np.zeros((3, 3)), np.ones((3, 3)), tolerance=1) == 0
    with pytest.raises(SynthscopeError, match="one shape"):
        boundary_f1(np.zeros((3, 3)), np.zeros((3, 4)), tolerance=1)
    with pytest.raises(SynthscopeError, match="distance in pixels"):
        boundary_f1(np.eye(3), np.eye(3), tolerance=-1)


def test_instance_recall_by_category() -> None:
    heatmap = np.arange(16.0).reshape(4, 4) - 4  # the first row is negative and counts as 0
    rows = [np.repeat(np.arange(4) == row, 4).reshape(4, 4) for row in range(4)]
    found = instance_recall(heatmap, rows, quantile=0.5, categories=["text", "hands", "hands", "text"])
    assert found == {"text": (1, 2), "hands": (1, 2)}  # means 0, 1.5, 5.5, 9.5 against the median 3.5
    assert instance_recall(heatmap * 1e-9, rows, quantile=0.5, categories=["text", "hands", "hands", "text"]) == found
    assert instance_recall(heatmap, rows, quantile=1, categories=["a"] * 4) == {"a": (0, 4)}


def test_instance_recall_of_constant_and_blank_maps() -> None:
    rows = [np.eye(4) == 1, np.eye(4) == 0]
    assert instance_recall(np.ones((4, 4)), rows, quantile=0.5, categories=["a", "b"]) == {"a": (0, 1), "b": (0, 1)}
    assert instance_recall(-np.ones((4, 4)), rows, quantile=0.5, categories=["a", "b"]) == {}
    with pytest.raises(SynthscopeError, match="none in mask 1"):
        instance_recall(np.ones((4, 4)), [rows[0], rows[0] & False], quantile=0.5, categories=["a", "b"])
    with pytest.raises(SynthscopeError, match="not percent"):
        instance_recall(np.ones((4, 4)), rows, quantile=90, categories=["a", "b"])
