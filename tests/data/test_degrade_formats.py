"""Round trips through files: against Pillow and OpenCV, called by hand."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthscope.data.degrade.recipe import encoder_versions, parse_recipe
from synthscope.errors import SynthscopeError, UnreadableImageError
from tests.data.test_degrade import degrade, noise_image, smooth_image, through_pillow


@pytest.mark.parametrize("subsampling", ["420", "422", "444"])
def test_avif_is_the_round_trip_of_pillow(subsampling: str) -> None:
    rgb = smooth_image(70, 93)
    name = "" if subsampling == "420" else f",subsampling={subsampling}"
    got = degrade(rgb, f"avif:q=60{name}")
    how = {"quality": 60, "subsampling": ":".join(subsampling), "speed": 8, "max_threads": 1}
    assert np.array_equal(got, through_pillow(rgb, "AVIF", **how))
    assert 0 < np.abs(got.astype(float) - rgb).mean() < 8


def test_heic_is_the_round_trip_of_pillow_heif() -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra heic")
    rgb = smooth_image(70, 93)
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(rgb)).save(file, quality=60, chroma=444)
    expected = np.asarray(pillow_heif.read_heif(file).to_pillow())
    assert np.abs(degrade(rgb, "heic:q=60,subsampling=444").astype(int) - expected).max() <= 2  # threads of its own
    assert 0 < np.abs(degrade(rgb, "heic:q=60").astype(float) - rgb).mean() < 8
    assert encoder_versions()["pillow_heif"] == pillow_heif.__version__
    assert "heif" not in Image.MIME and "HEIF" not in Image.OPEN  # what may be read stays as it was


def test_heic_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    recipe = parse_recipe("heic:q=60")  # a table that names it can still be read
    with pytest.raises(SynthscopeError, match=r"Expected the packages of the degradation heic, .*synthscope\[heic\]"):
        recipe.apply(smooth_image(8, 8), key="image")


def test_avif_without_a_pillow_that_has_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    with pytest.raises(SynthscopeError, match="Expected Pillow with AVIF"):
        degrade(smooth_image(8, 8), "avif:q=60")


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(5, 95), st.integers(1, 5), st.integers(0, 15))
def test_repeated_jpeg_is_that_of_pillow_on_moving_grids(h: int, w: int, q: int, times: int, shift: int) -> None:
    rgb = expected = smooth_image(h, w, q)
    for time in range(times):
        edge = -time * shift % 16
        padded = np.pad(expected, ((edge, 0), (edge, 0), (0, 0)), mode="edge")
        expected = through_pillow(padded, "JPEG", quality=q, subsampling=2)[edge:, edge:]
    recipe = f"rejpeg:q={q},times={times}" + (f",shift={shift}" if shift else "")
    assert np.array_equal(degrade(rgb, recipe), expected)


def test_a_moving_grid_costs_more_than_a_resting_one() -> None:
    rgb = smooth_image(128, 128)
    rest, moved = (degrade(rgb, f"rejpeg:q=60,times=8{how}") for how in ("", ",shift=3"))
    errors = [np.abs(one.astype(float) - rgb).mean() for one in (degrade(rgb, "jpeg:q=60"), rest, moved)]
    assert errors[0] <= errors[1] < errors[2]


@settings(max_examples=12, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90), st.floats(0.7, 12), st.booleans())
def test_jpeg_below_takes_the_best_quality_that_fits(height: int, width: int, kib: float, rough: bool) -> None:
    import cv2

    rgb = (noise_image if rough else smooth_image)(height, width)
    best = None
    for q in range(1, 96):
        file = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, q])[1]
        if file.size <= kib * 1024:
            best = through_pillow(rgb, "JPEG", quality=q, subsampling=2)
    if best is None:
        with pytest.raises(UnreadableImageError, match="KiB at quality 1. Resize the image first"):
            degrade(rgb, f"jpeg_below:kib={kib}")
    else:
        assert np.array_equal(degrade(rgb, f"jpeg_below:kib={kib}"), best)


def test_chains_are_the_calls_of_pillow_one_after_the_other() -> None:
    rgb = np.tile(smooth_image(150, 180), (10, 10, 1))
    image = Image.fromarray(rgb)
    signal = image.resize((1600, 1333), Image.Resampling.BILINEAR)
    assert np.array_equal(degrade(rgb, "signal"), through_pillow(np.asarray(signal), "JPEG", quality=70, subsampling=2))
    chat = image.resize((1402, 1168), Image.Resampling.BOX)  # 1.6384e6 = 1402.2 x 1168.5
    assert np.array_equal(
        degrade(rgb, "deltachat"), through_pillow(np.asarray(chat), "JPEG", quality=75, subsampling=0)
    )
    twice = through_pillow(np.asarray(image.resize((1080, 900), Image.Resampling.BILINEAR)), "JPEG", quality=75)
    shown = Image.fromarray(twice).resize((1080, 900), Image.Resampling.BILINEAR)
    assert np.array_equal(degrade(rgb, "reposted"), through_pillow(np.asarray(shown), "JPEG", quality=75))


def test_a_size_that_a_format_cannot_hold_is_a_sentence() -> None:
    strip = np.zeros((1, 16385, 3), np.uint8)
    assert degrade(strip[:, 1:], "avif:q=50").shape == (1, 16384, 3)
    with pytest.raises(UnreadableImageError, match="sides of at most 16384 pixels for AVIF"):
        degrade(strip, "avif:q=50")
    pytest.importorskip("pillow_heif", reason="needs the extra heic")
    with pytest.raises(UnreadableImageError, match="sides of at most 16384 pixels for HEIC"):
        degrade(strip, "heic:q=50")
    with pytest.raises(UnreadableImageError, match="a size that HEIC can hold, got 16384x1: .*Crop the image"):
        degrade(strip[:, 1:], "heic:q=50")
