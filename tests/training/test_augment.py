"""Augmentations against scipy, torchvision and their own definitions."""

from __future__ import annotations

import random

import cv2
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.stats import kstest

from synthscope import runtime
from synthscope.training.augment import (
    BlurJpeg,
    HFlip,
    RandAugment,
    RandomCrop,
    RandomErasing,
    RandomResizedCrop,
    RandomSqueeze,
    SimplestPatch,
    Step,
    augment,
    gaussian_blur,
)
from synthscope.training.augment.compression import _jpeg_cv2, jpeg_pil

STEPS = [
    {"step": "resize", "size": 30},
    {"step": "random_squeeze", "size": (8, 40)},
    {"step": "random_crop"},
    {"step": "random_resized_crop"},
    {"step": "hflip"},
    {"step": "randaugment"},
    {"step": "random_erasing", "p": 1},
    {"step": "blur_jpeg", "blur_prob": 1, "jpg_prob": 1},
]


def noise(height: int = 40, width: int = 50, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def build(**step: object) -> Step:
    return TypeAdapter(Step).validate_python(step)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["step"])
def test_a_step_repeats_itself_by_seed_and_leaves_its_input_and_global_randomness_alone(step: dict) -> None:
    rgb = noise()
    before, random_state, numpy_state = rgb.copy(), random.getstate(), np.random.get_state()[1].copy()
    runs = [augment(rgb, [build(**step)], rng=np.random.default_rng(seed), crop=24) for seed in (1, 1, 2, 3, 4)]
    assert np.array_equal(runs[0], runs[1])
    if step["step"] != "resize":
        assert any(run.shape != runs[0].shape or not np.array_equal(run, runs[0]) for run in runs[2:])
    assert runs[0].dtype == np.uint8 and runs[0].shape[2] == 3
    assert np.array_equal(rgb, before)
    assert random.getstate() == random_state
    assert np.array_equal(np.random.get_state()[1], numpy_state)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
def test_crops_have_the_size_of_the_detector_for_any_image(height: int, width: int, seed: int) -> None:
    for step in (build(step="random_crop"), build(step="random_resized_crop")):
        assert augment(noise(height, width), [step], rng=np.random.default_rng(seed), crop=24).shape == (24, 24, 3)


def test_a_resize_keeps_the_aspect_or_makes_a_square_with_the_kernel_asked_for() -> None:
    rgb, rng = noise(), np.random.default_rng(0)
    assert augment(rgb, [build(step="resize", size=20)], rng=rng, crop=24).shape == (20, 25, 3)
    square = build(step="resize", mode="square", interpolation="opencv_bilinear")
    assert np.array_equal(augment(rgb, [square], rng=rng, crop=24), cv2.resize(rgb, (24, 24)))  # the detector's input
    assert augment(rgb, [build(step="resize", size=30, mode="square")], rng=rng, crop=24).shape == (30, 30, 3)


def test_random_squeeze_draws_both_ends_and_keeps_no_aspect() -> None:
    rgb, rng, step = noise(), np.random.default_rng(0), RandomSqueeze(step="random_squeeze", size=(6, 9))
    for _ in range(3):
        squeezed = step(rgb, rng, 24)
        assert np.array_equal(squeezed, cv2.resize(rgb, squeezed.shape[:2]))
    assert {step(rgb, rng, 24).shape for _ in range(100)} == {(side, side, 3) for side in (6, 7, 8, 9)}
    for size in [(9, 6), (0, 6), (6, 10**6)]:
        with pytest.raises(ValidationError):
            build(step="random_squeeze", size=size)


def test_random_crop_takes_native_pixels_everywhere() -> None:
    rgb = np.arange(6 * 5, dtype=np.uint8).reshape(6, 5, 1).repeat(3, 2)
    rng = np.random.default_rng(0)
    corners = {int(RandomCrop(step="random_crop")(rgb, rng, 4)[0, 0, 0]) for _ in range(200)}
    assert corners == {0, 1, 5, 6, 10, 11}


def test_random_resized_crop_draws_area_and_aspect_as_specified() -> None:
    step, rng = RandomResizedCrop(step="random_resized_crop", scale=(0.1, 0.3)), np.random.default_rng(0)
    boxes = np.array([step._box(1000, 1000, rng) for _ in range(2000)])
    area, aspect = boxes[:, 2] * boxes[:, 3] / 1e6, boxes[:, 3] / boxes[:, 2]
    assert kstest(area, "uniform", args=(0.1, 0.2)).pvalue > 0.01
    low, high = np.log(3 / 4), np.log(4 / 3)
    assert kstest(np.log(aspect), "uniform", args=(low, high - low)).pvalue > 0.01
    assert (boxes[:, 0] + boxes[:, 2]).max() <= 1000 and (boxes[:, 1] + boxes[:, 3]).max() <= 1000


@pytest.mark.parametrize("size", [(10, 500), (500, 10)])
def test_random_resized_crop_falls_back_to_torchvisions_centred_box(size: tuple[int, int]) -> None:
    runtime.import_torchvision()
    import torch
    from torchvision.transforms.v2 import RandomResizedCrop as Theirs

    box = Theirs(24, scale=(1, 1)).make_params([torch.empty(3, *size)])
    ours = RandomResizedCrop(step="random_resized_crop", scale=(1, 1))._box(*size, np.random.default_rng(0))
    assert ours == (box["top"], box["left"], box["height"], box["width"])


def test_flip_mirrors_half_of_the_images() -> None:
    rgb, rng, step = noise(2, 3), np.random.default_rng(0), HFlip(step="hflip")
    flipped = [np.array_equal(step(rgb, rng, 2), rgb[:, ::-1]) for _ in range(1000)]
    assert 450 < sum(flipped) < 550


@pytest.mark.parametrize("sigma", [0.0, 0.05, 0.3, 1.0, 2.2, 3.0])
def test_blur_is_scipys(sigma: float) -> None:
    rgb = noise()
    exact = np.stack([scipy.ndimage.gaussian_filter(rgb[..., c].astype(float), sigma) for c in range(3)], axis=-1)
    assert np.abs(gaussian_blur(rgb, sigma) - exact).max() <= 1.5  # OpenCV blurs bytes in fixed point


def test_both_jpeg_methods_give_the_same_pixels_and_quality_matters() -> None:
    rgb = noise()
    assert np.abs(_jpeg_cv2(rgb, 70).astype(int) - jpeg_pil(rgb, 70)).max() <= 2
    loss = [np.abs(jpeg_pil(rgb, quality).astype(int) - rgb).mean() for quality in (30, 70, 100)]
    assert loss[0] > loss[1] > loss[2]


def test_blur_jpeg_keeps_an_image_where_both_probabilities_miss() -> None:
    rgb, rng = noise(), np.random.default_rng(0)
    step = BlurJpeg(step="blur_jpeg", blur_prob=0.5, jpg_prob=0.5)
    kept = sum(np.array_equal(step(rgb, rng, 24), rgb) for _ in range(400))
    assert 75 < kept < 130  # a quarter, and a few blurs too small to change a byte


def test_randaugment_is_timms_policy() -> None:
    runtime.import_timm()
    from PIL import Image
    from timm.data.auto_augment import rand_augment_transform

    rgb = noise()
    theirs = rand_augment_transform(
        "rand-m9-mstd0.5-inc1", {"translate_const": int(24 * 0.45), "img_mean": (124, 116, 104)}
    )
    for seed in range(5):
        drawn = int(np.random.default_rng(seed).integers(2**32))
        ours = RandAugment(step="randaugment")(rgb, np.random.default_rng(seed), 24)
        state = random.getstate(), np.random.get_state()
        random.seed(drawn)
        np.random.seed(drawn)
        expected = np.asarray(theirs(Image.fromarray(rgb)))
        random.setstate(state[0])
        np.random.set_state(state[1])
        assert np.array_equal(ours, expected)


def test_random_erasing_fills_a_box_with_normalised_noise() -> None:
    rgb, rng = np.zeros((100, 100, 3), np.uint8), np.random.default_rng(0)
    step = RandomErasing(step="random_erasing", p=0.6)
    shares, values = [], []
    for _ in range(300):
        erased = step(rgb, rng, 100)
        rows, columns = np.nonzero(erased.any(2))
        if not len(rows):
            continue
        box = erased[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        shares.append(box.shape[0] * box.shape[1] / 1e4)
        values.append(box.reshape(-1, 3))
    assert 0.5 < len(shares) / 300 < 0.7
    assert 0.015 < min(shares) and max(shares) < 0.35
    median = np.median(np.concatenate(values), axis=0)  # clipping moves the mean, not the median
    assert np.abs(median - np.array([0.485, 0.456, 0.406]) * 255).max() < 1.5


def test_a_crop_larger_than_the_image_can_repeat_it() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    crop = RandomCrop(step="random_crop", small="tile")(rgb, np.random.default_rng(1), 8)
    tiled = np.tile(rgb, (2, 1, 1))
    windows = np.lib.stride_tricks.sliding_window_view(tiled, (8, 8), axis=(0, 1))
    assert any((window == crop.transpose(2, 0, 1)).all() for window in windows.reshape(-1, 3, 8, 8))


def test_the_simplest_patch_is_redrawn_and_is_plain() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    rgb[:, 48:] = rgb[:, 48:] // 8 + 100
    patches = [SimplestPatch(step="simplest_patch")(rgb, np.random.default_rng(seed), 32) for seed in range(4)]
    assert all(patch.shape == (32, 32, 3) and patch.std() < 12 for patch in patches)
    assert any(not np.array_equal(patches[0], patch) for patch in patches[1:])
