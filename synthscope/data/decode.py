"""What Pillow has opened -> plain RGB pixels, in strips, so that a large image is not in memory several times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synthscope.data.bombs import Refused

if TYPE_CHECKING:
    from PIL import Image

_STRIP = 2**20  # pixels converted at a time


def to_rgb(image: Image.Image) -> np.ndarray:
    """Decode an image that was opened: uint8 ``(H, W, 3)`` RGB, upright, on white, 16-bit channels by their high byte.

    Raises:
        Refused: Pixels that have no place in 8 bits. Decoders raise nearly anything else.
    """
    image.load()
    vars(image).pop("_decoder", None)  # of WebP and AVIF: two more copies of the pixels, with alpha
    if image.mode == "F":
        raise Refused("floating-point pixels")
    turn = orientation(image)
    turned = turn >= 5  # rows and columns change places
    pixels = np.empty((image.width, image.height, 3) if turned else (image.height, image.width, 3), np.uint8)
    stored = as_stored(pixels, turn)
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        whole = rows >= image.height
        strip = image if whole else image.crop((0, top, image.width, min(top + rows, image.height)))
        stored[top : top + rows] = _rgb(strip)
    return pixels


def as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """A view of upright pixels in the order in which the file stores them (EXIF 2.3, tag 0x0112)."""
    turned = upright.transpose(1, 0, 2) if orientation >= 5 else upright
    down = slice(None, None, -1 if orientation in (3, 4, 6, 7) else 1)
    across = slice(None, None, -1 if orientation in (2, 3, 7, 8) else 1)
    return turned[down, across]


def orientation(image: Image.Image) -> int:
    """1 to 8 (EXIF 2.3, tag 0x0112). Unreadable EXIF says nothing."""
    try:
        told = int(image.getexif().get(0x0112, 1))
    except Exception:
        return 1
    return told if 1 <= told <= 8 else 1


def _rgb(image: Image.Image) -> np.ndarray:
    from PIL import Image

    if image.mode.startswith("I"):
        return _high_byte(image)[..., None]
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _high_byte(image: Image.Image) -> np.ndarray:
    """16-bit grey to 8 bits. Pillow's own conversion clips at 255, which makes nearly every pixel white."""
    pixels = np.asarray(image)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise Refused("pixels of more than 16 bits")
    return (pixels >> 8).astype(np.uint8)
