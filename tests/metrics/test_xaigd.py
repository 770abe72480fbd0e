"""X-AIGD counts: hand-computed cases, figures published with the evaluators, OpenCV and SciPy, invariances."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.xaigd import (
    Counts,
    Frame,
    Patch,
    count_instances,
    count_pixels,
    number_instances,
    pixel_polygon,
    rasterise,
)
from tests.reference import xaigd_official as official

EDGES = official.ORDER[0]
SQUARE = [(1, 1), (3, 1), (3, 3), (1, 3)]
# TP and FP of boxes with no FN -> precision, F1: lines of the example outputs published with the evaluators.
PUBLISHED = [
    (60, 25, "0.7058823529411765", "0.8275862068965517"),
    (14, 25, "0.358974358974359", "0.5283018867924528"),
    (11, 25, "0.3055555555555556", "0.46808510638297873"),
    (36, 25, "0.5901639344262295", "0.7422680412371134"),
    (3, 25, "0.10714285714285714", "0.19354838709677416"),
    (13, 5, "0.7222222222222222", "0.8387096774193548"),
    (2, 5, "0.2857142857142857", "0.4444444444444445"),
    (8, 5, "0.6153846153846154", "0.761904761904762"),
    (0, 5, "0.0", "0.0"),
]


def whole(patch: Patch, width: int, height: int) -> np.ndarray:
    """The full mask that a patch stands for."""
    mask = np.zeros((height, width), np.uint8)
    mask[patch.top : patch.top + patch.mask.shape[0], patch.left : patch.left + patch.mask.shape[1]] = patch.mask
    return mask


def as_row(polygons: list, width: int, height: int) -> dict:
    labels = [{"label": EDGES, "points": points} for points in polygons]
    return {"width": width, "height": height, "labels": labels}


@st.composite
def annotated(draw: st.DrawFn) -> tuple[list, int, int]:
    """Some polygons with fractions, on and beyond the border, in an image of some size."""
    width, height = draw(st.integers(2, 70)), draw(st.integers(2, 70))
    x, y = (st.floats(-3, side + 3, width=32) for side in (width, height))
    point = st.tuples(x, y).map(list)
    return draw(st.lists(st.lists(point, min_size=3, max_size=7), max_size=5)), width, height


def patch_of(polygons: list, width: int, height: int) -> Patch:
    return rasterise([pixel_polygon(points, width=width, height=height) for points in polygons])


def test_official_unit_case() -> None:
    prediction = np.zeros((8, 8), np.uint8)
    prediction[1:6, 1:6] = 255
    counts = count_pixels(patch_of([SQUARE], 8, 8), prediction)
    assert counts == Counts(tp=9, fp=16, fn=0, images=1)
    assert (counts.iou, counts.precision, counts.recall) == (0.36, 0.36, 1.0)
    assert counts.f1 == pytest.approx(0.5294117647058824, abs=1e-16)


@pytest.mark.parametrize(("tp", "fp", "precision", "f1"), PUBLISHED)
def test_figures_published_with_the_evaluators(tp: int, fp: int, precision: str, f1: str) -> None:
    counts = Counts(tp, fp, 0)
    assert (repr(counts.precision), repr(counts.f1)) == (precision, f1)


def test_nothing_annotated_and_nothing_predicted() -> None:
    nothing = rasterise([])
    assert count_pixels(nothing, None) == Counts(images=1, zero_predictions=1)
    assert count_pixels(nothing, np.zeros((4, 4), np.uint8)) == Counts(images=1, zero_predictions=1)
    assert count_pixels(nothing, np.full((4, 4), 255, np.uint8)) == Counts(fp=16, images=1)
    assert count_instances(nothing, [(0, 0, 2, 2)], width=4, height=4) == Counts(fp=1, images=1)
    empty = Counts()
    assert (empty.iou, empty.precision, empty.recall, empty.f1) == (0, 0, 0, 0)
    assert Frame(resize_size=(2, 2)).place(nothing, 4, 4).area == 0


@settings(max_examples=150, deadline=None)
@given(annotated())
def test_a_patch_is_the_mask_drawn_on_the_whole_image(data: tuple[list, int, int]) -> None:
    polygons, width, height = data
    expected = official.ground_truth(as_row(polygons, width, height), [EDGES])
    np.testing.assert_array_equal(whole(patch_of(*data), width, height), expected)


def test_two_polygons_that_overlap_are_united() -> None:
    shifted = [(x + 1, y) for x, y in SQUARE]
    assert patch_of([SQUARE, shifted], 8, 8).area == 12  # 6 by the even-odd rule of one call


ROUNDED = [(1344, 518), (1000, 336), (372, 256), (72, 224)]
FRAMES = [
    {"resize_size": (256, 256), "center_crop": (224, 224)},
    {"resize_short_side": 518, "center_crop": (518, 518)},
    {"resize_short_side": 33, "center_crop": (30, 31)},
    {"resize_size": (41, 23)},
]


@settings(max_examples=60, deadline=None)
@given(annotated(), st.sampled_from(FRAMES))
def test_frames_equal_opencv(data: tuple[list, int, int], options: dict) -> None:
    polygons, width, height = data
    frame = Frame(**options)
    truth = official.ground_truth(as_row(polygons, width, height), [EDGES])
    expected = official.into_frame(truth, frame.resize_size, frame.resize_short_side, frame.center_crop)
    shown = whole(frame.place(patch_of(*data), width, height), *frame.size(width, height))
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize("target", [224, 256, 336, 384, 512, 518])
def test_every_index_of_nearest_equals_opencv(target: int) -> None:
    for source in (1, 7, 49, 161, 511, 768, 832, 1000, 1024, 1184, 1280, 2047):
        shown, expected = nearest(source, target)
        np.testing.assert_array_equal(shown, expected)


def test_nearest_keeps_the_rounding_of_opencv() -> None:
    """Sizes where OpenCV is not at floor(x * source / target)."""
    for source, target in ROUNDED:
        shown, expected = nearest(source, target)
        np.testing.assert_array_equal(shown, expected)
        assert (expected != np.arange(target) * source // target).any()


def nearest(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Source column of each target column: by the frame, by OpenCV."""
    indices = np.arange(source)
    by_frame, by_opencv = np.zeros(target, int), np.zeros(target, int)
    for shift in (0, 8):  # two masks spell the two bytes of an index
        part = (indices >> shift & 255).astype(np.uint8)[None]
        frame = Frame(resize_size=(target, 1))
        by_frame += frame.place(Patch(0, 0, part), source, 1).mask[0].astype(int) << shift
        by_opencv += cv2.resize(part, (target, 1), interpolation=cv2.INTER_NEAREST)[0].astype(int) << shift
    return by_frame, by_opencv


def test_short_side_and_crop() -> None:
    assert Frame().size(10, 6) == (10, 6)
    assert Frame(resize_short_side=518).size(832, 1183) == (518, 736)
    assert Frame(resize_short_side=5).size(7, 7) == (5, 5)
    with pytest.raises(SynthscopeError, match=r"within 8x5.*10x6.*got 6x6"):
        Frame(resize_short_side=5, center_crop=(6, 6)).size(10, 6)
    column = Patch(0, 2, np.full((5, 1), 255, np.uint8))
    assert Frame(center_crop=(2, 5)).place(column, 5, 5).left == 1  # the offset (5 - 2) // 2 is 1
    with pytest.raises(UsageError, match="one way"):
        Frame(resize_size=(2, 2), resize_short_side=3)
    for wrong in ({"resize_size": (0, 4)}, {"resize_short_side": 0}, {"center_crop": (3, -1)}):
        with pytest.raises(UsageError, match="at least 1"):
            Frame(**wrong)


@pytest.mark.parametrize(
    "points", [[], [(1, 1), (2, 2)], [(1, 1), (2, 2), (float("nan"), 3)], [(0, 0)] * 2 + [(np.inf, 1)]]
)
def test_malformed_polygons(points: list) -> None:
    with pytest.raises(SynthscopeError, match="at least 3 finite points"):
        pixel_polygon(points, width=8, height=8)


def test_a_polygon_far_outside_is_clamped() -> None:
    assert pixel_polygon([(-1e300, 2), (1e300, 2), (3, 1e12)], width=8, height=6).tolist() == [[0, 2], [7, 2], [3, 5]]


@settings(max_examples=80, deadline=None)
@given(annotated())
def test_instances_equal_scipy(data: tuple[list, int, int]) -> None:
    patch = patch_of(*data)
    truth = whole(patch, *data[1:]) > 0
    joined = scipy.ndimage.binary_dilation(truth, np.ones((5, 5)))
    expected, n = scipy.ndimage.label(joined, np.ones((3, 3)))
    numbers, count = number_instances(patch)
    pairs = set(zip(numbers[patch.mask > 0], expected[truth], strict=True))
    assert count == n == len(pairs) == len({a for a, _ in pairs})


def test_gap_that_a_dilation_closes() -> None:
    def count(gap: int) -> int:
        mask = np.zeros((9, 30), np.uint8)
        mask[2:5, :10] = mask[2:5, 10 + gap :] = 255
        return number_instances(Patch(0, 0, mask))[1]

    assert [count(gap) for gap in (1, 4, 5)] == [1, 1, 2]
    corners = np.zeros((12, 12), np.uint8)
    corners[1, 1] = corners[6, 6] = 255  # once dilated, they touch at one corner
    assert number_instances(Patch(0, 0, corners))[1] == 1


def test_box_cases() -> None:
    truth = Patch(1, 1, np.full((3, 3), 255, np.uint8))  # 9 of the 16 pixels of the box (1, 1, 5, 5)

    def count(*boxes: tuple[float, ...], overlap: float = 0.5) -> Counts:
        return count_instances(truth, list(boxes), width=10, height=10, overlap=overlap)

    assert count((1, 1, 5, 5)) == Counts(tp=1, images=1)
    assert count((1, 1, 5, 5), overlap=0.6) == Counts(fp=1, fn=1, images=1)
    assert count((1, 1, 5, 5), overlap=9 / 16) == Counts(fp=1, fn=1, images=1)  # strictly more
    assert count((1, 1, 2, 2), (1, 1, 2, 2)) == Counts(tp=1, images=1)  # a tiny box, twice: both are right
    assert count((1.9, 1.9, 4.9, 4.9)) == Counts(tp=1, images=1)  # fractions are cut off
    assert count() == Counts(fn=1, images=1, zero_predictions=1)
    nan = float("nan")
    wrong = [(-0.5, 0, 2, 2), (0, 0, 10.5, 2), (3, 0, 3, 2), (5, 5, 4, 6), (1.2, 1, 1.9, 3), (nan, 0, 1, 1)]
    assert count(*wrong) == Counts(fp=6, fn=1, images=1, invalid_boxes=6)
    assert count((0, 0, 10, 10)) == Counts(fp=1, fn=1, images=1)
    assert count((6, 6, 10, 10)) == Counts(fp=1, fn=1, images=1)  # valid to the last pixel, beside the artifact


corner = st.floats(-2, 40, width=32) | st.integers(0, 40).map(float)


@settings(max_examples=120, deadline=None)
@given(annotated(), st.lists(st.tuples(corner, corner, corner, corner), max_size=6), st.sampled_from([0, 0.3, 0.5, 1]))
def test_boxes_equal_the_plain_evaluator(data: tuple[list, int, int], boxes: list, overlap: float) -> None:
    polygons, width, height = data
    ours = count_instances(patch_of(*data), boxes, width=width, height=height, overlap=overlap)
    tp, fp, fn, empty, invalid = official.instance_counts(as_row(polygons, width, height), EDGES, boxes, overlap)
    assert ours == Counts(tp, fp, fn, 1, empty, invalid)


@settings(max_examples=40, deadline=None)
@given(annotated(), st.integers(0, 2**32 - 1))
def test_pixels_equal_the_plain_sums_and_mirror(data: tuple[list, int, int], seed: int) -> None:
    polygons, width, height = data
    guess = np.where(np.random.default_rng(seed).random((height, width)) < 0.4, 255, 0).astype(np.uint8)
    patch, truth = patch_of(*data), official.ground_truth(as_row(polygons, width, height), [EDGES])
    counts = count_pixels(patch, guess)
    sums = [((guess == a) & (truth == b)).sum() for a, b in ((255, 255), (255, 0), (0, 255))]
    assert [counts.tp, counts.fp, counts.fn] == sums
    mirrored = count_pixels(Patch(0, 0, guess), whole(patch, width, height))
    assert mirrored.tp == counts.tp
    assert patch.area == 0 or (mirrored.fp, mirrored.fn) == (counts.fn, counts.fp)


counts_of = st.builds(Counts, *[st.integers(0, 10**12)] * 6)


@settings(max_examples=60, deadline=None)
@given(st.lists(counts_of, min_size=1, max_size=4))
def test_sums_do_not_depend_on_the_order(parts: list[Counts]) -> None:
    sums = {sum(order, Counts()) for order in itertools.permutations(parts)}
    assert len(sums) == 1
    total = sums.pop()
    assert total.tp == sum(part.tp for part in parts) and total.invalid_boxes == sum(p.invalid_boxes for p in parts)
    assert total.f1 == pytest.approx(2 * total.iou / (1 + total.iou), abs=1e-12)
