"""The two commonest kinds of file by a faster decoder, where one is installed: ``pip install 'synthscope[fast]'``.

imagecodecs decodes with libjpeg-turbo and libpng, which browsers expose to hostile files every day, and gives the very
pixels that Pillow gives. It meets a file only behind all caps on structure and size, after Pillow has read the header,
and only if nothing is left to interpret: 8-bit RGB, no transparency, no orientation, no animation, nothing behind the
pixels. Whatever it complains of, as of every damaged PNG, Pillow decides alone, in its own words.

OpenCV, which is there anyway, is not used: as fast for JPEG, but libjpeg's complaints go to stderr without the name of
the file, and for PNG little faster than Pillow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from synthscope.data.decode import orientation

if TYPE_CHECKING:
    from PIL import Image

_IHDR = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_RGB8 = b"\x08\x02\0\0\0"  # PNG, section 11.2.1: bit depth, colour type, compression, filter, not interlaced
_IEND = b"\0\0\0\0IEND\xaeB`\x82"
_SOF0, _SOS, _EOI = b"\xff\xc0", b"\xff\xda", b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\0\xd0-\xd7]")  # in a scan only stuffed bytes and restarts follow 0xff
_MOST_SEGMENTS = 1000  # before the scan of a plain JPEG
_TURNING = {"exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"}  # where an orientation may stand


def plain_rgb(data: bytes, image: Image.Image) -> np.ndarray | None:
    """Pixels of a plain JPEG or PNG file.

    Args:
        data: The whole file.
        image: What Pillow made of its header.

    Returns:
        uint8 ``(H, W, 3)`` RGB; None for any other file, a damaged one, or without a faster decoder.
    """
    decode = _decoders().get(str(image.format))
    if decode is None or image.mode != "RGB" or image.has_transparency_data or not _is_plain(data, image):
        return None
    try:
        pixels = decode(data)
    except Exception:  # Pillow will say what is wrong, if it is
        return None
    whole = pixels.dtype == np.uint8 and pixels.shape == (image.height, image.width, 3)
    return pixels if whole and pixels.flags.c_contiguous and pixels.flags.writeable else None


@cache
def _decoders() -> dict[str, Callable[[bytes], np.ndarray]]:
    try:
        import imagecodecs
    except ImportError:
        return {}
    return {"JPEG": imagecodecs.jpeg8_decode, "PNG": imagecodecs.png_decode}


def _is_plain(data: bytes, image: Image.Image) -> bool:
    if image.format == "PNG":
        return not _TURNING & image.info.keys() and _is_plain_png(data)
    return orientation(image) == 1 and _is_plain_jpeg(data)


def _is_plain_png(data: bytes) -> bool:
    """8-bit RGB in one run of IDAT chunks, and nothing but the end behind it (PNG, section 5)."""
    if not (data.startswith(_IHDR) and data[24:29] == _RGB8 and data.endswith(_IEND)):
        return False
    place, pixels = 8, False
    while place < len(data) - len(_IEND):
        kind = data[place + 4 : place + 8]
        if kind in (b"acTL", b"fcTL", b"fdAT") or (pixels and kind != b"IDAT"):
            return False
        pixels |= kind == b"IDAT"
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return pixels and place == len(data) - len(_IEND)


def _is_plain_jpeg(data: bytes) -> bool:
    """Baseline, of one scan that ends where the file ends, with no marker but restarts inside (ITU T.81, annex B)."""
    place, baseline = 2, False
    for _ in range(_MOST_SEGMENTS):
        marker = data[place : place + 2]
        if marker == _SOS:
            return baseline and data.endswith(_EOI) and not _MARKER.search(data, place + 2, len(data) - len(_EOI))
        baseline |= marker == _SOF0
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False
