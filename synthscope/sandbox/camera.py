"""A digital camera after the lens: optical blur, Bayer mosaic, noise, demosaicing, tone curve, sharpening, 8 bits."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

_FULL = 16383  # 14-bit converter
_BLACK = 0.02  # offset, so that noise in the dark is not cut off
_SCALE = _FULL / 1.2


def photograph(light: np.ndarray, rng: Generator) -> np.ndarray:
    """Take a picture with a random exposure, sensitivity and lens.

    Every other camera has twice the pixels along a side and scales its pictures down, as most photographs on the web
    are: the mosaic is hidden and the noise is finer, so that "no mosaic" alone does not mean "no camera".

    Args:
        light: float32 ``(H, W, 3)`` linear light in [0, 1], H and W even.
        rng: Source of the noise and of the camera's settings.

    Returns:
        uint8 ``(H, W, 3)`` sRGB.
    """
    size, exposure = light.shape[1::-1], np.float32(np.exp(rng.uniform(-0.1, 0.1)))
    if scaled := rng.random() < 0.5:
        light = cv2.resize(light, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    display = _develop(cv2.GaussianBlur(light * exposure, (0, 0), rng.uniform(0.25, 0.5)), rng)
    if scaled:
        display = cv2.resize(display, size, interpolation=cv2.INTER_AREA)
    sharp = display + rng.uniform(0.1, 0.9) * (display - cv2.GaussianBlur(display, (0, 0), 1.0))
    return to_bytes(sharp)


def _develop(light: np.ndarray, rng: Generator) -> np.ndarray:
    """Expose the sensor through its colour filters, read it, interpolate the missing colours, apply the tone curve."""
    shot, read = np.exp(rng.uniform(np.log(1e-4), np.log(1.5e-3))), rng.uniform(1e-3, 3e-3)
    gains = np.array([rng.uniform(1.6, 2.0), 1, rng.uniform(1.4, 1.8)], np.float32)  # it sees little red and blue
    raw = _mosaic(light / gains)
    raw = raw + np.sqrt(shot * np.maximum(raw, 0) + read**2, dtype=np.float32) * rng.standard_normal(
        raw.shape, np.float32
    )
    digital = np.clip(np.round((raw + _BLACK) * _SCALE), 0, _FULL).astype(np.uint16)
    return to_display(
        (cv2.cvtColor(digital, cv2.COLOR_BayerRGGB2RGB) / np.float32(_SCALE) - np.float32(_BLACK)) * gains
    )


def to_display(light: np.ndarray) -> np.ndarray:
    """Linear light to sRGB values in [0, 1] (IEC 61966-2-1), float32.

    >>> [round(float(x), 4) for x in to_display(np.array([0.0, 0.002, 0.2, 1.0], np.float32))]
    [0.0, 0.0258, 0.4845, 1.0]
    """
    clipped = np.clip(light, 0, 1)
    return np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * np.power(clipped, np.float32(1 / 2.4)) - 0.055)


def to_bytes(display: np.ndarray) -> np.ndarray:
    """Values in [0, 1] to uint8, rounded to nearest."""
    return np.clip(np.round(display * 255), 0, 255).astype(np.uint8)


def encode(rgb: np.ndarray, quality: int | None) -> bytes:
    """The bytes of a JPEG file of ``quality`` with 4:2:0 chroma, or of a PNG file where that is None."""
    bgr = rgb[..., ::-1]
    if quality is None:
        return cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes()
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _mosaic(light: np.ndarray) -> np.ndarray:
    """One channel a pixel, RGGB."""
    raw = light[..., 1].copy()
    raw[0::2, 0::2] = light[0::2, 0::2, 0]
    raw[1::2, 1::2] = light[1::2, 1::2, 2]
    return raw
