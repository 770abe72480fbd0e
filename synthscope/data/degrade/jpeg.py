"""JPEG round trips: by quality, by tables, below a size of the file, and over again."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from io import BytesIO
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from synthscope.data.degrade.step import Fixed, check_side
from synthscope.data.degrade.windows import GRID
from synthscope.errors import UnreadableImageError


def _quantisation(tables: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{171}", tables) or 0 in urlsafe_b64decode(f"{tables}="):
        raise ValueError("128 steps of 1 to 255 as 171 letters of base64")
    return tables


Quality = Annotated[int, Field(ge=1, le=100)]
Subsampling = Literal["420", "422", "444"]
Tables = Annotated[str, AfterValidator(_quantisation)]
PILLOW_SAMPLING = {"444": 0, "422": 1, "420": 2}  # as Image.save counts it
_LONGEST = 65500  # pixels; libjpeg holds no more


class Jpeg(Fixed):
    """JPEG round trip (libjpeg-turbo, the pixels that Pillow gives); ``subsampling`` of chroma is 420, 422 or 444."""

    op = "jpeg"
    ladder = ("q=90", "q=75", "q=50", "q=30", "q=15")
    q: Quality
    subsampling: Subsampling = "420"

    @property
    def reach(self) -> int:
        """The next block."""
        return GRID

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        check_side(rgb, _LONGEST, "JPEG")
        return _decoded(_encoded(_reversed(rgb), self.q, self.subsampling))


class JpegBelow(Fixed):
    """JPEG round trip at the best quality, ``q`` at most, whose file has no more than ``kib`` KiB, as gateways with a
    limit of bytes send images; an image that is too large at quality 1 is an error.
    """

    op = "jpeg_below"
    ladder = ("kib=300", "kib=150", "kib=75", "kib=40", "kib=20")
    kib: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]
    q: Quality = 95
    subsampling: Subsampling = "420"

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        check_side(rgb, _LONGEST, "JPEG")
        bgr, limit = _reversed(rgb), self.kib * 1024
        best, low, high = _encoded(bgr, self.q, self.subsampling), 1, self.q - 1
        if best.size <= limit:
            return _decoded(best)
        while low <= high:  # files grow with the quality
            middle = (low + high) // 2
            file = _encoded(bgr, middle, self.subsampling)
            if file.size <= limit or middle == 1:
                best, low = file, middle + 1
            else:
                high = middle - 1
        if best.size > limit:
            raise UnreadableImageError(
                f"Expected a JPEG file of at most {self.kib:g} KiB, got {best.size / 1024:.1f} KiB at quality 1. "
                "Resize the image first."
            )
        return _decoded(best)


class RepeatedJpeg(Fixed):
    """``times`` JPEG round trips of one quality, one after the other. Before each further one the block grid moves by
    ``shift`` pixels down and right, as after a crop; the image keeps its size.
    """

    op = "rejpeg"
    ladder = tuple(f"q={q},times={times},shift=3" for q, times in ((90, 2), (80, 3), (70, 4), (60, 6), (50, 8)))
    q: Quality
    times: Annotated[int, Field(ge=1, le=100)]
    shift: Annotated[int, Field(ge=0, lt=GRID)] = 0
    subsampling: Subsampling = "420"

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        import cv2

        check_side(rgb, _LONGEST - GRID, "repeated JPEG")
        bgr = _reversed(rgb)
        for time in range(self.times):
            edge = -time * self.shift % GRID
            wider = cv2.copyMakeBorder(bgr, edge, 0, edge, 0, cv2.BORDER_REPLICATE)
            bgr = _decoded(_encoded(wider, self.q, self.subsampling), rgb=False)[edge:, edge:]
        return _reversed(bgr)


class JpegTables(Fixed):
    """JPEG round trip with the quantisation tables of some file: 64 bytes of luma and 64 of chroma in row-major order,
    as base64 for URLs. What ``jpeg`` cannot say: cameras and editors have tables of their own.
    """

    op = "jpeg_tables"
    positional = "tables"
    tables: Tables
    subsampling: Subsampling = "420"

    @property
    def reach(self) -> int:
        """The next block."""
        return GRID

    @property
    def lists(self) -> list[list[int]]:
        """Steps of luma and of chroma, 64 each."""
        steps = list(urlsafe_b64decode(f"{self.tables}="))
        return [steps[:64], steps[64:]]

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        from PIL import Image

        check_side(rgb, _LONGEST, "JPEG")
        file = BytesIO()
        Image.fromarray(rgb).save(file, "JPEG", qtables=self.lists, subsampling=PILLOW_SAMPLING[self.subsampling])
        with Image.open(file) as image:
            return np.array(image)


def _reversed(pixels: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)


def _encoded(bgr: np.ndarray, q: int, subsampling: str) -> np.ndarray:
    import cv2

    factor = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{subsampling}")
    options = [cv2.IMWRITE_JPEG_QUALITY, q, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
    return cv2.imencode(".jpg", bgr, options)[1]


def _decoded(file: np.ndarray, *, rgb: bool = True) -> np.ndarray:
    import cv2

    pixels = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB if rgb else cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels
