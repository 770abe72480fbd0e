"""Decode image files that may be hostile, once, to plain RGB pixels; measure their headers; serve manifest rows.

Only raster formats decoded inside Pillow are opened (nothing that starts another program), after a look at the size.
"""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthscope.data.jpeg_quality import estimate_quality
from synthscope.errors import UnreadableImageError

if TYPE_CHECKING:
    from PIL import Image

MAX_MEGAPIXELS = 100.0
MAX_BYTES = 2**30  # 100 megapixels of 16-bit RGBA without compression are 0.8e9
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
FACTS = ("width", "height", "format", "jpeg_quality", "bytes", "sha256", "error")  # columns that measure() fills


class _Refused(Exception):
    """What is wrong with a file, as the end of "Expected an image, got …"."""


def read_file(path: str | Path, sha256: str | None = None) -> tuple[bytes, str]:
    """The bytes of a file and their SHA-256 in hexadecimal digits.

    Args:
        path: Of the file.
        sha256: What it must be, if that is known.

    Raises:
        UnreadableImageError: Missing, empty, larger than ``MAX_BYTES``, not a regular file, or another ``sha256``.
    """
    try:
        data = _read(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    found = hashlib.sha256(data).hexdigest()
    if sha256 not in (None, found):
        raise UnreadableImageError(f"Expected a file of sha256 {sha256}, got {found}. Verify the manifest again.")
    return data, found


def read_rgb(
    source: str | Path | bytes, max_megapixels: float = MAX_MEGAPIXELS, *, name: str | Path = "the given bytes"
) -> np.ndarray:
    """Decode one image.

    The EXIF orientation is applied. Transparent pixels are composited onto white, as viewers show them; the colour
    stored under them is arbitrary. 16-bit channels keep their high byte. Of an animation, the first frame.

    Args:
        source: A path, or the bytes of a file.
        max_megapixels: Refuse larger images before decoding them. Pillow's own limit of 179 megapixels stands.
        name: What errors call the bytes.

    Returns:
        uint8 ``(H, W, 3)`` RGB, C-contiguous and writable.

    Raises:
        UnreadableImageError: Missing, empty, truncated, too large or not an image; names the file.
    """
    try:
        data = source if isinstance(source, bytes) else _read(source)
        with _open(BytesIO(data), max_megapixels) as image:
            return _to_rgb(image)
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise _unreadable(name if isinstance(source, bytes) else source, error) from error


def measure(path: str, *, decode: bool = False) -> tuple[int | str | None, ...]:
    """What a manifest says about a file, in the order of ``FACTS``; never raises, the last one is what is wrong.

    Args:
        path: The file.
        decode: Read the whole file: hash it, and find damage behind the header.
    """
    width, height, container, quality, size, sha256, error = (None,) * 7
    try:
        size = _size(path)
        data = _read(path) if decode else b""
        sha256 = hashlib.sha256(data).hexdigest() if decode else None
        with _open(BytesIO(data) if decode else path, MAX_MEGAPIXELS) as image:
            width, height, container = image.width, image.height, image.format
            tables = getattr(image, "quantization", None)
            quality = estimate_quality(tables[0]) if tables and 0 in tables else None
            if decode:
                _to_rgb(image)
    except Exception as problem:
        error = _reason(problem)
    return width, height, container, quality, size, sha256, error


def measure_headers(paths: list[str]) -> list[tuple[int | str | None, ...]]:
    """:func:`measure` of many files, for a worker process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow mutters about odd files is in the error column where it matters
        return [measure(path) for path in paths]


def _size(path: str | Path) -> int:
    status = os.stat(path)  # noqa: PTH116  (a tenth of the time of an index goes into making the Path)
    if not stat.S_ISREG(status.st_mode):
        raise _Refused("something that is not a regular file")  # opening a pipe would hang
    if status.st_size == 0:
        raise _Refused("an empty file")
    if status.st_size > MAX_BYTES:
        raise _Refused(f"{status.st_size} bytes, more than {MAX_BYTES}")
    return status.st_size


def _read(path: str | Path) -> bytes:
    _size(path)
    return Path(path).read_bytes()


def _open(source: str | BytesIO, max_megapixels: float) -> Image.Image:
    from PIL import Image

    image = Image.open(source, formats=FORMATS)
    if image.width * image.height > max_megapixels * 1e6:
        image.close()
        raise _Refused(f"{image.width} x {image.height} pixels, more than {max_megapixels:g} megapixels")
    return image


def _to_rgb(image: Image.Image) -> np.ndarray:
    from PIL import Image

    image.load()
    orientation = _orientation(image)
    if image.mode.startswith("I"):
        image = _high_byte(image)
    if image.mode == "F":
        raise _Refused("floating-point pixels")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    image = image.convert("RGB")
    if orientation is not None:
        image = image.transpose(orientation)
    return np.array(image)


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """What to do to show the image upright (EXIF 2.3, tag 0x0112). Unreadable EXIF says nothing."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        return turns.get(int(image.getexif().get(0x0112, 1)))
    except Exception:
        return None


def _high_byte(image: Image.Image) -> Image.Image:
    """16-bit grey to 8 bits. Pillow's own conversion clips at 255, which makes nearly every pixel white."""
    from PIL import Image

    pixels = np.asarray(image)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise _Refused("pixels of more than 16 bits")
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def _reason(error: BaseException) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, _Refused):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return f"no readable {', '.join(FORMATS[:-1])} or {FORMATS[-1]} header"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = "".join(c if c.isprintable() else " " for c in str(error))[:200]
    return f"a damaged image ({type(error).__name__}: {text})"


def _unreadable(source: str | Path, error: Exception) -> UnreadableImageError:
    return UnreadableImageError(f"Expected an image in {source}, got {_reason(error)}. Replace or remove it.")
