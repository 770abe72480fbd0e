"""Regions as pixels and as run lengths, against hand-computed and brute-force masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthscope.annotations import image_masks, region_mask
from synthscope.annotations.records import image_rows, to_table
from synthscope.annotations.rle import decode_rle, encode_counts, encode_rle
from synthscope.errors import SynthscopeError, UsageError

EDGE, TEXTURE = "low-level-edge_shape", "low-level-texture"


def polygon(*points, **more):
    return {"path": "/a.png", "region": 1, "gt_kind": "polygon", "polygons": [list(map(list, points))]} | more


def inside_or_on(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pixels whose centre lies in an integer polygon (even-odd rule), pixel by pixel."""
    ys, xs = np.mgrid[:height, :width]
    inside = np.zeros((height, width), bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (ys < max(y0, y1)) & (ys >= min(y0, y1))
            inside ^= crosses & (xs < x0 + (ys - y0) * (x1 - x0) / (y1 - y0))
    return inside


def test_the_official_square() -> None:
    row = polygon((1, 1), (3, 1), (3, 3), (1, 3))
    mask = region_mask(row, 7, 8)
    assert mask.dtype == bool and mask.shape == (7, 8) and mask.sum() == 9
    assert mask[1:4, 1:4].all()
    other = np.zeros((7, 8), bool)
    other[0:5, 0:5] = True
    assert (mask & other).sum() / (mask | other).sum() == 0.36


@pytest.mark.parametrize("far", [8, 8.9, 1e12])
def test_points_are_truncated_and_clipped(far: float) -> None:
    """On the border, beyond it, and beyond int32; -0.9 truncates to 0."""
    mask = region_mask(polygon((2.99, -0.9), (far, -0.9), (far, far), (2.99, far)), 6, 8)
    assert mask[:, 2:].all() and not mask[:, :2].any()


@given(
    st.lists(st.tuples(st.integers(-3, 24), st.integers(-3, 20)), min_size=3, max_size=7),
    st.floats(0, 0.99),
)
@settings(deadline=None, max_examples=60)
def test_polygons_equal_brute_force(points, fraction) -> None:
    """fillPoly = the inside by brute force + a boundary within one pixel of the outline; fractions are dropped."""
    height, width = 17, 21
    mask = region_mask(polygon(*points), height, width)
    clipped = np.clip(np.array(points), 0, (width - 1, height - 1))
    inside = inside_or_on(clipped, height, width)
    assert not (inside & ~mask).any()
    ys, xs = np.nonzero(mask & ~inside)
    starts, ends = clipped.astype(float), np.roll(clipped, -1, axis=0).astype(float)
    for x, y in zip(xs, ys, strict=True):
        step = ends - starts
        length = np.maximum((step**2).sum(axis=1), 1e-9)
        t = np.clip((((x, y) - starts) * step).sum(axis=1) / length, 0, 1)
        assert np.abs(starts + t[:, None] * step - (x, y)).max(axis=1).min() <= 0.5 + 1e-6
    for x, y in clipped:
        assert mask[y, x]
    shifted = [(x + fraction, y + fraction) for x, y in points if x >= 0 and y >= 0]
    if len(shifted) == len(points):
        assert np.array_equal(region_mask(polygon(*shifted), height, width), mask)
    assert np.array_equal(region_mask(polygon(*points[::-1]), height, width), mask)


@pytest.mark.parametrize(
    ("points", "got"), [([(1, 1), (2, 2)], "[[1, 1], [2, 2]]"), ([(1, 1), (2, float("nan")), (3, 3)], "nan")]
)
def test_malformed_polygons_name_file_and_region(points, got) -> None:
    with pytest.raises(SynthscopeError, match=r"polygon 1 of region 1 of /a\.png, got .*") as error:
        region_mask(polygon(*points), 5, 5)
    assert got in str(error.value)


def test_boxes_are_truncated_and_half_open() -> None:
    row = {"path": "/a.png", "region": 1, "gt_kind": "box", "box": [1.9, 0.0, 4.2, 2.9]}
    assert np.argwhere(region_mask(row, 5, 6)).tolist() == [[0, 1], [0, 2], [0, 3], [1, 1], [1, 2], [1, 3]]
    assert region_mask(row | {"box": [-9, -9, 99, 99]}, 5, 6).all()
    assert not region_mask(row | {"box": [-9, -9, -2, -2]}, 5, 6).any()


def test_masks_of_images_categories_and_instances() -> None:
    rows = [
        polygon((0, 0), (1, 0), (1, 1), (0, 1), category=TEXTURE),
        polygon((3, 3), (4, 3), (4, 4), (3, 4), category=EDGE, region=2),
        polygon((0, 0), (0, 1), (0, 0), category=None, region=3),
    ]
    union = image_masks(rows, 6, 6)
    assert union.shape == (6, 6) and union.sum() == 8
    by_category = image_masks(rows, 6, 6, per="category")
    assert by_category.shape == (7, 6, 6) and by_category.sum(axis=(1, 2)).tolist() == [4, 4, 0, 0, 0, 0, 0]
    assert by_category[0, 3:5, 3:5].all()
    assert image_masks(rows, 6, 6, per="instance").sum(axis=(1, 2)).tolist() == [4, 4, 2]
    clean = list(image_rows({"path": "/a.png"}, [], kind="polygon"))
    assert not image_masks(to_table(clean, "x"), 6, 6).any()
    assert image_masks(clean, 6, 6, per="instance").shape == (0, 6, 6)
    with pytest.raises(SynthscopeError, match="got 'low-level-textur'. Did you mean low-level-texture"):
        image_masks([rows[0] | {"category": "low-level-textur"}], 6, 6, per="category")
    with pytest.raises(UsageError, match="image, category or instance"):
        image_masks(rows, 6, 6, per="pixel")  # type: ignore[arg-type]
    with pytest.raises(SynthscopeError, match="Expected an image of 9 x 6 pixels"):
        image_masks([rows[0] | {"width": 9}], 6, 6)


def test_run_lengths_by_hand() -> None:
    """Column by column; from the third count on, minus the one two before; 5-bit digits plus 48."""
    mask = np.zeros((2, 3), bool)
    mask[:, 1] = True
    assert encode_rle(mask) == "222" and np.array_equal(decode_rle("222", 2, 3), mask)
    assert encode_rle(np.zeros((2, 2), bool)) == "4" and encode_rle(np.ones((2, 2), bool)) == "04"
    assert encode_counts([0, 100]) == "0T3"  # 100 = 4 + 32 * 3: digits 4 + 32 (more) and 3
    assert encode_counts([5, 1, 5, 1, 5]) == "51500"
    assert encode_counts([0, 5, 1, 2]) == "051M"  # 2 - 5 = -3 = 29 in 5 bits


@given(st.integers(1, 9), st.integers(1, 300), st.data())
@settings(deadline=None, max_examples=50)
def test_run_lengths_round_trip(height, width, data) -> None:
    seed, share = data.draw(st.integers(0, 10**6)), data.draw(st.sampled_from([0, 0.01, 0.5, 1]))
    mask = np.random.default_rng(seed).random((height, width)) < share
    assert np.array_equal(decode_rle(encode_rle(mask), height, width), mask)


@pytest.mark.parametrize("text", ["", "5", "04x", "0T", "0\x00", "M7", "0" + "o" * 50])
def test_broken_run_lengths(text: str) -> None:
    with pytest.raises(SynthscopeError, match="run lengths"):
        decode_rle(text, 2, 2)


def test_stored_masks(tmp_path: Path) -> None:
    values = np.zeros((4, 5), np.uint8)
    values[1, 2] = 1
    image = Image.fromarray(values, "P")
    image.putpalette([120, 120, 120, 0, 0, 0])  # index 0 is grey, index 1 black
    image.save(tmp_path / "m.png")
    row = {"path": "/a.png", "region": 1, "gt_kind": "mask", "rle": None, "mask_path": str(tmp_path / "m.png")}
    assert np.argwhere(region_mask(row, 4, 5)).tolist() == [[1, 2]]
    with pytest.raises(SynthscopeError, match="Expected a mask of 4 x 4 pixels"):
        region_mask(row, 4, 4)
    with pytest.raises(SynthscopeError, match="got 'mask' without one"):
        region_mask(row | {"mask_path": None}, 4, 5)


def test_heatmaps(tmp_path: Path) -> None:
    np.save(tmp_path / "h.npy", np.array([[0, 255], [0, 255]], np.uint8))
    row = {"path": "/a.png", "region": 1, "gt_kind": "heatmap", "heatmap_path": str(tmp_path / "h.npy")}
    mask = region_mask(row, 4, 8)
    assert mask[:, 4:].all() and not mask[:, :4].any()
    np.save(tmp_path / "h.npy", np.array([[0, 3.0]]))
    with pytest.raises(SynthscopeError, match="Expected values from 0 to 1 in the heatmap .*got 0 to 3"):
        region_mask(row, 4, 8)
    np.save(tmp_path / "h.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(SynthscopeError, match="Expected a NumPy array"):
        region_mask(row, 4, 8)
