"""Steps on colours, a pixel at a time: white balance, a profile that was lost."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthscope.data.degrade.step import Fixed, strips

Gain = Annotated[float, Field(ge=0.25, le=4, allow_inf_nan=False)]
# CIE xy of red, green, blue: IEC 61966-2-1; SMPTE EG 432-1; Adobe RGB (1998), 4.3.1. Their white is D65.
PRIMARIES = {
    "srgb": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    "display_p3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    "adobe_rgb": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)),
}
WHITE = (0.3127, 0.3290)
ADOBE_GAMMA = 563 / 256  # Adobe RGB (1998), 4.3.4
Floats = NDArray[np.float64]


class Balance(Fixed):
    """White balance that missed: red and blue light times a gain, green as it is."""

    op = "balance"
    ladder = tuple(f"red={1 + x:g},blue={1 - x:g}" for x in (0.05, 0.1, 0.2, 0.3, 0.5))
    red: Gain = 1.0
    blue: Gain = 1.0

    @property
    def reach(self) -> int:
        """None: a pixel depends on itself."""
        return 0

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        import cv2

        light = _light(np.arange(256) / 255)[:, None] * (self.red, 1.0, self.blue)
        table = np.rint(255 * _coded(np.clip(light, 0, 1))).astype(np.uint8)
        return cv2.LUT(rgb, table[None])


class Profile(Fixed):
    """A colour profile that was dropped: the image is converted to Display P3 or Adobe RGB, as cameras and editors
    store it, and its numbers are then taken for sRGB, which makes colours paler.
    """

    op = "profile"
    positional = "name"
    name: Literal["display_p3", "adobe_rgb"]

    @property
    def reach(self) -> int:
        """None: a pixel depends on itself."""
        return 0

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        import cv2

        light, matrix, coded = _conversion(self.name)
        result = np.empty_like(rgb, order="C")
        for rows in strips(rgb):
            converted = cv2.transform(cv2.LUT(rgb[rows], light), matrix)
            np.take(coded, converted.astype(np.uint16), out=result[rows], mode="clip")
        return result


@cache
def _conversion(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Code of sRGB to light, light to light with one for rounding, 16-bit light to code."""
    matrix = np.linalg.inv(_to_xyz(name)) @ _to_xyz("srgb") * 65535
    steps = np.arange(65536) / 65535
    coded = _coded(steps) if name == "display_p3" else steps ** (1 / ADOBE_GAMMA)
    light = _light(np.arange(256) / 255).astype(np.float32)
    return light, np.hstack([matrix, np.full((3, 1), 0.5)]), np.rint(255 * coded).astype(np.uint8)


def _to_xyz(name: str) -> Floats:
    """3 x 3: linear RGB to XYZ, so that white becomes ``WHITE`` of luminance 1."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in PRIMARIES[name]]).T
    white = np.array([WHITE[0] / WHITE[1], 1, (1 - sum(WHITE)) / WHITE[1]])
    return columns * np.linalg.solve(columns, white)


def _light(code: Floats) -> Floats:
    """sRGB's 0..1 to linear light."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def _coded(light: Floats) -> Floats:
    """Linear light to sRGB's 0..1."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
