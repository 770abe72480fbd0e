"""What a camera does to the picture on a display: a slanted view, and moiré of both grids of pixels."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthscope.data.degrade.step import Fixed, check_side, strips


class Perspective(Fixed):
    """A slanted view that shows nothing beside the picture: ``tilt`` of the height is cut off at both corners on the
    left and half of that fraction of the width at both on top, towards nothing at the lower right. The size stays.
    """

    op = "perspective"
    moves = True
    ladder = ("tilt=0.01", "tilt=0.02", "tilt=0.04", "tilt=0.07", "tilt=0.1")
    tilt: Annotated[float, Field(gt=0, le=0.3, allow_inf_nan=False)]

    def corners(self, height: int, width: int) -> NDArray[np.float32]:
        """``(4, 2)``: x and y in the picture of the corners of the result, clockwise from the upper left, in pixels."""
        t = self.tilt
        shown = ((t / 2, t), (1 - t / 2, 0), (1, 1), (0, 1 - t))
        return np.array(shown, np.float32) * np.array((width, height), np.float32)

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        import cv2

        check_side(rgb, 2**15 - 2, "a perspective")
        height, width = rgb.shape[:2]
        ends = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32)
        back = cv2.getPerspectiveTransform(ends, self.corners(height, width))
        centre = np.array(((1, 0, 0.5), (0, 1, 0.5), (0, 0, 1)))  # pixels are counted from the centre of the first
        back = np.linalg.inv(centre) @ back @ centre
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpPerspective(rgb, back, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


class Moire(Fixed):
    """Moiré of a display's pixels, ``pitch`` pixels of the camera wide and turned by ``angle`` degrees: columns of red,
    green and blue stripes, a third of a pitch apart, and gaps between the rows, each the first harmonic of its grating
    as the camera's pixels sample it. ``depth`` is the share of light that a grating takes and gives.
    """

    op = "moire"
    ladder = ("depth=0.02", "depth=0.04", "depth=0.08", "depth=0.15", "depth=0.3")
    depth: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    pitch: Annotated[float, Field(ge=0.2, le=50, allow_inf_nan=False)] = 1.1
    angle: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] = 3.0

    def apply(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = rgb.shape[:2]
        turn = np.radians(self.angle)
        across, down = (
            np.array(way) / self.pitch for way in ((np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn)))
        )
        stripes = [_wave(across, height, width, channel / 3) for channel in range(3)]
        gaps = _wave(down, height, width, 0)
        result = np.empty_like(rgb, order="C")
        for rows in strips(rgb):
            dark = 1 + self.depth * _of(gaps, rows)
            for channel, stripe in enumerate(stripes):
                light = (1 + self.depth * _of(stripe, rows)) * dark
                light *= rgb[rows, :, channel]
                result[rows, :, channel] = np.clip(np.rint(light, out=light), 0, 255, out=light)
        return result


Wave = tuple[NDArray[np.float32], NDArray[np.float32]]


def _wave(frequency: NDArray[np.float64], height: int, width: int, phase: float) -> Wave:
    """``(H, 2)`` and ``(2, W)`` whose product is a cosine wave: by the sum of angles, at two products a pixel.

    What is not within half a period a pixel is folded there, as the camera cannot tell it apart.
    """
    x, y = frequency - np.rint(frequency)
    rows, columns = 2 * np.pi * y * np.arange(height), 2 * np.pi * (x * np.arange(width) + phase)
    left = np.stack([np.cos(rows), -np.sin(rows)], axis=1).astype(np.float32)
    return left, np.stack([np.cos(columns), np.sin(columns)]).astype(np.float32)


def _of(wave: Wave, rows: slice) -> NDArray[np.float32]:
    return wave[0][rows] @ wave[1]
