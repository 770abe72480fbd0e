"""Files made to keep a decoder busy: refused by their structure, before one is started."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from synthscope.data import bombs
from synthscope.data.bombs import Refused, check_structure, count_scans
from synthscope.data.images import measure, read_rgb
from synthscope.errors import UnreadableImageError

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def encode(container: str, pixels: np.ndarray = PIXELS, **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, container, **options)
    return file.getvalue()


def with_scans(data: bytes, copies: int) -> bytes:
    """A progressive JPEG whose last scan is there so many times more; decoders go over the image for each."""
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * copies + b"\xff\xd9"


def refused(data: bytes, sentence: str) -> None:
    with pytest.raises(UnreadableImageError, match=sentence):
        read_rgb(data)


def header_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        check_structure(BytesIO(data), 100.0)
    refused(data, sentence)


def test_scans_of_a_jpeg_are_counted_and_limited() -> None:
    plain, progressive = encode("JPEG"), encode("JPEG", progressive=True)
    assert count_scans(plain) == 1
    assert count_scans(progressive) == 10  # libjpeg's script for colour
    assert count_scans(with_scans(progressive, 3)) == 13
    assert read_rgb(with_scans(progressive, 3)).shape == PIXELS.shape
    assert count_scans(with_scans(progressive, 3000)) == 3010
    refused(with_scans(progressive, 3000), "a JPEG of 3010 scans, more than 100")


def test_scans_elsewhere_in_a_jpeg_do_not_count() -> None:
    thumbnail = with_scans(encode("JPEG", PIXELS[:8, :8], progressive=True), 150)
    exif = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    plain = encode("JPEG")
    data = plain[:2] + exif + plain[2:] + b"\xff\xda" * 500  # and behind the end, as in a motion photo
    assert data.count(b"\xff\xda") > 600 and count_scans(data) == 1
    np.testing.assert_array_equal(read_rgb(data), read_rgb(plain))


def test_large_images_may_have_fewer_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bombs, "MOST_SCANNED", 11 * PIXELS.size / 3e6)  # as if the image were large
    data = encode("JPEG", progressive=True)
    assert read_rgb(with_scans(data, 1)).shape == PIXELS.shape
    refused(with_scans(data, 2), "a JPEG of 12 scans, more than 11")


@pytest.mark.parametrize("name", ["tEXt", "IDAT"])
def test_a_png_of_many_chunks(name: str) -> None:
    data = encode("PNG")
    chunk = struct.pack(">I", 0) + name.encode() + struct.pack(">I", zlib.crc32(name.encode()))
    place = data.index(b"IDAT") - 4 if name == "tEXt" else data.index(b"IEND") - 4
    many = data[:place] + chunk * (bombs.MOST_CHUNKS + 1) + data[place:]
    refused(many, "a PNG of more than 131072 chunks")
    assert read_rgb(data[:place] + chunk * 9 + data[place:]).shape == PIXELS.shape


def test_a_gif_of_many_comments() -> None:
    data = encode("GIF")
    place = 13 + (3 << (data[10] & 7) + 1)
    block = b"\xff" + b"a" * 255
    header_refused(data[:place] + b"\x21\xfe" + block * 9000 + b"\0" + data[place:], "more than 8192 blocks")
    assert read_rgb(data[:place] + b"\x21\xfe" + block * 9 + b"\0" + data[place:]).shape == PIXELS.shape


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_many_values(order: str, big: bool) -> None:
    mark = b"II" if order == "<" else b"MM"
    if big:
        head = mark + struct.pack(f"{order}HHHQ", 43, 8, 0, 16)
        entries = struct.pack(f"{order}QHHQQ", 1, 273, 4, 2**26, 64)
    else:
        head = mark + struct.pack(f"{order}HI", 42, 8)
        entries = struct.pack(f"{order}HHHII", 1, 273, 4, 2**26, 64)
    header_refused(head + entries + bytes(99), "67108864 values of tag 273")


def test_a_jpeg_2000_image_of_many_tiles_or_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bombs, "MOST_TILES", 3000)
    data = encode("JPEG2000")
    for start in (data, data[data.index(b"\xff\x4f\xff\x51") :]):  # in boxes, and alone
        size = start.index(b"\xff\x51")
        tiles = start[: size + 22] + struct.pack(">II", 1, 1) + start[size + 30 :]
        header_refused(tiles, "a JPEG 2000 image of 3072 tiles, more than 3000")
        style = start.index(b"\xff\x52")
        layers = start[: style + 6] + struct.pack(">H", 60_000) + start[style + 8 :]
        header_refused(layers, "a JPEG 2000 image of 60000 layers")


def test_a_ppm_of_a_long_comment() -> None:
    data = encode("PPM")
    assert data.startswith(b"P6\n")
    header_refused(data[:3] + b"#" + b"a" * 10**6 + b"\n" + data[3:], "a PPM header of more than 65536 bytes")
    np.testing.assert_array_equal(read_rgb(data[:3] + b"# few\n" + data[3:]), PIXELS)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 50}, {"lossless": True, "exif": b"Exif\0\0MM\0*"}])
def test_the_canvas_of_a_webp_is_known_before_it_is_reserved(options: dict[str, object]) -> None:
    data = encode("WEBP", **options)
    check_structure(BytesIO(data), 64 * 48 / 1e6)
    with pytest.raises(Refused, match="64 x 48 pixels"):
        check_structure(BytesIO(data), 64 * 47 / 1e6)


def test_bytes_that_no_pixels_need_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode("PNG"))
    with path.open("ab") as file:
        file.truncate(2**26 + 64 * 48 * 8 + 1)  # sparse: it takes no room
    assert measure(str(path))[-1] == f"{2**26 + 64 * 48 * 8 + 1} bytes for 64 x 48 pixels"
    assert measure(str(path), decode=True)[-1] == measure(str(path))[-1]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "CMYK", "1"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_strips_join_without_a_seam(mode: str, orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthscope.data.decode._STRIP", 7 * 64)  # seven rows at a time, and six at the end
    image = Image.fromarray(PIXELS).convert(mode)
    exif = image.getexif()
    exif[0x0112] = orientation
    file = BytesIO()
    image.save(file, "TIFF", exif=exif)
    with Image.open(BytesIO(file.getvalue())) as stored:
        whole = ImageOps.exif_transpose(stored)
        white = Image.new("RGBA", whole.size, "white")
        expected = Image.alpha_composite(white, whole.convert("RGBA")) if mode in ("RGBA", "LA") else whole
    np.testing.assert_array_equal(read_rgb(file.getvalue()), np.asarray(expected.convert("RGB")))
