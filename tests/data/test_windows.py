"""A part of a degraded image is the part of the degraded image."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.data.degrade import DEGRADATIONS
from synthscope.data.degrade.recipe import expand, parse_recipe
from synthscope.data.degrade.windows import Window

TABLES = base64.urlsafe_b64encode(bytes(range(20, 148))).decode().rstrip("=")
STEPS = st.one_of(
    st.builds("blur:sigma={}".format, st.sampled_from([0.3, 1, 2.5, 3, 5])),
    st.builds("jpeg:q={},subsampling={}".format, st.integers(1, 100), st.sampled_from(["420", "422", "444"])),
    st.builds(f"jpeg_tables:{TABLES},subsampling={{}}".format, st.sampled_from(["420", "422", "444"])),
    st.builds("balance:red={}".format, st.sampled_from([0.5, 1.2])),
    st.builds("profile:{}".format, st.sampled_from(["display_p3", "adobe_rgb"])),
)


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """Noise over a slope with an edge: every block differs, and chroma changes from block to block."""
    rng = np.random.default_rng(seed)
    slope = np.add.outer(np.arange(height), np.arange(width))[..., None] * rng.uniform(-1, 1, 3)
    edge = (np.arange(width) > rng.integers(width))[None, :, None] * rng.uniform(-90, 90, 3)
    return np.clip(128 + slope + edge + rng.normal(0, rng.choice([2, 60]), (height, width, 3)), 0, 255).astype(np.uint8)


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, int, Window]:
    """Height and width of an image, and a window of it."""
    sides, starts, ends = [], [], []
    for _ in range(2):
        side = draw(st.integers(1, 150))
        start = draw(st.integers(0, side - 1))
        sides.append(side)
        starts.append(start)
        ends.append(draw(st.integers(start + 1, side)))
    return *sides, Window(*starts, *ends)  # type: ignore[return-value]


@settings(max_examples=400, deadline=None)
@given(cuts(), st.lists(STEPS, min_size=1, max_size=3), st.integers(0, 99))
def test_local_recipes_give_a_window_the_very_pixels_of_the_whole(
    cut: tuple[int, int, Window], steps: list[str], seed: int
) -> None:
    height, width, window = cut
    recipe, rgb = parse_recipe("|".join(steps)), picture(height, width, seed)
    assert recipe.local
    whole = recipe.apply(rgb, key="image")
    np.testing.assert_array_equal(recipe.apply(rgb, key="image", window=window), window.of(whole))


@pytest.mark.parametrize("size", [(375, 500), (1024, 1024), (333, 257)])
@pytest.mark.parametrize("side", [32, 128, 224])
def test_centre_crops_under_the_degradations_of_genimage(size: tuple[int, int], side: int) -> None:
    rgb = picture(*size, 0)
    top, left = ((length - side) // 2 for length in size)
    window = Window(top, left, top + side, left + side)
    for text in expand(["none", "genimage"]):
        recipe = parse_recipe(text)
        if recipe.local:
            part = recipe.apply(rgb, key="image", window=window)
            np.testing.assert_array_equal(part, window.of(recipe.apply(rgb, key="image")), err_msg=text)
    assert sum(parse_recipe(text).local for text in expand(["none", "genimage"])) == 5


OTHERS = (
    "noise:sigma=8", "webp:q=50", "resize:scale=0.8", "blur:sigma=1|noise:sigma=2", "lr:64|jpeg:q=30", "avif:q=50",
    "rejpeg:q=60,times=3,shift=3", "jpeg_below:kib=4", "perspective:tilt=0.05", "moire:depth=0.1",
    "display:width=90,height=90", "resize:mp=0.002", "resize:wide=50", "balance:red=2|moire:depth=0.1", "rephoto",
)  # fmt: skip


def test_other_recipes_are_applied_to_the_whole_image_and_cut() -> None:
    rgb, window = picture(60, 80, 1), Window(10, 20, 31, 50)
    for text in OTHERS:
        recipe = parse_recipe(text)
        assert not recipe.local
        expected = window.of(recipe.apply(rgb, key="image"))
        np.testing.assert_array_equal(recipe.apply(rgb, key="image", window=window), expected)


def test_every_step_is_compared_in_part_and_whole() -> None:
    local = {"blur", "jpeg", "jpeg_tables", "balance", "profile"}
    named = {step.op for text in OTHERS for step in parse_recipe(text).steps}
    assert (local | named | {"heic", "crop"}) == set(DEGRADATIONS)


@pytest.mark.parametrize("width", [511, 512, 513, 530, 1100])
def test_a_wide_image_is_blurred_as_in_one_piece(width: int) -> None:
    import cv2

    rgb, kernel = picture(50, width, 2), cv2.getGaussianKernel(41, 5, cv2.CV_32F)
    whole = cv2.sepFilter2D(rgb, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
    np.testing.assert_array_equal(parse_recipe("blur:sigma=5").apply(rgb, key="image"), whole)


def test_less_is_computed_for_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    sizes = []
    original = cv2.sepFilter2D

    def counted(rgb: np.ndarray, *rest: object, **more: object) -> np.ndarray:
        sizes.append(rgb.shape)
        return original(rgb, *rest, **more)

    monkeypatch.setattr(cv2, "sepFilter2D", counted)
    parse_recipe("blur:sigma=5").apply(picture(500, 600, 0), key="image", window=Window(200, 200, 328, 328))
    assert sizes == [(176, 176, 3)]  # 128 and 20 to both sides, out to the grid of 16
