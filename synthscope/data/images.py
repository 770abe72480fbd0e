"""Decode image files that may be hostile, once, to plain RGB pixels; measure their headers; serve manifest rows.

Only raster formats decoded inside Pillow are opened (nothing that starts another program), after a look at the size;
``plain`` says which of these files a faster decoder may read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from synthscope.data.bombs import Refused, check_content, check_structure
from synthscope.data.decode import to_rgb
from synthscope.data.in_work import BYTES, claim, image_task
from synthscope.data.jpeg_quality import estimate_quality
from synthscope.data.plain import plain_rgb
from synthscope.data.remote.permission import allow
from synthscope.data.remote.place import is_elsewhere
from synthscope.data.remote.reading import open_elsewhere
from synthscope.errors import UnreadableImageError
from synthscope.runtime.threads import in_threads
from synthscope.runtime.told import reading

if TYPE_CHECKING:
    from PIL import Image

MAX_MEGAPIXELS = 100.0
MAX_BYTES = 2**29  # 100 megapixels of 8-bit RGBA without compression are 0.4e9
MAX_BESIDE = 2**26  # bytes beside the pixels, of which none needs more than 8: metadata, other frames, a video
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
FACTS = ("width", "height", "format", "jpeg_quality", "bytes", "sha256", "error")  # columns that measure() fills
_LARGE = 2**22  # bytes of a file whose header is looked at before it is read
_WAITING = 16  # headers elsewhere that are waited for at a time


def read_file(path: str | Path, sha256: str | None = None) -> tuple[bytes, str]:
    """The bytes of a file and their SHA-256 in hexadecimal digits.

    Args:
        path: Of the file, as manifests have it: also a URL that ``data.remote.permission`` allows, or a place in a
            shard.
        sha256: What it must be, if that is known.

    Raises:
        UnreadableImageError: Missing, empty, larger than ``MAX_BYTES``, not a regular file, another ``sha256``, or a
            server that does not answer.
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
    about = name if isinstance(source, bytes) else source
    try:
        with reading(about), image_task():
            data = source if isinstance(source, bytes) else _read(source)
            with opened(data, max_megapixels) as image:
                pixels = plain_rgb(data, image)
                return to_rgb(image) if pixels is None else pixels
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise _unreadable(about, error) from error


@contextmanager
def opened(source: str | Path | bytes | BinaryIO, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[Image.Image]:
    """An image of which the header is read, within the bounds of size and structure; of bytes, ready to be decoded.

    Raises:
        Refused: Out of bounds. Readers raise nearly anything else.
    """
    from PIL import Image

    if isinstance(source, bytes):
        given: BinaryIO = BytesIO(source)
    else:
        given = open_file(source) if isinstance(source, str | Path) else source
    with nullcontext(given) if given is source else given as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        check_structure(file, max_megapixels)
        with Image.open(file, formats=FORMATS) as image:
            if _megapixels(image) > max_megapixels:
                raise Refused(f"{image.width} x {image.height} pixels, more than {max_megapixels:g} megapixels")
            if size > MAX_BESIDE + 8 * image.width * image.height:
                raise Refused(f"{size} bytes for {image.width} x {image.height} pixels")
            if isinstance(source, bytes):
                check_content(source, _megapixels(image))
                claim(_megapixels(image))
            yield image


def open_file(path: str | Path) -> BinaryIO:
    """A file of at least one and at most ``MAX_BYTES`` bytes, here or elsewhere; nothing that would hang.

    Raises:
        Refused: Another file; ``OSError`` where there is none.
    """
    if is_elsewhere(path):
        file = open_elsewhere(str(path))
        _check_size(file.seek(0, os.SEEK_END))
        file.seek(0)
        return file
    status = os.stat(path)  # noqa: PTH116  (a tenth of the time of an index goes into making the Path)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("something that is not a regular file")  # opening a pipe would hang
    _check_size(status.st_size)
    return open(path, "rb")  # noqa: PTH123  (as above)


def _check_size(size: int) -> None:
    if size == 0:
        raise Refused("an empty file")
    if size > MAX_BYTES:
        raise Refused(f"{size} bytes, more than {MAX_BYTES}")


@image_task()
def measure(path: str, *, decode: bool = False) -> tuple[int | str | None, ...]:
    """What a manifest says about a file, in the order of ``FACTS``; never raises, the last one is what is wrong.

    Args:
        path: The file.
        decode: Read the whole file: hash it, and find damage behind the header.
    """
    width, height, container, quality, size, sha256, error = (None,) * 7
    try:
        data = _read(path) if decode else b""
        sha256 = hashlib.sha256(data).hexdigest() if decode else None
        with BytesIO(data) if decode else open_file(path) as file:
            size = file.seek(0, os.SEEK_END)
            with reading(path), opened(data if decode else file) as image:
                width, height, container = image.width, image.height, image.format
                tables = getattr(image, "quantization", None)
                quality = estimate_quality(tables[0]) if tables and 0 in tables else None
                if decode:
                    to_rgb(image)
    except Exception as problem:
        error = _reason(problem)
    return width, height, container, quality, size, sha256, error


def measure_headers(paths: list[str], allowed: tuple[str, ...] = ()) -> list[tuple[int | str | None, ...]]:
    """:func:`measure` of many files, for a worker process, which may read the URLs that are ``allowed``."""
    if allowed:
        allow(*allowed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow mutters about odd files is in the error column where it matters
        if any(map(is_elsewhere, paths)):
            return list(in_threads(measure, paths, _WAITING))
        return [measure(path) for path in paths]


def _read(path: str | Path) -> bytes:
    """A whole file; of a large one the header first, and memory for the file and its pixels."""
    with open_file(path) as file:
        size = file.seek(0, os.SEEK_END)
        if size > _LARGE:
            with reading(path), opened(file) as image:
                claim(_megapixels(image) + size / BYTES)
        file.seek(0)
        return file.read()


def _megapixels(image: Image.Image) -> float:
    return image.width * image.height / 1e6


def _reason(error: BaseException) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return f"no readable {', '.join(FORMATS[:-1])} or {FORMATS[-1]} header"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = "".join(c if c.isprintable() else " " for c in str(error))[:200]
    return f"a damaged image ({type(error).__name__}: {text})"


def _unreadable(source: str | Path, error: Exception) -> UnreadableImageError:
    advice = (error if isinstance(error, Refused) else Refused).advice
    return UnreadableImageError(f"Expected an image in {source}, got {_reason(error)}. {advice}")
