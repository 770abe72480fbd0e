"""How a JPEG file was compressed, read from its header and said as the recipe step that does the same to pixels."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthscope.data.bombs import Refused
from synthscope.data.degrade.jpeg import PILLOW_SAMPLING, Jpeg, JpegTables
from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.images import open_file

Tables = tuple[tuple[int, ...], tuple[int, ...]]  # luma, chroma: 64 steps each, row by row
SAMPLING: dict[tuple[int, ...], str] = {
    (1, 1, 1, 1, 1, 1): "444",
    (2, 1, 1, 1, 1, 1): "422",
    (2, 2, 1, 1, 1, 1): "420",
}  # fmt: skip  (factors of Y, Cb and Cr, across and down)


class Compression(NamedTuple):
    """One compression, or why it cannot be repeated."""

    step: str | None  # such as "jpeg:q=96,subsampling=444"
    reason: str | None  # ends "left out: …"


def read_compression(path: str | Path) -> Compression:
    """What the header says. Decodes no pixels; never raises.

    >>> from tempfile import NamedTemporaryFile
    >>> from PIL import Image
    >>> with NamedTemporaryFile(suffix=".jpg") as file:
    ...     Image.new("RGB", (16, 16)).save(file.name, quality=90)
    ...     read_compression(file.name).step
    'jpeg:q=90'
    """
    from PIL import Image, UnidentifiedImageError
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        with open_file(path) as file, Image.open(file, formats=("JPEG",)) as image:
            if not isinstance(image, JpegImageFile):
                return Compression(None, "a JPEG of a kind that cannot be repeated")
            return _compression(image)
    except (OSError, Refused, UnidentifiedImageError, SyntaxError, ValueError):
        return Compression(None, "a JPEG header that cannot be read")


def write_jpeg(rgb: np.ndarray, step: str) -> bytes:
    """A JPEG file of uint8 ``(H, W, 3)`` pixels, compressed as :attr:`Compression.step` says."""
    from PIL import Image

    (parsed,) = parse_recipe(step).steps
    assert isinstance(parsed, Jpeg | JpegTables)
    how = {"qtables": parsed.lists} if isinstance(parsed, JpegTables) else {"quality": parsed.q}
    file = BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", subsampling=PILLOW_SAMPLING[parsed.subsampling], **how)
    return file.getvalue()


def _compression(image: object) -> Compression:
    from PIL.JpegImagePlugin import JpegImageFile

    assert isinstance(image, JpegImageFile)
    if image.mode != "RGB" or image.info.get("adobe_transform", 1) != 1:
        return Compression(None, "a JPEG in grey or in other colours than YCbCr")
    try:
        turned = 2 <= int(image.getexif().get(0x0112, 1)) <= 8
    except Exception:  # unreadable EXIF says nothing, as in decoding
        turned = False
    if turned:  # the grid of its blocks no longer starts in the corner
        return Compression(None, "a JPEG turned by its EXIF orientation")
    sampling = SAMPLING.get(tuple(factor for _, *factors, _ in image.layer for factor in factors))
    luma, *chroma = (tuple(image.quantization[number]) for *_, number in image.layer)
    if sampling is None or chroma[0] != chroma[1] or max(*luma, *chroma[0]) > 255:
        return Compression(None, "a JPEG of a kind that cannot be repeated")
    return Compression(_step((luma, chroma[0]), sampling), None)


def _step(tables: Tables, sampling: str) -> str:
    quality = _qualities().get(tables)
    if quality is not None:
        return str(parse_recipe(f"jpeg:q={quality},subsampling={sampling}"))
    text = urlsafe_b64encode(bytes((*tables[0], *tables[1]))).decode().rstrip("=")
    return str(parse_recipe(f"jpeg_tables:{text},subsampling={sampling}"))


@cache
def _qualities() -> dict[Tables, int]:
    """The tables that libjpeg writes -> quality."""
    from PIL import Image
    from PIL.JpegImagePlugin import JpegImageFile

    found = {}
    for quality in range(1, 101):
        file = BytesIO()
        Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            assert isinstance(image, JpegImageFile)
            found[tuple(image.quantization[0]), tuple(image.quantization[1])] = quality
    return found
