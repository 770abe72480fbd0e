"""Invisible watermarks: embedded by an encoder written here from the published rule, and by the package itself."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.inspection.provenance import find_provenance
from synthscope.inspection.provenance.watermark import MESSAGES, NOT_CHECKABLE, block_bits, chance_of
from tests.inspection.provenance import files


def picture(seed: int, height: int = 384, width: int = 400) -> np.ndarray:
    """uint8 ``(height, width, 3)`` in mild colours: in strong ones larger coefficients hide the bits."""
    rng = np.random.default_rng(seed)
    coarse = (rng.uniform(70, 185, (13, 13, 1)) + rng.uniform(-3, 3, (13, 13, 3))).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).round().astype(np.uint8)


def embed(rgb: np.ndarray, bits: tuple[int, ...]) -> np.ndarray:
    """``dwtDct`` of invisible-watermark, block by block; of the Haar transform only the approximation changes."""
    yuv = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV)
    height, width = rgb.shape[0] // 4 * 4, rgb.shape[1] // 4 * 4
    plane = yuv[:height, :width, 1].astype(float)
    number = 0
    for top in range(0, height // 8 * 8, 8):
        for left in range(0, width // 8 * 8, 8):
            block = plane[top : top + 8, left : left + 8]
            means = block.reshape(4, 2, 4, 2).sum((1, 3)) / 2
            place = 1 + int(np.abs(means.ravel()[1:]).argmax())
            row, column = divmod(place, 4)
            value = (means[row, column] // 36 + 0.25 + 0.5 * bits[number % len(bits)]) * 36
            block[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] += (value - means[row, column]) / 2
            number += 1
    yuv[:height, :width, 1] = np.clip(plane, 0, 255).astype(np.uint8)
    return cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB)


def names(rgb: np.ndarray) -> list[str]:
    found = [finding for finding in find_provenance(files.png(), rgb=rgb) if finding.source == "watermark"]
    assert found[-1].claim == NOT_CHECKABLE
    return [finding.claim for finding in found[:-1]]


@pytest.mark.parametrize("name", MESSAGES)
def test_each_message_is_read_again_and_told_alone(name: str) -> None:
    (claim,) = names(embed(picture(0), MESSAGES[name]))
    assert name in claim


def test_no_watermark_is_told_of_pictures_without_one() -> None:
    for rgb in (picture(1), files.pixels(300, 300), np.full((300, 300, 3), 128, np.uint8)):
        assert names(rgb) == []


def test_a_small_picture_holds_none() -> None:
    assert names(embed(picture(0, 200, 200), MESSAGES["SDXL (48 bits)"])) == []


@settings(max_examples=15)
@given(st.integers(0, 3), st.integers(0, 7), st.integers(0, 7))
def test_pixels_beyond_the_last_whole_block_do_not_matter(seed: int, below: int, beside: int) -> None:
    rgb = embed(picture(seed), MESSAGES["SDXL (48 bits)"])
    framed = np.pad(rgb, ((0, below), (0, beside), (0, 0)), mode="edge")
    assert np.array_equal(block_bits(rgb), block_bits(framed))


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_the_package_writes_what_is_read_here(kind: type) -> None:
    imwatermark = pytest.importorskip("imwatermark", reason="invisible-watermark is not installed")
    for name, message in MESSAGES.items():
        encoder = imwatermark.WatermarkEncoder()
        encoder.set_watermark("bits", list(message))
        written = encoder.encode(np.ascontiguousarray(picture(2)[..., ::-1]).astype(kind), "dwtDct")
        rgb = np.clip(np.rint(written), 0, 255).astype(np.uint8)[..., ::-1]
        assert any(name in claim for claim in names(np.ascontiguousarray(rgb))), name


def test_the_message_of_stable_diffusion_is_its_name() -> None:
    bits = MESSAGES["Stable Diffusion 1 (StableDiffusionV1)"]
    assert np.packbits(bits).tobytes() == b"StableDiffusionV1"
    assert int("".join(map(str, MESSAGES["FLUX.1 (46 bits)"])), 2) == 0b001010101111111010000111100111001111010100101110


def test_the_chance_is_that_of_fair_coins() -> None:
    """Against scipy's binomial distribution."""
    from scipy.stats import binom

    for matched, length in ((30, 32), (40, 48), (90, 136), (46, 46)):
        assert chance_of(matched, length) == pytest.approx(
            2 * len(MESSAGES) * binom.sf(matched - 1, length, 0.5), rel=1e-9
        )
