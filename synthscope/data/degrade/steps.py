"""The image operations that a degradation recipe can name, each a small frozen set of parameters.

They turn uint8 RGB pixels into uint8 RGB pixels. Nothing here is random but ``noise``. Third parties add operations
through the entry point group ``synthscope.degradation``.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from io import BytesIO
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from synthscope.data.degrade.step import DEGRADATIONS, Fixed, Step
from synthscope.data.degrade.windows import GRID
from synthscope.data.images import MAX_MEGAPIXELS
from synthscope.errors import SynthscopeError, UnreadableImageError


def _quantisation(tables: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{171}", tables) or 0 in urlsafe_b64decode(f"{tables}="):
        raise ValueError("128 steps of 1 to 255 as 171 letters of base64")
    return tables


Kernel = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]  # Pillow's; all but nearest are antialiased
Side = Annotated[int, Field(ge=1, le=8192)]
Quality = Annotated[int, Field(ge=1, le=100)]
Subsampling = Literal["420", "422", "444"]
_STRIP = 512  # columns blurred at a time: the rows that the kernel spans stay in the cache
PILLOW_SAMPLING = {"444": 0, "422": 1, "420": 2}  # as Image.save counts it
Tables = Annotated[str, AfterValidator(_quantisation)]
Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Sigma = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


@DEGRADATIONS.add("lr")
class LowResolution(Fixed):
    """Square resize to ``size`` x ``size`` pixels; ``reupsample`` returns to the original size."""

    op = "lr"
    positional = "size"
    ladder = ("224", "160", "112", "64", "32")
    size: Side
    kernel: Kernel = "bicubic"
    reupsample: bool = False

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        small = _resize(rgb, self.size, self.size, self.kernel)
        return _resize(small, rgb.shape[0], rgb.shape[1], self.kernel) if self.reupsample else small

    def shape_after(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the step."""
        return (height, width) if self.reupsample else (self.size, self.size)


@DEGRADATIONS.add("resize")
class Resize(Fixed):
    """Resize by a factor, or so that the short side has ``size`` pixels, or the long side at most ``long``: what is no
    longer than that stays as it is. The aspect ratio stays.
    """

    op = "resize"
    ladder = ("scale=0.75", "scale=0.5", "scale=0.35", "scale=0.25", "scale=0.125")
    scale: Annotated[float, Field(gt=0, le=8, allow_inf_nan=False)] | None = None
    size: Side | None = None
    long: Side | None = None
    interp: Kernel = "bicubic"

    def model_post_init(self, context: object) -> None:
        if [self.scale, self.size, self.long].count(None) != 2:
            raise SynthscopeError("one of scale, size and long")

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _resize(rgb, *self.shape_after(rgb.shape[0], rgb.shape[1]), self.interp)

    def shape_after(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the step."""
        if self.scale is not None:
            factor = self.scale
        elif self.size is not None:
            factor = self.size / min(height, width)
        else:
            factor = min(1.0, (self.long or 0) / max(height, width))
        return max(1, round(height * factor)), max(1, round(width * factor))


@DEGRADATIONS.add("crop")
class Crop(Fixed):
    """Centre crop to a fraction of each side, or to ``size`` pixels a side; a shorter side is kept as it is.

    ``grid`` moves the corner up and left to a multiple of that many pixels, so that a JPEG block grid survives;
    ``offset`` then moves it down and right by so many, as far as there is room, so that it surely does not.
    """

    op = "crop"
    ladder = ("frac=0.9", "frac=0.8", "frac=0.7", "frac=0.6", "frac=0.5")
    frac: Fraction | None = None
    size: Side | None = None
    grid: Side = 1
    offset: Annotated[int, Field(ge=0, le=8192)] = 0

    def model_post_init(self, context: object) -> None:
        if (self.frac is None) == (self.size is None):
            raise SynthscopeError("one of frac and size")

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        rows, columns = (self._kept(side) for side in rgb.shape[:2])
        return np.ascontiguousarray(rgb[rows, columns])

    def shape_after(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the step."""
        rows, columns = self._kept(height), self._kept(width)
        return rows.stop - rows.start, columns.stop - columns.start

    def _kept(self, side: int) -> slice:
        kept = min(side, self.size) if self.size is not None else max(1, round(side * (self.frac or 1)))
        start = min((side - kept) // 2 // self.grid * self.grid + self.offset, side - kept)
        return slice(start, start + kept)


@DEGRADATIONS.add("blur")
class Blur(Fixed):
    """Gaussian blur, ``sigma`` in pixels of the image it meets; kernel radius 4 sigma, mirrored borders."""

    op = "blur"
    ladder = ("sigma=0.5", "sigma=1", "sigma=2", "sigma=3", "sigma=5")
    sigma: Sigma

    @property
    def reach(self) -> int:
        """The radius of the kernel."""
        return int(np.ceil(4 * self.sigma))

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        import cv2

        # A float kernel: GaussianBlur on uint8 rounds the kernel to fixed point and is two grey levels off.
        kernel = cv2.getGaussianKernel(2 * self.reach + 1, self.sigma, cv2.CV_32F)
        result, width = np.empty_like(rgb, order="C"), rgb.shape[1]
        for left in range(0, width, _STRIP):
            right = min(width, left + _STRIP)
            first = max(0, left - self.reach)
            strip = cv2.sepFilter2D(
                rgb[:, first : right + self.reach], -1, kernel, kernel, borderType=cv2.BORDER_REFLECT
            )
            result[:, left:right] = strip[:, left - first : right - first]
        return result


@DEGRADATIONS.add("noise")
class Noise(Step):
    """Independent Gaussian noise on every channel, ``sigma`` in grey levels of 0..255."""

    op = "noise"
    ladder = ("sigma=2", "sigma=4", "sigma=8", "sigma=16", "sigma=32")
    sigma: Sigma

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        result = np.empty_like(rgb)
        rows = max(1, 2**20 // rgb.shape[1])
        for top in range(0, rgb.shape[0], rows):  # the same numbers as all at once, without their memory
            part = rgb[top : top + rows]
            noisy = rng.standard_normal(part.shape, dtype=np.float32)
            noisy *= self.sigma
            noisy += part
            result[top : top + rows] = np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy)
        return result


@DEGRADATIONS.add("jpeg")
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
        import cv2

        _check_side(rgb, 65500, "JPEG")
        factor = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{self.subsampling}")
        options = [cv2.IMWRITE_JPEG_QUALITY, self.q, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
        _, file = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
        decoded = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)
        assert decoded is not None
        return decoded


@DEGRADATIONS.add("jpeg_tables")
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

        _check_side(rgb, 65500, "JPEG")
        file = BytesIO()
        Image.fromarray(rgb).save(file, "JPEG", qtables=self.lists, subsampling=PILLOW_SAMPLING[self.subsampling])
        with Image.open(file) as image:
            return np.array(image)


@DEGRADATIONS.add("webp")
class Webp(Fixed):
    """Lossy WebP round trip with Pillow's defaults."""

    op = "webp"
    ladder = ("q=90", "q=75", "q=50", "q=30", "q=15")
    q: Quality

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        from PIL import Image

        _check_side(rgb, 16383, "WebP")
        file = BytesIO()
        Image.fromarray(rgb).save(file, "WEBP", quality=self.q)
        with Image.open(file) as image:
            return np.array(image.convert("RGB"))


def _check_side(rgb: np.ndarray, limit: int, name: str) -> None:
    if max(rgb.shape[:2]) > limit:
        size = f"{rgb.shape[1]}x{rgb.shape[0]}"
        raise UnreadableImageError(f"Expected sides of at most {limit} pixels for {name}, got {size}. Crop the image.")


def _resize(rgb: np.ndarray, height: int, width: int, kernel: str) -> np.ndarray:
    from PIL import Image

    if height * width > MAX_MEGAPIXELS * 1e6:  # a thin strip grows without bounds when its short side is enlarged
        raise UnreadableImageError(
            f"Expected at most {MAX_MEGAPIXELS} megapixels after resizing, got {width}x{height}. Leave the image out."
        )
    image = Image.fromarray(rgb).resize((width, height), Image.Resampling[kernel.upper()])
    return np.array(image)
