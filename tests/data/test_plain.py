"""The faster decoder of plain files gives the pixels, or the sentence, that Pillow gives."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from synthscope.data import plain
from synthscope.data.images import read_rgb
from synthscope.errors import UnreadableImageError

pytest.importorskip("imagecodecs", reason="the extra [fast] is not installed")

RAMP = np.add.outer(np.arange(60), 2 * np.arange(75))[..., None] * np.array([0.9, -0.5, 0.4]) + 90
RGB = np.clip(RAMP + np.random.default_rng(0).normal(0, 9, (60, 75, 3)), 0, 255).astype(np.uint8)
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def encode(pixels: np.ndarray | Image.Image, container: str, **options: object) -> bytes:
    file = BytesIO()
    (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(file, container, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(kind: bytes, data: bytes, *, behind: bool = False) -> bytes:
    """A PNG with one chunk more, before or behind its pixels."""
    file = encode(RGB, "PNG")
    place = file.index(b"IEND" if behind else b"IDAT") - 4
    return file[:place] + chunk(kind, data) + file[place:]


def exif(orientation: int) -> bytes:
    told = Image.Exif()
    told[0x0112] = orientation
    return told.tobytes()


def text(key: str, value: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(key, value)
    return info


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FRAMES = {"save_all": True, "append_images": [Image.fromarray(255 - RGB)]}
PLAIN: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: encode(RGB, "PNG"),
    "PNG, no compression": lambda: encode(RGB, "PNG", compress_level=0),
    "PNG, one pixel": lambda: encode(RGB[:1, :1], "PNG"),
    "PNG of OpenCV": lambda: cv2.imencode(".png", RGB)[1].tobytes(),
    "PNG with gamma": lambda: with_chunk(b"gAMA", struct.pack(">I", 100_000)),
    "PNG with primaries": lambda: with_chunk(b"cHRM", struct.pack(">8I", *[31_270, 32_900] * 4)),
    "PNG with a background": lambda: with_chunk(b"bKGD", struct.pack(">3H", 9, 9, 9)),
    "PNG with significant bits": lambda: with_chunk(b"sBIT", bytes([5, 6, 5])),
    "PNG with a profile": lambda: encode(RGB, "PNG", icc_profile=PROFILE),
    "PNG with a prompt": lambda: encode(RGB, "PNG", pnginfo=text("parameters", "a cat")),
    **{
        f"JPEG {q} {name}": lambda q=q, subsampling=subsampling: encode(RGB, "JPEG", quality=q, subsampling=subsampling)
        for q in (5, 75, 100)
        for name, subsampling in (("444", 0), ("422", 1), ("420", 2))
    },
    "JPEG, one pixel": lambda: encode(RGB[:1, :1], "JPEG"),
    "JPEG, narrow": lambda: encode(RGB[:, :3], "JPEG"),
    "JPEG with restarts": lambda: encode(RGB, "JPEG", restart_marker_blocks=2),
    "JPEG, optimized": lambda: encode(RGB, "JPEG", optimize=True),
    "JPEG with a profile": lambda: encode(RGB, "JPEG", icc_profile=PROFILE),
    "JPEG, upright": lambda: encode(RGB, "JPEG", exif=exif(1)),
    "JPEG of RGB": lambda: encode(RGB, "JPEG", keep_rgb=True),
}
ODD: dict[str, Callable[[], bytes]] = {
    "PNG, grey": lambda: encode(RGB[..., 0], "PNG"),
    "PNG, palette": lambda: encode(Image.fromarray(RGB).quantize(16), "PNG"),
    "PNG, alpha": lambda: encode(np.dstack([RGB, RGB[..., :1]]), "PNG"),
    "PNG, transparent colour": lambda: encode(RGB, "PNG", transparency=tuple(int(v) for v in RGB[0, 0])),
    "PNG, 16 bit": lambda: cv2.imencode(".png", RGB.astype(np.uint16) * 257 - 100)[1].tobytes(),
    "PNG, turned by EXIF": lambda: encode(RGB, "PNG", exif=exif(6)),
    "PNG, turned by XMP": lambda: encode(RGB, "PNG", pnginfo=text("XML:com.adobe.xmp", XMP)),
    "PNG, turned behind its pixels": lambda: with_chunk(b"eXIf", exif(3)[6:], behind=True),
    "PNG, animated": lambda: encode(RGB, "PNG", **FRAMES),
    "PNG with something behind its end": lambda: encode(RGB, "PNG") + b"more",
    "JPEG, grey": lambda: encode(RGB[..., 0], "JPEG"),
    "JPEG, CMYK": lambda: encode(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "JPEG, progressive": lambda: encode(RGB, "JPEG", progressive=True),
    "JPEG, turned": lambda: encode(RGB, "JPEG", exif=exif(8)),
    "JPEG with something behind its end": lambda: encode(RGB, "JPEG") + b"more",
    "several JPEG": lambda: encode(RGB, "MPO", **FRAMES),
    "WebP": lambda: encode(RGB, "WEBP"),
}


def outcome(data: bytes) -> np.ndarray | str:
    try:
        return read_rgb(data)
    except UnreadableImageError as error:
        return str(error)


def by_pillow(data: bytes) -> np.ndarray | str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "_decoders", dict)
        return outcome(data)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Formats of the files that the faster decoder was given."""
    given: list[str] = []
    decoders = plain._decoders()

    def counted(name: str) -> Callable[[bytes], np.ndarray]:
        return lambda data: given.append(name) or decoders[name](data)  # type: ignore[func-returns-value]

    monkeypatch.setattr(plain, "_decoders", lambda: {name: counted(name) for name in decoders})
    return given


@pytest.mark.parametrize("name", [*PLAIN, *ODD])
def test_the_pixels_are_those_of_pillow(name: str, decoded: list[str]) -> None:
    file = (PLAIN | ODD)[name]()
    pixels = read_rgb(file)
    assert decoded == ([name[:4].strip(" ,")] if name in PLAIN else [])
    assert pixels.dtype == np.uint8 and pixels.flags.c_contiguous and pixels.flags.writeable
    np.testing.assert_array_equal(pixels, by_pillow(file))


@pytest.mark.parametrize("container", ["PNG", "JPEG"])
def test_truncated_files_get_the_sentence_of_pillow(container: str) -> None:
    whole = encode(RGB, container)
    for length in {*range(0, len(whole), 97), *range(len(whole) - 20, len(whole))}:
        found, expected = outcome(whole[:length]), by_pillow(whole[:length])
        assert isinstance(found, str) or length > len(whole) - 30  # Pillow does without checksum and end
        assert type(found) is type(expected) and np.array_equal(found, expected)


FILES = [PLAIN[name]() for name in ("PNG", "PNG, no compression", "JPEG 75 420", "JPEG 100 444", "JPEG with restarts")]
LIKELY = st.one_of(st.integers(0, 255), st.sampled_from([0, 0xC4, 0xD0, 0xD9, 0xDA, 0xFF]))


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(FILES), st.lists(st.tuples(st.integers(0, 2**20), LIKELY), min_size=1, max_size=3))
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_get_the_pixels_or_the_sentence_of_pillow(file: bytes, changes: list[tuple[int, int]]) -> None:
    broken = bytearray(file)
    for place, value in changes:
        broken[place % len(broken)] = value
    found, expected = outcome(bytes(broken)), by_pillow(bytes(broken))
    assert type(found) is type(expected)
    assert np.array_equal(found, expected)


def test_a_file_over_a_cap_never_reaches_the_faster_decoder(decoded: list[str]) -> None:
    with pytest.raises(UnreadableImageError, match="megapixels"):
        read_rgb(encode(RGB, "PNG"), max_megapixels=0.001)
    many = with_chunk(b"tEXt", b"a\0b")
    place = many.index(b"tEXt") - 4
    with pytest.raises(UnreadableImageError, match="chunks"):
        read_rgb(many[:place] + chunk(b"tEXt", b"a\0b") * (2**17 + 1) + many[place:])
    assert decoded == []
