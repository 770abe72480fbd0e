"""What the rules measure, on pixels whose answer is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthscope.inspection.scope.colours import _spread, one_colour, painted
from synthscope.inspection.scope.edges import straight_edges
from synthscope.inspection.scope.lines import text_lines

PAPER = 200


def plain(height: int, width: int) -> np.ndarray:
    return np.full((height, width), PAPER, np.uint8)


# Straight edges


def test_a_rectangle_has_four_edges() -> None:
    gray = plain(300, 400)
    gray[50:250, 60:300] = 90
    assert straight_edges(gray) == 4


@pytest.mark.parametrize(("length", "count"), [(48, 0), (49, 1), (50, 1)])
def test_an_edge_has_a_shortest_length(length: int, count: int) -> None:
    gray = plain(400, 400)
    gray[100:108, 100 : 100 + length] = 90  # 8 high: its ends are too short, its sides are one edge
    assert straight_edges(gray) == count


def test_the_shortest_length_grows_with_the_side() -> None:
    gray = plain(400, 1200)
    gray[100:108, 100:200] = 90
    assert straight_edges(gray) == 0  # 99 equal pairs, a twelfth of 1,200 is 100
    gray[100:108, 100:201] = 90
    assert straight_edges(gray) == 1


@pytest.mark.parametrize(("step", "count"), [(7, 0), (8, 1)])
def test_an_edge_has_a_lowest_step(step: int, count: int) -> None:
    gray = plain(400, 400)
    gray[200:] -= step
    assert straight_edges(gray) == count


@pytest.mark.parametrize(("thickness", "count"), [(1, 1), (8, 1), (9, 2)])
def test_the_two_sides_of_a_line_are_one_edge(thickness: int, count: int) -> None:
    gray = plain(400, 400)
    gray[200 : 200 + thickness] = 90
    assert straight_edges(gray) == count


def test_edges_are_found_where_bands_meet() -> None:
    for row in (511, 512, 513, 1023, 1024):
        gray = plain(1100, 60)
        gray[row:] = 90
        assert straight_edges(gray) == 1, row


def test_grain_on_one_side_leaves_no_edge() -> None:
    gray = plain(400, 400)
    gray[200:] = np.random.default_rng(0).integers(60, 120, (200, 400))  # a photograph under a plain bar
    assert straight_edges(gray) == 0


def test_a_photograph_in_a_double_frame_has_fewer_edges_than_a_screen() -> None:
    gray = np.random.default_rng(0).integers(0, 256, (400, 600)).astype(np.uint8)
    for inset, value in ((0, 255), (12, 0), (16, 255)):
        frame = np.ones(gray.shape, bool)
        frame[inset + 4 : -inset - 4, inset + 4 : -inset - 4] = False
        frame[:inset], frame[:, :inset] = False, False
        frame[400 - inset :], frame[:, 600 - inset :] = False, False
        gray[frame] = value
    assert straight_edges(gray) < 8


# Areas of one colour


def test_painted_is_the_share_in_the_middle_of_equal_pixels() -> None:
    gray = plain(100, 100)
    gray[20:60, 20:60] = 90
    assert painted(gray, PAPER) == 32 * 32 / (40 * 40)  # a border of 4 belongs to windows that see paper


@given(st.integers(0, 1020))
def test_bands_do_not_change_what_is_painted(top: int) -> None:
    gray = plain(1100, 64)
    gray[top : top + 80, 5:59] = 90
    rows = 80 - 4 * (top > 0) - 4 * (top < 1020)  # beyond the image there is nothing that differs
    assert painted(gray, PAPER) == rows * 46 / (80 * 54)


def test_clipped_areas_are_not_painted() -> None:
    gray = plain(100, 100)
    gray[10:50], gray[60:90] = 255, 0
    assert painted(gray, PAPER) == 0.0


def test_grain_is_not_painted() -> None:
    gray = np.random.default_rng(0).integers(100, 103, (200, 200)).astype(np.uint8)
    assert painted(gray, PAPER) == 0.0


def test_one_colour_counts_pixels_near_the_median_in_every_channel() -> None:
    rgb = np.full((10, 100, 3), 50, np.uint8)
    rgb[:, :10, 0] = 58  # 8 levels are near
    rgb[:, 10:30, 2] = 59
    assert one_colour(rgb) == 0.8


@given(st.integers(1, 5000))
def test_the_grid_is_the_same_from_either_end(side: int) -> None:
    places = _spread(side)
    assert len(places) in (min(side, 256), min(side, 256) + 1)
    assert (np.diff(places) > 0).all() and (places == side - 1 - places[::-1]).all()
    if side <= 256:
        assert len(places) == side


# Lines of text


def page(lines: int, *, height: int = 10, gap: int = 8) -> np.ndarray:
    """Lines of strokes 3 pixels wide with 3 between them."""
    gray = plain(lines * (height + gap) + gap, 400)
    for i in range(lines):
        row = gap + i * (height + gap)
        gray[row : row + height, np.arange(400) % 6 < 3] = 20
    return gray


@pytest.mark.parametrize("lines", [8, 13, 40])
def test_lines_are_counted(lines: int) -> None:
    gray = page(lines)
    assert text_lines(gray, PAPER, 0.7) == text_lines(np.ascontiguousarray(gray.T), PAPER, 0.7) == lines


def test_few_strokes_low_lines_or_grey_paper_are_no_text() -> None:
    assert text_lines(page(20), PAPER, 0.24) == 0.0  # too little of the very paper
    assert text_lines(page(20, height=3), PAPER, 0.7) == 0.0
    bars = page(20)
    bars[(bars == 20).any(axis=1)] = 20  # the same rows, full: no strokes
    assert text_lines(bars, PAPER, 0.5) == 0.0
