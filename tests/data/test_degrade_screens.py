"""Colours against littlecms, a slanted view and moiré against their geometry."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.degrade.screens import Perspective
from synthscope.errors import UnreadableImageError
from tests.data.test_degrade import degrade, noise_image

# Colorants, adapted to D50, as the profiles of Apple and Adobe store them.
COLORANTS = {
    "display_p3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "adobe_rgb": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
}
CURVES = {  # ICC.1:2010, 10.15 and 10.5
    "display_p3": b"para" + struct.pack(">4xHH5i", 3, 0, *(
        round(x * 65536) for x in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    )),
    "adobe_rgb": b"curv" + struct.pack(">4xIH2x", 1, 563),
}  # fmt: skip


def icc_profile(name: str) -> ImageCms.ImageCmsProfile:
    """A display profile of three colorants and one curve (ICC.1:2010, 7.2 and 9)."""

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ " + struct.pack(">4x3i", *(round(value * 65536) for value in values))

    white = (0.9642, 1.0, 0.8249)
    tags = {tag: xyz(value) for tag, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), COLORANTS[name], strict=True)}
    tags |= {b"wtpt": xyz(white)} | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), CURVES[name])
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data
    head = (
        struct.pack(">I4xI", start + len(body), 0x04200000) + b"mntrRGB XYZ " + struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    )
    head += b"acsp" + bytes(28) + struct.pack(">3i", *(round(value * 65536) for value in white))
    return ImageCms.ImageCmsProfile(io.BytesIO(head.ljust(128, b"\0") + table + body))


@pytest.mark.parametrize("name", ["display_p3", "adobe_rgb"])
def test_a_lost_profile_leaves_the_numbers_that_littlecms_makes(name: str) -> None:
    rgb = noise_image(200, 300)
    rgb[0] = np.arange(300)[:, None] % 256  # greys
    converted = ImageCms.profileToProfile(
        Image.fromarray(rgb), ImageCms.createProfile("sRGB"), icc_profile(name), ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.NOOPTIMIZE,  # else light is rounded to 14 bits
    )  # fmt: skip
    difference = np.abs(degrade(rgb, f"profile:{name}").astype(int) - np.asarray(converted))
    assert difference.max() <= 1 and difference.mean() < 0.05


def test_a_lost_profile_makes_colours_paler_and_keeps_greys() -> None:
    rgb = np.array([[(255, 0, 0), (0, 255, 0), (90, 90, 90), (255, 255, 255), (0, 0, 0)]], np.uint8)
    for name in ("display_p3", "adobe_rgb"):
        ((red, green, grey, white, black),) = degrade(rgb, f"profile:{name}").astype(int)
        assert np.ptp(red) < 255 and np.ptp(green) < 255
        assert np.ptp(grey) == 0 and list(white) == [255] * 3 and list(black) == [0] * 3
    assert list(degrade(rgb, "profile:display_p3")[0, 0]) == [234, 51, 35]  # sRGB's red in Display P3
    assert list(degrade(rgb, "profile:adobe_rgb")[0, 0]) == [219, 0, 0]  # 255 (0.71513 light) ^ (1 / 2.19921875)


def test_white_balance_multiplies_light() -> None:
    rgb = np.full((2, 3, 3), 128, np.uint8)
    assert (degrade(rgb, "balance:red=2,blue=0.5") == (176, 128, 92)).all()  # light 0.2159: 0.4317 and 0.1079
    assert (degrade(rgb, "balance:red=4,blue=4") == (239, 128, 239)).all()
    assert np.array_equal(degrade(noise_image(20, 30), "balance:red=1"), noise_image(20, 30))


def test_a_slanted_view_shows_the_corners_that_it_says() -> None:
    x, y = np.meshgrid(np.arange(200), np.arange(100))
    rgb = np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)
    got = degrade(rgb, "perspective:tilt=0.1").astype(float)[..., :2]
    assert Perspective(tilt=0.1).corners(100, 200).tolist() == [[10, 10], [190, 0], [200, 100], [0, 90]]
    corners = got[0, 0], got[0, -1], got[-1, -1], got[-1, 0]
    for corner, expected in zip(corners, [(10, 10), (189, 0), (199, 99), (0, 89)], strict=True):
        assert np.abs(corner - expected).max() <= 1
    # The map between the corners, from its eight equations.
    rows, values = [], []
    ends = [(0, 0), (200, 0), (200, 100), (0, 100)]
    for (u, v), (p, q) in zip(ends, [(10, 10), (190, 0), (200, 100), (0, 90)], strict=True):
        rows += [[u, v, 1, 0, 0, 0, -p * u, -p * v], [0, 0, 0, u, v, 1, -q * u, -q * v]]
        values += [p, q]
    a, b, c, d, e, f, g, h = np.linalg.solve(np.array(rows, float), np.array(values, float))
    u, v = x + 0.5, y + 0.5
    scale = g * u + h * v + 1
    shown = np.stack([(a * u + b * v + c) / scale - 0.5, (d * u + e * v + f) / scale - 0.5], axis=2)
    assert np.abs(got - shown)[2:-2, 2:-2].max() <= 1


def display_grid(pitch: float, angle: float, channel: int, side: int) -> np.ndarray:
    """What a camera's pixels meet of stripes a third of a pitch wide and of gaps between rows."""
    y, x = np.mgrid[:side, :side]
    turn = np.radians(angle)
    across, down = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    stripe = np.abs((across / pitch + channel / 3 + 0.5) % 1 - 0.5) < 1 / 6
    row = np.abs((down / pitch + 0.5) % 1 - 0.5) < 0.45
    return (stripe & row).astype(float)


@pytest.mark.parametrize(("pitch", "angle"), [(1.1, 3), (1.37, 0), (3.2, -20), (0.9, 12.5)])
def test_moire_has_the_waves_of_a_sampled_grid(pitch: float, angle: float) -> None:
    side = 240
    rgb = np.full((side, side, 3), 120, np.uint8)
    got = degrade(rgb, f"moire:depth=0.2,pitch={pitch},angle={angle}").astype(float)
    assert got.mean() == pytest.approx(120, abs=1)
    window = np.outer(np.hanning(side), np.hanning(side))
    peaks = []
    for channel in range(3):
        # The stripes alone: rows of the display are the same in all channels.
        ours = np.fft.fft2((got[..., channel] - got.mean(axis=2)) * window)
        theirs = [display_grid(pitch, angle, other, side) for other in range(3)]
        true = np.fft.fft2((theirs[channel] - np.mean(theirs, axis=0)) * window)
        place = np.unravel_index(np.argmax(np.abs(ours[:, : side // 2])), (side, side // 2))
        expected = np.unravel_index(np.argmax(np.abs(true[:, : side // 2])), (side, side // 2))
        assert np.abs(np.subtract(place, expected)).max() <= 1
        peaks.append(np.angle(ours[place]) - np.angle(true[place]))
    turns = np.exp(1j * np.array(peaks))
    assert np.abs(turns - turns[0]).max() < 0.1  # red, green and blue stand as on the display


def test_moire_is_as_deep_as_asked() -> None:
    rgb = np.full((300, 300, 3), 100, np.uint8)
    got = degrade(rgb, "moire:depth=0.1,pitch=1.17,angle=7").astype(float) / 100
    assert got.std(axis=(0, 1)) == pytest.approx([0.1] * 3, rel=0.05)  # two waves of depth²/2 each
    assert got.max() == pytest.approx(1.21, abs=0.01) and got.min() == pytest.approx(0.81, abs=0.01)


def test_a_display_shows_an_image_as_large_as_it_can() -> None:
    recipe = parse_recipe("display:width=1080,height=2340")
    assert recipe.shape_after(512, 512) == (1080, 1080)  # enlarged
    assert recipe.shape_after(3000, 2000) == (1620, 1080)
    assert recipe.shape_after(3000, 1000) == (2340, 780)
    rgb = noise_image(30, 20)
    small = Image.fromarray(rgb).resize((12, 18), Image.Resampling.BILINEAR)
    assert np.array_equal(degrade(rgb, "display:width=12,height=40"), np.asarray(small))


def test_a_side_that_cannot_be_warped_is_a_sentence() -> None:
    with pytest.raises(UnreadableImageError, match="at most 32766 pixels for a perspective, got 40000x1"):
        degrade(np.zeros((1, 40000, 3), np.uint8), "perspective:tilt=0.1")


def test_masks_follow_what_a_step_moves() -> None:
    from synthscope.annotations.targets import _geometry

    recipe = "display:width=96,height=96|perspective:tilt=0.1|moire:depth=0.1|jpeg:q=50|crop:frac=0.5"
    assert str(_geometry(recipe)) == "display:width=96,height=96|perspective:tilt=0.1|crop:frac=0.5"
