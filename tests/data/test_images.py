from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from synthscope.data.images import measure, read_file, read_rgb
from synthscope.data.jpeg_quality import _tables, estimate_quality
from synthscope.errors import UnreadableImageError

REAL = Path(__file__).parents[2] / "../shared/images"
COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]], [[255, 255, 255], [0, 0, 0]]], np.uint8)
SMOOTH = np.asarray(Image.fromarray(COLOURS).resize((96, 64), Image.Resampling.BICUBIC))


def encode(image: Image.Image | np.ndarray, container: str, **options: object) -> bytes:
    file = BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, container, **options)
    return file.getvalue()


def cv2_png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.mark.parametrize(
    ("container", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("PPM", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
        ("JPEG2000", {"irreversible": False}),
    ],
)
def test_lossless_containers_return_the_pixels(container: str, options: dict[str, object]) -> None:
    rgb = read_rgb(encode(COLOURS, container, **options))
    assert rgb.dtype == np.uint8 and rgb.flags.writeable and rgb.flags.c_contiguous
    np.testing.assert_array_equal(rgb, COLOURS)


@pytest.mark.parametrize("container", ["JPEG", "AVIF", "WEBP"])
def test_lossy_containers_are_near(container: str) -> None:
    rgb = read_rgb(encode(SMOOTH, container, quality=95))
    assert np.abs(rgb.astype(int) - SMOOTH).mean() < 3


def grey(*values: int) -> np.ndarray:
    return np.repeat(np.array([values], np.uint8)[:, :, None], 3, axis=2)


def palette(transparency: int | None) -> bytes:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 10, 10, 0, 120, 0])
    image.putpixel((1, 0), 1)
    return encode(image, "PNG", **({} if transparency is None else {"transparency": transparency}))


def test_each_mode_gives_hand_computed_pixels() -> None:
    rgba = np.array([[[100, 50, 0, 255], [100, 50, 0, 0], [100, 50, 0, 51]]], np.uint8)
    over_white = [[[100, 50, 0], [255, 255, 255], [224, 214, 204]]]  # 51/255 = 0.2: c * 0.2 + 255 * 0.8
    sixteen = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    high = grey(0, 0, 1, 128, 255)
    two = Image.new("1", (2, 1))
    two.putpixel((1, 0), 1)
    animation = encode(grey(7, 7), "GIF", save_all=True, append_images=[Image.fromarray(grey(200, 200))])
    cases: dict[str, tuple[bytes, object]] = {
        "RGBA": (encode(rgba, "PNG"), over_white),
        "RGBA webp": (encode(rgba, "WEBP", lossless=True, exact=True), over_white),
        "LA": (encode(Image.fromarray(rgba).convert("LA"), "PNG"), None),
        "opaque RGBA": (encode(rgba[:, :1], "PNG"), [[[100, 50, 0]]]),
        "L": (encode(np.array([[0, 7, 255]], np.uint8), "PNG"), grey(0, 7, 255)),
        "L with transparent 7": (encode(np.array([[0, 7]], np.uint8), "PNG", transparency=7), grey(0, 255)),
        "P": (palette(None), [[[200, 10, 10], [0, 120, 0]]]),
        "P with transparent entry": (palette(1), [[[200, 10, 10], [255, 255, 255]]]),
        "1": (encode(two, "PNG"), grey(0, 255)),
        "I;16 png": (encode(sixteen, "PNG"), high),
        "I;16 tiff": (encode(sixteen, "TIFF"), high),
        "I ppm": (b"P5 5 1 65535\n" + sixteen.astype(">u2").tobytes(), high),
        "RGB 16 bit": (cv2_png(np.dstack([sixteen] * 3)), high),
        "RGBA 16 bit": (cv2_png(np.dstack([sixteen] * 3 + [np.full_like(sixteen, 65535)])), high),
        "GIF, first frame": (animation, grey(7, 7)),
    }
    cases["LA"] = (cases["LA"][0], grey(59, 255, 216))  # luma of (100, 50, 0) is 59
    for name, (file, expected) in cases.items():
        np.testing.assert_array_equal(read_rgb(file), np.asarray(expected), err_msg=name)


def test_cmyk_jpeg_is_not_inverted() -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert np.abs(read_rgb(encode(cyan, "JPEG", quality=95)).astype(int) - [0, 255, 255]).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("container", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied_once(orientation: int, container: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if container == "WEBP" else {}
    file = encode(COLOURS, container, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(encode(COLOURS, "PNG", exif=exif))))
    np.testing.assert_array_equal(read_rgb(file), np.asarray(upright))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_unreadable_exif_does_not_spoil_the_pixels() -> None:
    file = encode(COLOURS, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(read_rgb(file), COLOURS)


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.95])
def test_truncated_files_are_refused_by_name(container: str, kept: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    whole = encode(noise, container)
    path = tmp_path / "picture"
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(UnreadableImageError, match=r"Expected an image in .*picture, got "):
        read_rgb(path)
    assert measure(str(path), decode=True)[-1]


def huge_png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.mark.parametrize("side", [12_000, 30_000, 2**31 - 1])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_before_decoding(side: int) -> None:
    with pytest.raises(UnreadableImageError, match=r"megapixels|DecompressionBomb"):
        read_rgb(huge_png(side, side))
    with pytest.raises(UnreadableImageError, match=r"12 x 10 pixels, more than 0\.0001 megapixels"):
        read_rgb(huge_png(12, 10), max_megapixels=0.0001)


def test_things_that_are_not_images_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "program.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    names = ["pipe.png", "loop.png", "text.png", "program.jpg", "float.tif", "absent.png", "."]
    for name in names:
        with pytest.raises(UnreadableImageError, match="Expected an image in"):
            read_rgb(tmp_path / name)
    assert measure(str(tmp_path / "pipe.png"))[-1] == "something that is not a regular file"
    assert measure(str(tmp_path / "absent.png"))[-1] == "no such file or directory"
    with pytest.raises(UnreadableImageError, match="the given bytes"):
        read_rgb(b"")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        read_rgb(data)


WHOLE = [encode(SMOOTH, c) for c in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=12), st.floats(0, 1)
)
@pytest.mark.filterwarnings("ignore")
def test_corrupted_files_decode_or_raise_nothing_else(data: bytes, changes: list[tuple[int, int]], kept: float) -> None:
    broken = bytearray(data)
    for place, value in changes:
        broken[place % len(broken)] = value
    try:
        rgb = read_rgb(bytes(broken[: int(len(broken) * (kept + 0.5))]))
    except UnreadableImageError:
        return
    assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3


def test_measure_and_read_file_agree_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"  # a wrong suffix doesn't matter
    path.write_bytes(encode(SMOOTH, "JPEG", quality=83))
    data, sha256 = read_file(path)
    assert data == path.read_bytes() and sha256 == hashlib.sha256(data).hexdigest()
    assert measure(str(path)) == (96, 64, "JPEG", 83, len(data), None, None)
    assert measure(str(path), decode=True) == (96, 64, "JPEG", 83, len(data), sha256, None)


def test_jpeg_quality_is_exact_for_every_ijg_table() -> None:
    for quality in range(1, 101):
        for image in (SMOOTH, SMOOTH[:, :, 0]):
            tables = Image.open(BytesIO(encode(image, "JPEG", quality=quality))).quantization
            assert estimate_quality(tables[0]) == quality
            assert tables[0] == _tables()[quality - 1].tolist()
    assert estimate_quality(encode(SMOOTH, "JPEG")[:10]) is None


@given(st.integers(2, 99), st.integers(0, 63))
def test_a_table_off_by_one_keeps_its_quality_or_a_neighbour(quality: int, place: int) -> None:
    table = list(Image.open(BytesIO(encode(SMOOTH[:8, :8], "JPEG", quality=quality))).quantization[0])
    table[place] = min(255, table[place] + 1)
    assert abs((estimate_quality(table) or 0) - quality) <= 1


def test_data_modules_import_neither_torch_nor_timm() -> None:
    code = (
        "import sys; from synthscope.data import audit, images, layouts, manifest; "
        "from synthscope.data.layouts.imagenet import synsets; assert len(synsets()) == 1000; "
        "assert not {'torch', 'timm', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the photographs of ../shared/images")
def test_photographs_decode_as_pillow_does() -> None:
    for path in sorted(REAL.glob("*/val/*/*"))[::25]:
        with Image.open(path) as image:
            np.testing.assert_array_equal(read_rgb(path), np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
