"""Heatmaps back on the image: an input that shows its own coordinates comes back as the coordinates of the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synthscope.detectors.base import Detector, preprocess
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import InputConfig
from synthscope.errors import UsageError
from synthscope.explainers.base import to_image
from tests.explainers.tiny import Linear, named


def detector(**input: Any) -> Detector:
    made = Linear()
    made.config = made.config.model_copy(update={"input": InputConfig(**{"resize": None, **input})})
    return made


def ramps(height: int, width: int) -> np.ndarray:
    """Red grows downwards, green to the right, blue is 200 everywhere."""
    rgb = np.full((height, width, 3), 200, np.uint8)
    rgb[..., 0] = np.linspace(20, 250, height).round()[:, None]
    rgb[..., 1] = np.linspace(20, 250, width).round()
    return rgb


INPUTS = st.fixed_dictionaries(
    {
        "resize": st.one_of(st.none(), st.integers(20, 90)),
        "resize_mode": st.sampled_from(["short", "square"]),
        "crop": st.one_of(st.none(), st.integers(16, 80)),
        "small": st.sampled_from(["upscale", "pad"]),
    }
)


@settings(max_examples=60, deadline=None)
@given(input=INPUTS, height=st.integers(24, 120), width=st.integers(24, 120))
@example(input={"resize": 33, "resize_mode": "short", "crop": 32, "small": "pad"}, height=30, width=71)
@example(input={"resize": None, "resize_mode": "short", "crop": 65, "small": "pad"}, height=64, width=30)
def test_every_resize_and_crop_is_undone(input: dict[str, Any], height: int, width: int) -> None:
    rgb, made = ramps(height, width), detector(**input)
    shown = preprocess(rgb, made.config.input)
    assert to_image(shown[2], made, rgb.shape)[1].any()
    slope = 230 / (min(height, width) - 1)  # grey levels a pixel: the error is told in pixels
    scale = max(1, max(height, width) / min(shown.shape[-2:]))
    for channel in (0, 1):
        back, seen = to_image(shown[channel], made, rgb.shape)
        assert back.shape == seen.shape == (height, width) and back.dtype == np.float32
        assert not back[~seen].any()
        inner = seen.copy()  # interpolation meets the border of the view one input pixel inside
        margin = int(np.ceil(scale)) + 1
        for axis in (0, 1):
            for shift in range(-margin, margin + 1):
                inner &= np.roll(seen, shift, axis)
        inner[: margin + 1] = inner[-margin - 1 :] = inner[:, : margin + 1] = inner[:, -margin - 1 :] = False
        error = np.abs(back - rgb[..., channel])[inner]
        assert error.max(initial=0) <= 1.5 + slope * 0.25 * scale


def test_the_seen_part_is_the_crop() -> None:
    made = detector(crop=10)
    back, seen = to_image(torch.ones(10, 10), made, (40, 21, 3))
    expected = np.zeros((40, 21), bool)
    expected[15:25, 6:16] = True  # torchvision rounds 5.5 to the even 6
    assert np.array_equal(seen, expected) and np.array_equal(back, expected.astype(np.float32))


def test_tiles_are_folded_to_their_mean() -> None:
    made = detector(crop=6, small="tile")
    heat = torch.arange(36.0).view(6, 6)
    image = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(4, 3, 3)
    shown = preprocess(image, made.config.input)
    total, count = np.zeros((4, 3)), np.zeros((4, 3))
    for i, j in np.ndindex(6, 6):
        (place,) = np.argwhere((image == shown[:, i, j].numpy()).all(-1))
        total[*place] += float(heat[i, j])
        count[*place] += 1
    back, seen = to_image(heat, made, image.shape)
    np.testing.assert_allclose(back, total / count, rtol=1e-6)
    assert seen.all()


def test_heatmaps_of_another_size_and_free_choice_of_input_are_refused() -> None:
    with pytest.raises(UsageError, match=r"Expected a heatmap of \(10, 10\)"):
        to_image(np.zeros((9, 10)), detector(crop=10), (40, 40, 3))
    with pytest.raises(UsageError, match="chooses its input by itself"):
        to_image(np.zeros((32, 32)), create_detector("ssp"), (300, 300, 3))
    assert to_image(np.ones((64, 64)), named("ladeda"), (80, 80, 3))[1].sum() == 64 * 64  # checks sizes alone
