"""The share of an image inside a detector's input, against a count of the pixels that reach it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.detectors.base import preprocess
from synthscope.detectors.input import InputConfig
from synthscope.detectors.sight import mean_seen_share, seen_part, seen_share, sees


@settings(max_examples=60, deadline=None)
@given(st.integers(6, 70), st.integers(6, 70), st.integers(4, 50), st.sampled_from(["upscale", "pad", "tile"]))
def test_the_part_is_where_pixels_of_the_input_come_from(height: int, width: int, crop: int, small: str) -> None:
    """Colours are places: 1 + row in red and 1 + column in green; what is neither was padded."""
    config = InputConfig(resize=None, crop=crop, small=small)  # type: ignore[arg-type]
    rows, columns = np.mgrid[1 : height + 1, 1 : width + 1].astype(np.uint8)
    places = preprocess(np.stack([rows, columns, rows], axis=2), config).numpy()
    part = seen_part(height, width, config)
    for plane, side, (start, stop) in zip(places, (height, width), part, strict=False):
        seen = np.unique(plane[plane > 0])
        if small == "upscale" and crop > min(height, width):  # enlarged: a pixel of the image is a fraction wide
            assert seen[0] - 1 == pytest.approx(start * side, abs=1) and seen[-1] == pytest.approx(stop * side, abs=1)
        else:
            assert (seen[0] - 1, seen[-1]) == pytest.approx((start * side, stop * side))
    (top, bottom), (left, right) = part
    assert seen_share(height, width, config) == pytest.approx((bottom - top) * (right - left))


def test_shares_by_hand() -> None:
    crop = InputConfig(resize=None, crop=224)
    assert seen_share(1024, 1024, crop) == 224**2 / 1024**2
    assert seen_share(200, 1024, crop) == pytest.approx(224 / 1146)  # enlarged to 224 x 1146, whole pixels
    assert seen_share(1024, 768, InputConfig(resize=256, crop=224)) == pytest.approx(224 / 341 * 224 / 256)
    assert seen_share(1024, 768, InputConfig(resize=256, resize_mode="square", crop=None)) == 1
    assert sees(InputConfig(resize=256, crop=224)).startswith(
        "76.6 % of 512 x 512 pixels, 76.6 % of 1024 x 1024, 51.0 %"
    )


def test_the_mean_is_over_images_as_their_views_show_them() -> None:
    config = InputConfig(resize=None, crop=100)
    sizes = {"height": [200, 400, 400, None], "width": [200, 400, 400, 50]}
    images = pl.DataFrame(sizes | {"view": ["none", None, "crop:size=200|resize:scale=0.5", "none"]})
    assert mean_seen_share(images, config) == pytest.approx((1 / 4 + 1 / 16 + 1) / 3)
    assert mean_seen_share(images.tail(1), config) is None
