"""Fills that touch nothing else, and benign regions of exactly the same size, against slow plain implementations."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from synthscope.annotations.benign import MOST_PARTS, benign_regions, blots, largest
from synthscope.annotations.erase import FILLS, fill_region, parts
from synthscope.errors import SynthscopeError, UsageError

EIGHT = np.ones((3, 3), int)


def picture(seed: int, height: int = 34, width: int = 41) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), (0, 0), 1.5)


def rectangles(seed: int, height: int = 34, width: int = 41, count: int = 3) -> np.ndarray:
    rng, mask = np.random.default_rng(seed), np.zeros((height, width), bool)
    for _ in range(count):
        top, left = rng.integers(0, height - 2), rng.integers(0, width - 2)
        mask[top : top + rng.integers(1, 9), left : left + rng.integers(1, 9)] = True
    return mask


def mirrors(shape: np.ndarray) -> list[np.ndarray]:
    return [shape[::a, ::b] for a, b in product((1, -1), repeat=2)]


def cut(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(FILLS), st.integers(0, 5))
def test_pixels_outside_of_the_mask_never_change(seed: int, fill: str, count: int) -> None:
    rgb, mask = picture(seed), rectangles(seed, count=count)
    before = rgb.copy()
    filled = fill_region(rgb, mask, fill=fill)
    assert filled.dtype == np.uint8 and np.array_equal(rgb, before) and filled is not rgb
    assert np.array_equal(filled[~mask], rgb[~mask])
    assert np.array_equal(filled, fill_region(rgb, mask, fill=fill))


@pytest.mark.parametrize("fill", ["inpaint", "mean"])
@pytest.mark.parametrize("seed", range(6))
def test_what_was_erased_leaves_no_trace(fill: str, seed: int) -> None:
    """Two pictures that differ inside the mask alone are the same once it is filled."""
    mask, rgb = rectangles(seed), picture(seed)
    other = np.where(mask[..., None], 255 - rgb, rgb)
    assert not np.array_equal(rgb, other)
    assert np.array_equal(fill_region(rgb, mask, fill=fill), fill_region(other, mask, fill=fill))


@pytest.mark.parametrize("seed", range(5))
def test_inpainting_a_part_of_the_image_equals_inpainting_the_whole(seed: int) -> None:
    rgb, mask = picture(seed, 120, 140), np.zeros((120, 140), bool)
    mask[40:80, 45:90] = rectangles(seed, 40, 45)
    flat = fill_region(rgb, mask, fill="mean")
    whole = cv2.inpaint(flat, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    assert np.array_equal(fill_region(rgb, mask, fill="inpaint")[mask], whole[mask])


def test_inpainting_reaches_the_border_and_continues_a_ramp() -> None:
    ramp = np.repeat(np.tile(np.linspace(0, 200, 60), (40, 1))[..., None], 3, 2).astype(np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[:12, 20:26] = True
    spoilt = np.where(mask[..., None], 255, ramp).astype(np.uint8)
    filled = fill_region(spoilt, mask, fill="inpaint").astype(int)
    assert np.abs(filled - ramp)[mask].max() <= 15


@pytest.mark.parametrize("seed", range(5))
def test_blur_and_mean_against_slow_implementations(seed: int) -> None:
    rgb, mask = picture(seed), rectangles(seed)
    blurred, flat = fill_region(rgb, mask, fill="blur"), fill_region(rgb, mask, fill="mean")
    labels, count = ndimage.label(mask, EIGHT)
    assert count >= 1
    for label in range(1, count + 1):
        part = labels == label
        radius = ndimage.distance_transform_edt(np.pad(part, 1)).max()
        reach = int(np.ceil(3 * radius))
        expected = np.stack(
            [ndimage.gaussian_filter(rgb[..., c].astype(float), radius, mode="reflect", radius=reach) for c in range(3)]
        )
        assert np.abs(blurred[part] - expected.transpose(1, 2, 0)[part]).max() <= 1
        away = ndimage.distance_transform_edt(~part)
        ring = (away <= max(2, np.ceil(radius))) & ~mask
        assert np.abs(flat[part] - rgb[ring].mean(0)).max() <= 0.5 + 1e-6
        assert len(np.unique(flat[part], axis=0)) == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["blur", "mean"]), st.sampled_from([(1, -1), (-1, 1), (-1, -1)]))
def test_mirrored_pictures_are_filled_alike(seed: int, fill: str, steps: tuple[int, int]) -> None:
    rgb, mask = picture(seed), rectangles(seed)
    a, b = steps
    mirrored = fill_region(np.ascontiguousarray(rgb[::a, ::b]), np.ascontiguousarray(mask[::a, ::b]), fill=fill)
    assert np.abs(mirrored[::a, ::b].astype(int) - fill_region(rgb, mask, fill=fill)).max() <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.7))
def test_parts_are_the_connected_components(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((19, 23)) < share
    labels, count = ndimage.label(mask, EIGHT)
    found = list(parts(mask))
    sizes = [int(part.inside.sum()) for part in found]
    assert len(found) == count and sizes == sorted(sizes, reverse=True)
    again = np.zeros_like(mask)
    for part in found:
        again[part.rows, part.columns] |= part.inside
        assert len(np.unique(labels[part.rows, part.columns][part.inside])) == 1
    assert np.array_equal(again, mask)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 8))
def test_benign_regions_have_the_same_area_and_meet_no_artifact(seed: int, count: int, border: int) -> None:
    artifacts = rectangles(seed, count=count)
    seen = np.zeros_like(artifacts)
    seen[border : 34 - border, border : 41 - border] = True
    region = artifacts & seen
    if not region.any() or region.sum() > seen.sum() / 2:
        return
    found = benign_regions(region, artifacts, seen=seen, draws=3, key=str(seed))
    again = benign_regions(region, artifacts, seen=seen, draws=3, key=str(seed))
    assert len(found) == 3
    for benign, same in zip(found, again, strict=True):
        assert np.array_equal(benign.mask, same.mask) and benign.how == same.how
        assert benign.mask.sum() == region.sum()
        assert not (benign.mask & (artifacts | ~seen)).any()
        if benign.how == "moved":
            shape = cut(benign.mask)
            assert any(np.array_equal(shape, mirror) for mirror in mirrors(cut(region)))


def test_every_free_place_and_mirror_image_is_drawn() -> None:
    corner = np.zeros((9, 8), bool)
    corner[0:2, 0] = corner[1, 1] = True  # an L; its four mirror images differ
    artifacts = corner.copy()
    artifacts[:, 0] = True
    shape, places = cut(corner), set()
    for mirror in mirrors(shape):
        for top, left in product(range(8), range(7)):
            mask = np.zeros_like(artifacts)
            mask[top : top + 2, left : left + 2] = mirror
            if not (mask & artifacts).any():
                places.add(mask.tobytes())
    assert 4 * 6 * 6 < len(places) < 4 * 8 * 7
    found = benign_regions(corner, artifacts, draws=len(places), key="b")
    assert {benign.mask.tobytes() for benign in found} == places  # each once, since there are enough
    other = benign_regions(corner, artifacts, draws=3, key="c")
    assert [benign.mask.tobytes() for benign in other] != [benign.mask.tobytes() for benign in found[:3]]
    many = benign_regions(corner, artifacts, draws=6000, key="d")
    counts = dict.fromkeys(places, 0)
    for benign in many:
        counts[benign.mask.tobytes()] += 1
    assert min(counts.values()) > 5 and max(counts.values()) < 80  # about 30 expected


def test_nothing_is_taken_from_artifacts_near_by() -> None:
    rgb, artifacts = np.full((40, 40, 3), 100, np.uint8), np.zeros((40, 40), bool)
    artifacts[16:24, 14:24] = True
    rgb[artifacts] = (255, 0, 0)
    for benign in benign_regions(artifacts, artifacts, draws=50, key="a"):
        for fill, off in (("mean", 0), ("blur", 1), ("inpaint", 4)):  # OpenCV's inpainting drifts by itself
            filled = fill_region(rgb, benign.mask, fill=fill, avoid=artifacts)
            assert np.abs(filled.astype(int) - rgb).max() <= off
    beside = np.roll(artifacts, 10, 1)
    assert (fill_region(rgb, beside, fill="mean")[beside][:, 0] > 105).all()  # what would be taken otherwise


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(FILLS))
def test_what_is_avoided_does_not_matter(seed: int, fill: str) -> None:
    rgb, mask, avoid = picture(seed), rectangles(seed), rectangles(seed + 1, count=5)
    other = np.where((avoid & ~mask)[..., None], 255 - rgb, rgb)
    filled = fill_region(rgb, mask, fill=fill, avoid=avoid)
    assert np.array_equal(filled[mask], fill_region(other, mask, fill=fill, avoid=avoid)[mask])
    assert np.array_equal(filled[~mask], rgb[~mask])


def test_what_cannot_be_moved_as_one_is_moved_in_parts_or_becomes_blots() -> None:
    corners = np.zeros((30, 40), bool)
    corners[:4, :4] = corners[-4:, -4:] = corners[:4, -4:] = corners[-4:, :4] = True  # as wide as the image
    for benign in benign_regions(corners, corners, draws=3, key="a"):
        assert benign.how == "parts" and benign.mask.sum() == 64 and not (benign.mask & corners).any()
    cross = np.zeros((30, 40), bool)
    cross[13:17] = cross[:, 18:22] = True  # one part
    for benign in benign_regions(cross, cross, draws=2, key="a"):
        assert benign.how == "blots" and benign.mask.sum() == cross.sum() and not (benign.mask & cross).any()
    specks = np.zeros((30, 40), bool)
    specks[::3, ::3] = True
    specks[-1, -1] = True
    assert len(list(parts(specks))) > MOST_PARTS
    assert benign_regions(specks, specks, draws=1, key="a")[0].how in ("moved", "blots")


def test_blots_are_the_largest_values_of_smooth_noise() -> None:
    rng = np.random.default_rng(0)
    assert largest(np.array([[1.0, 3.0], [3.0, 2.0]]), 2).tolist() == [[False, True], [True, False]]
    assert largest(np.zeros((2, 2)), 1).tolist() == [[True, False], [False, False]]
    outside = np.zeros((64, 64), bool)
    outside[:, :50] = True
    mask = blots((64, 64), 5000, outside=outside, rng=rng)
    assert np.array_equal(mask, ~outside)  # no more than there is
    assert ndimage.label(blots((64, 64), 800, rng=rng), EIGHT)[1] < 20


def test_wrong_arguments_are_named() -> None:
    rgb, mask = picture(0), rectangles(0)
    with pytest.raises(UsageError, match="Expected a fill, got 'inpant'. Did you mean inpaint"):
        fill_region(rgb, mask, fill="inpant")
    with pytest.raises(SynthscopeError, match="Draw the mask at the size"):
        fill_region(rgb, mask[1:], fill="mean")
    with pytest.raises(SynthscopeError, match="all of the image"):
        fill_region(rgb, np.ones_like(mask), fill="blur")
    with pytest.raises(SynthscopeError, match="which are free, got 0"):
        benign_regions(np.zeros_like(mask), mask, draws=1, key="a")
    with pytest.raises(SynthscopeError, match="Leave the image out"):
        benign_regions(mask, mask, seen=mask, draws=1, key="a")
