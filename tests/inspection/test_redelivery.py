from __future__ import annotations

import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synthscope.data.degrade.recipe import expand
from synthscope.inspection.redelivery import REDELIVERIES, Redelivery, delivered, redeliveries

WAYS = {way.condition: way for way in REDELIVERIES}
CROP = REDELIVERIES[-1]


def noise_image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_ladder_is_the_one_of_the_page_in_canonical_recipes() -> None:
    assert [way.condition for way in REDELIVERIES] == expand([way.condition for way in REDELIVERIES])
    assert len({way.label for way in REDELIVERIES}) == len(REDELIVERIES) == 11


@pytest.mark.parametrize("way", REDELIVERIES, ids=lambda way: way.condition)
def test_a_label_names_the_numbers_of_its_condition(way: Redelivery) -> None:
    said = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d", way.label)}
    steps = re.findall(r"(?:long|q)=(\d+)", way.condition)
    assert said == set(map(int, steps))
    if way is CROP:
        assert "5 %" in way.label and "frac=0.95" in way.condition


@given(st.integers(64, 4000), st.integers(64, 4000))
def test_what_is_left_out_would_have_changed_nothing(height: int, width: int) -> None:
    kept = redeliveries(height, width)
    assert [way for way in REDELIVERIES if way in kept] == list(kept)
    for long in (640, 1280, 1920):
        assert (WAYS[f"resize:long={long}"] in kept) == (max(height, width) > long)
    assert {"jpeg:q=50", "resize:long=1920|webp:q=80", CROP.condition} <= {way.condition for way in kept}


def test_resizes_that_are_left_out_give_the_same_pixels_and_the_others_do_not() -> None:
    rgb = noise_image(80, 100)
    kept = redeliveries(80, 100)
    assert len(kept) == 7
    for way in REDELIVERIES:
        assert np.array_equal(delivered(rgb, way), rgb) == (way not in kept), way


def test_delivered_is_what_pillow_makes() -> None:
    rgb = noise_image(90, 2000)
    image, file = Image.fromarray(rgb), io.BytesIO()
    image.resize((1600, 72), Image.Resampling.BILINEAR).save(file, "JPEG", quality=75, subsampling=2)
    messenger = WAYS["resize:long=1600,interp=bilinear|jpeg:q=75"]
    assert np.array_equal(delivered(rgb, messenger), np.asarray(Image.open(file)))
    resized = np.asarray(image.resize((1280, 58), Image.Resampling.BICUBIC))
    assert np.array_equal(delivered(rgb, WAYS["resize:long=1280"]), resized)


@given(st.integers(80, 5000), st.integers(80, 300))
def test_the_crop_leaves_the_block_grid_and_stays_inside(height: int, width: int) -> None:
    rows = (np.arange(height) % 256).astype(np.uint8)  # each names itself
    cropped = delivered(np.broadcast_to(rows[:, None, None], (height, width, 3)), CROP)
    assert cropped.shape[:2] == (round(height * 0.95), round(width * 0.95))
    assert cropped[0, 0, 0] % 16 == 3
