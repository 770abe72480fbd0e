"""Steps that move nothing, against formulas, scipy and their own definitions."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.stats import kstest

from synthscope.training.augment import Blur, ColourJitter, GaussianNoise, Jpeg, PepperNoise, Sharpen, Step
from synthscope.training.augment.compression import _jpeg_cv2, jpeg_pil

PIXEL_STEPS: list[dict[str, Any]] = [
    {"step": "colour_jitter", "brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.1},
    {"step": "greyscale"},
    {"step": "jpeg"},
    {"step": "blur", "sigma": [0.1, 3]},
    {"step": "blur", "kernel": [3, 5]},
    {"step": "blur", "kind": "median", "kernel": [3]},
    {"step": "blur", "kind": "motion", "kernel": [5]},
    {"step": "sharpen"},
    {"step": "gaussian_noise", "sigma": [10, 55]},
    {"step": "pepper_noise", "share": [0.1, 0.2]},
]


def noise(height: int = 30, width: int = 40, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def build(**step: Any) -> Step:
    return TypeAdapter(Step).validate_python(step)


@pytest.mark.parametrize("tree", PIXEL_STEPS, ids=lambda tree: f"{tree['step']}-{tree.get('kind', '')}")
@settings(max_examples=8, deadline=None)
@given(height=st.integers(1, 30), width=st.integers(1, 30), seed=st.integers(0, 99))
def test_shape_masks_and_input_stay_and_the_seed_decides(
    tree: dict[str, Any], height: int, width: int, seed: int
) -> None:
    pixels = noise(height, width, 4)
    before = pixels.copy()
    runs = [build(**tree)(pixels, np.random.default_rng(seed), None) for _ in range(2)]
    assert np.array_equal(runs[0], runs[1]) and runs[0].dtype == np.uint8 and runs[0].shape == pixels.shape
    assert np.array_equal(runs[0][..., 3], before[..., 3]) and np.array_equal(pixels, before)
    alone = build(**tree)(pixels[..., :3], np.random.default_rng(seed), None)
    assert np.array_equal(alone, runs[0][..., :3])
    assert build(**tree, p=0)(pixels, np.random.default_rng(seed), None) is pixels


def test_a_probability_decides_for_the_image() -> None:
    rgb, rng, step = noise(), np.random.default_rng(0), build(step="greyscale", p=0.3)
    assert 240 < sum(step(rgb, rng, None) is not rgb for _ in range(1000)) < 360


def luma(rgb: np.ndarray) -> np.ndarray:
    return rgb @ (0.299, 0.587, 0.114)


def test_greyscale_is_luma() -> None:
    grey = build(step="greyscale")(noise(), np.random.default_rng(0), None)
    assert np.abs(grey - luma(noise())[..., None]).max() <= 1


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colour_jitter_blends_with_black_with_the_mean_or_with_grey(name: str, seed: int) -> None:
    rgb, rng = noise(), np.random.default_rng(seed)
    got = ColourJitter(step="colour_jitter", **{name: 0.8}).change(rgb, np.random.default_rng(seed))
    rng.permutation(4)
    factor = rng.uniform(0.2, 1.8)
    other = {"brightness": 0, "contrast": luma(rgb).mean(), "saturation": luma(rgb)[..., None]}[name]
    expected = np.clip(factor * rgb + (1 - factor) * other, 0, 255)
    assert np.abs(got - expected).max() <= 2


def test_factors_stop_at_nothing_and_hue_turns_the_colours() -> None:
    rgb, rng = np.full((1, 1, 3), 200, np.uint8), np.random.default_rng(0)
    dark = ColourJitter(step="colour_jitter", brightness=3.0)
    seen = [int(dark.change(rgb, rng)[0, 0, 0]) for _ in range(400)]
    assert min(seen) < 5 and max(seen) == 255
    red = np.array([[[200, 40, 40]]], np.uint8)
    for seed in range(5):
        draw = np.random.default_rng(seed)
        draw.permutation(4)
        hue = draw.uniform(-0.5, 0.5) % 1
        expected = np.array(colorsys.hsv_to_rgb(hue, 0.8, 200 / 255)) * 255
        got = ColourJitter(step="colour_jitter", hue=0.5).change(red, np.random.default_rng(seed))[0, 0]
        assert np.abs(got - expected).max() <= 8  # Pillow's hue has 256 values: two steps


def test_colours_are_changed_in_random_order() -> None:
    rgb = np.array([[[250, 10, 10], [40, 90, 200]]], np.uint8)
    step = ColourJitter(step="colour_jitter", brightness=0.9, saturation=0.9)
    results = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        order = [name for name in rng.permutation(["brightness", "contrast", "saturation", "hue"]) if name[0] in "bs"]
        results.add(order[0])
        expected = rgb.astype(float)
        for name in order:
            factor = rng.uniform(0.1, 1.9)
            other = 0 if name == "brightness" else luma(expected)[..., None]
            expected = np.clip(factor * expected + (1 - factor) * other, 0, 255)
        assert np.abs(step.change(rgb, np.random.default_rng(seed)) - expected).max() <= 3
    assert results == {"brightness", "saturation"}


@pytest.mark.parametrize("side", [3, 5])
def test_a_gaussian_of_a_kernel_is_kornias(side: int) -> None:
    rgb, places = noise(), np.arange(side) - side // 2
    for seed in range(4):
        rng = np.random.default_rng(seed)
        sigma = rng.uniform(0.1, 3)
        weights = np.exp(-(places**2) / (2 * sigma**2))
        exact = rgb.astype(float)
        for axis in (0, 1):
            exact = scipy.ndimage.correlate1d(exact, weights / weights.sum(), axis=axis, mode="mirror")
        step = Blur(step="blur", kernel=(side,), sigma=(0.1, 3))
        assert np.abs(step.change(rgb, np.random.default_rng(seed)) - exact).max() <= 0.51


def test_a_median_is_scipys_and_motion_is_a_line() -> None:
    rgb = noise()
    median = Blur(step="blur", kind="median", kernel=(3,)).change(rgb, np.random.default_rng(0))
    assert np.array_equal(median, scipy.ndimage.median_filter(rgb, (3, 3, 1), mode="nearest"))
    point = np.zeros((9, 9, 3), np.uint8)
    point[4, 4] = 240
    step, lines = Blur(step="blur", kind="motion", kernel=(5,)), set()
    for seed in range(60):
        spread = step.change(point, np.random.default_rng(seed))[..., 0]
        rows, columns = np.nonzero(spread)
        assert 2 <= len(rows) <= 5 and len(set(spread[rows, columns].tolist())) == 1
        assert np.abs(rows - 4).max() <= 2 and np.abs(columns - 4).max() <= 2 and abs(int(spread.sum()) - 240) <= 5
        lines.add(tuple(zip(rows.tolist(), columns.tolist(), strict=True)))
    assert len(lines) > 20


def test_sharpening_goes_away_from_the_smoothed_image() -> None:
    rgb = noise()
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]])[..., None] / 13
    smooth = scipy.ndimage.correlate(rgb.astype(float), kernel, mode="nearest")
    expected = np.clip(rgb + 1.5 * (rgb - smooth), 0, 255)
    got = Sharpen(step="sharpen", factor=(2.5, 2.5)).change(rgb, np.random.default_rng(0))
    assert np.abs(got - expected)[1:-1, 1:-1].max() <= 2
    assert np.array_equal(Sharpen(step="sharpen", factor=(1, 1)).change(rgb, np.random.default_rng(0)), rgb)


def test_noise_has_its_sigma_and_pepper_its_share() -> None:
    grey, rng = np.full((60, 60, 3), 128, np.uint8), np.random.default_rng(0)
    noisy = GaussianNoise(step="gaussian_noise", sigma=(12, 12)).change(grey, rng)
    assert kstest((noisy - 128.0 + rng.uniform(-0.5, 0.5, noisy.shape)).ravel(), "norm", args=(0, 12)).pvalue > 0.01
    shares = []
    for _ in range(200):
        black = (PepperNoise(step="pepper_noise", share=(0.1, 0.5)).change(grey, rng) == 0).all(2)
        shares.append(black.mean())
        assert len(np.unique(black)) == 2
    assert kstest(shares, "uniform", args=(0.1, 0.4)).pvalue > 0.01


def test_jpeg_draws_from_the_range_or_from_the_values() -> None:
    rgb, rng = noise(), np.random.default_rng(0)
    known = {quality: [_jpeg_cv2(rgb, quality), jpeg_pil(rgb, quality)] for quality in (30, 60, 61, 62, 100)}

    def qualities(step: Jpeg) -> set[int]:
        got = [step.change(rgb, rng) for _ in range(60)]
        of = [{q for q, both in known.items() if any(np.array_equal(one, each) for each in both)} for one in got]
        assert all(of)
        return set().union(*of)

    assert qualities(Jpeg(step="jpeg", values=(30, 100))) == {30, 100}
    assert qualities(Jpeg(step="jpeg", quality=(60, 62))) == {60, 61, 62}


@pytest.mark.parametrize(
    "tree",
    [
        {"step": "blur"},
        {"step": "blur", "kernel": [4]},
        {"step": "blur", "kind": "median"},
        {"step": "blur", "kind": "motion", "kernel": [3], "sigma": [1, 2]},
        {"step": "blur", "sigma": [-1, 2]},
        {"step": "jpeg", "quality": [90, 30]},
        {"step": "jpeg", "values": [0]},
        {"step": "gaussian_noise", "sigma": [0, 5]},
        {"step": "pepper_noise", "share": [0.5, 1.5]},
        {"step": "colour_jitter", "hue": 0.7},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(tree: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        build(**tree)
