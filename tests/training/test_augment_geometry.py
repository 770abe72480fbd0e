"""Steps that move or cover parts of an image, against scipy and their own definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import TypeAdapter, ValidationError
from scipy.stats import kstest

from synthscope.errors import UsageError
from synthscope.training.augment import (
    Affine,
    HFlip,
    MaskPatches,
    OneOf,
    RandomCrop,
    RandomErasing,
    RandomList,
    RandomResize,
    Step,
    VFlip,
    augment,
)

LIST = [{"step": "hflip", "p": 1}, {"step": "vflip", "p": 1}]


def noise(height: int = 30, width: int = 40, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def build(**step: Any) -> Step:
    return TypeAdapter(Step).validate_python(step)


@pytest.mark.parametrize(
    "tree",
    [
        {"step": "vflip"},
        {"step": "affine", "degrees": 180, "translate": 0.1, "shear": 15},
        {"step": "random_resize", "short": [1.0, 1.3]},
        {"step": "random_resize", "factor": [0.2, 3.5]},
        {"step": "pad_resize"},
        {"step": "mask_patches", "p": 1},
        {"step": "random_erasing", "p": 1, "fill": "black"},
        {"step": "random_crop", "small": "pad"},
        {"step": "one_of", "steps": LIST},
        {"step": "random_list", "steps": LIST},
    ],
    ids=lambda tree: "-".join(map(str, tree)) if isinstance(tree, list) else tree["step"],
)
@settings(max_examples=8, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_images_of_any_size_repeat_themselves_by_seed(tree: dict[str, Any], height: int, width: int, seed: int) -> None:
    pixels = noise(height, width, 4)
    before = pixels.copy()
    runs = [build(**tree)(pixels, np.random.default_rng(seed), 24) for _ in range(2)]
    assert np.array_equal(runs[0], runs[1]) and runs[0].dtype == np.uint8 and runs[0].shape[2] == 4
    assert np.array_equal(pixels, before)
    if tree["step"] not in ("random_resize", "random_crop"):
        assert runs[0].shape == pixels.shape
    alone = build(**tree)(pixels[..., :3], np.random.default_rng(seed), 24)
    assert np.array_equal(alone, runs[0][..., :3])


def test_vflip_mirrors_top_and_bottom() -> None:
    assert np.array_equal(VFlip(step="vflip", p=1)(noise(), np.random.default_rng(0), None), noise()[::-1])


@pytest.mark.parametrize(
    "limits",
    [{"degrees": 180}, {"translate": 0.2}, {"shear": 15}, {"degrees": 30, "translate": 0.1, "shear": 10}],
    ids=str,
)
@pytest.mark.parametrize("seed", [0, 1])
def test_affine_is_rotation_after_shear_about_the_centre(limits: dict[str, float], seed: int) -> None:
    grey = noise(31, 40)[..., 0]
    rng = np.random.default_rng(seed)
    rng.random()
    angle = np.radians(rng.uniform(-limits.get("degrees", 0), limits.get("degrees", 0)))
    x, y = np.tan(np.radians(rng.uniform(-limits.get("shear", 0), limits.get("shear", 0), 2)))
    reach = np.array([40, 31]) * limits.get("translate", 0)
    moved = np.rint(rng.uniform(-reach, reach))[::-1]  # rows, columns
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # of (row, column)
    back = np.linalg.inv(turn @ [[1, -y], [0, 1]] @ [[1, 0], [-x, 1]])
    centre = np.array([31, 40]) / 2 - 0.5
    expected = scipy.ndimage.affine_transform(grey, back, centre - back @ (centre + moved), order=0, cval=0)
    got = Affine(step="affine", **limits)(np.dstack([grey] * 3), np.random.default_rng(seed), None)
    assert (got[..., 0] == expected).mean() > 0.97  # the others lie between two pixels, or half outside


def test_a_resize_has_a_short_side_above_the_crop_or_a_factor() -> None:
    rng, step = np.random.default_rng(0), RandomResize(step="random_resize", short=(1.0, 1.228))
    shapes = [step(noise(), rng, 48).shape[:2] for _ in range(200)]
    assert {height for height, _ in shapes} == set(range(49, 59))  # 48 * 1.228 = 58.9
    assert all(width == int(height * 40 / 30) for height, width in shapes)
    factors = [
        RandomResize(step="random_resize", factor=(0.5, 2))(noise(), rng, None).shape[0] / 30 for _ in range(300)
    ]
    assert kstest(factors, "uniform", args=(0.5, 1.5)).pvalue > 0.01
    kernels = RandomResize(step="random_resize", factor=(2, 2), interpolation=("pillow_nearest", "pillow_lanczos"))
    expected = [
        np.asarray(Image.fromarray(noise()).resize((80, 60), kernel))
        for kernel in (Image.Resampling.NEAREST, Image.Resampling.LANCZOS)
    ]
    got = [kernels(noise(), rng, None) for _ in range(20)]
    found = [[np.array_equal(one, each) for each in expected] for one in got]
    assert all(map(any, found)) and np.any(found, axis=0).all()


def test_padding_and_resizing_back_shrinks_everything() -> None:
    step, greys = build(step="pad_resize", border=0.1, interpolation=["pillow_bilinear"]), set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rng.random()
        grey = int(rng.integers(256))
        greys.add(grey)
        padded = np.full((36, 48, 3), grey, np.uint8)
        padded[3:33, 4:44] = noise()
        expected = np.asarray(Image.fromarray(padded).resize((40, 30), Image.Resampling.BILINEAR))
        assert np.array_equal(step(noise(), np.random.default_rng(seed), None), expected)
    assert len(greys) > 10


def test_masked_patches_lie_on_the_grid_and_their_share_is_uniform() -> None:
    rgb, rng, shares = np.full((70, 90, 3), 9, np.uint8), np.random.default_rng(0), []
    step = MaskPatches(step="mask_patches", p=1, patch=8)
    for _ in range(300):
        masked = step(rgb, rng, None)
        assert (masked[64:] == 9).all() and (masked[:, 88:] == 9).all()  # no whole square fits there
        cells = masked[:64, :88, 0].reshape(8, 8, 11, 8)
        assert np.array_equal(cells.min((1, 3)), cells.max((1, 3)))
        shares.append((cells[:, 0, :, 0] == 0).mean())
    assert kstest(np.array(shares) + rng.uniform(0, 1 / 88, 300), "uniform", args=(0, 0.76)).pvalue > 0.01
    kept = sum(MaskPatches(step="mask_patches")(rgb, rng, None) is rgb for _ in range(400))
    assert 160 < kept < 240


def test_a_cut_out_is_a_black_square_of_2_to_6_per_cent() -> None:
    rgb, rng = np.full((100, 150, 3), 9, np.uint8), np.random.default_rng(0)
    step = RandomErasing(step="random_erasing", p=1, area=(0.02, 0.06), ratio=(1, 1), fill="black")
    for _ in range(100):
        rows, columns = np.nonzero((step(rgb, rng, None) == 0).all(2))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert height == width and len(rows) == height * width
        assert 0.018 < len(rows) / 15000 < 0.063


def test_a_small_image_lies_anywhere_on_black() -> None:
    rgb = noise(5, 12) // 2 + 1
    places = set()
    for seed in range(80):
        crop = RandomCrop(step="random_crop", small="pad")(rgb, np.random.default_rng(seed), 8)
        rows = np.flatnonzero(crop.any((1, 2)))
        assert crop.shape == (8, 8, 3) and len(rows) == 5 and np.ptp(rows) == 4
        windows = np.lib.stride_tricks.sliding_window_view(rgb, 8, axis=1).transpose(1, 0, 3, 2)
        assert any(np.array_equal(crop[rows], window) for window in windows)
        places.add(int(rows[0]))
    assert places == {0, 1, 2, 3}


def test_one_of_takes_each_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for kind in (HFlip, VFlip):
        monkeypatch.setattr(kind, "__call__", lambda self, rgb, rng, crop: calls.append(self.step) or rgb)
    step, rng = build(step="one_of", p=0.5, steps=LIST), np.random.default_rng(0)
    assert isinstance(step, OneOf)
    for _ in range(1000):
        step(noise(2, 2), rng, None)
    assert 210 < calls.count("hflip") < 290 and 210 < calls.count("vflip") < 290


def test_a_random_list_draws_each_step_up_to_twice_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for kind in (HFlip, VFlip):
        monkeypatch.setattr(kind, "__call__", lambda self, rgb, rng, crop: calls.append(self.step[0]) or rgb)
    step, rng, lists = build(step="random_list", steps=LIST), np.random.default_rng(0), []
    assert isinstance(step, RandomList)
    for _ in range(1800):
        step(noise(2, 2), rng, None)
        lists.append("".join(calls))
        calls.clear()
    for letter in "hv":
        counts = [one.count(letter) for one in lists]
        assert all(540 < counts.count(times) < 660 for times in (0, 1, 2))
    both = [one for one in lists if sorted(one) == ["h", "h", "v", "v"]]
    assert set(both) == {"hhvv", "hvhv", "hvvh", "vhhv", "vhvh", "vvhh"}


@pytest.mark.parametrize(
    "tree", [{"step": "random_crop"}, {"step": "resize"}, {"step": "random_resize", "short": [1, 2]}]
)
def test_a_step_that_aims_at_the_input_needs_one_of_fixed_side(tree: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=rf"fixed side for the augmentation {tree['step']}.*detector\.input\.crop"):
        augment(noise(), [build(**tree)], rng=np.random.default_rng(0), crop=None)


@pytest.mark.parametrize(
    "tree",
    [
        {"step": "random_resize"},
        {"step": "random_resize", "short": [1, 2], "factor": [1, 2]},
        {"step": "random_resize", "factor": [0, 2]},
        {"step": "random_list", "steps": []},
        {"step": "random_list", "steps": [{"step": "randaugment"}]},
        {"step": "mask_patches", "share": [0.8, 0.2]},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(tree: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        build(**tree)
