"""A perceptual hash of 64 bits: which low frequencies of a picture lie above their median (pHash).

As Zauner 2010, "Implementation and benchmarking of perceptual image hash functions", and the package imagehash compute
it: the picture in grey on 32 x 32 pixels, its DCT, the 8 x 8 lowest coefficients. Recompression and resizing leave
these nearly as they are. ``benchmarks/near_duplicates.py`` measures how nearly.
"""

from __future__ import annotations

import numpy as np

SIDE = 32  # pixels of the thumbnail
LOW = 8  # frequencies along each axis
FLAT = 2.0  # grey levels; below it noise of compression decides the bits


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """uint8 ``(32, 32)``: uint8 ``(H, W, 3)`` pixels in grey, whatever their aspect, filtered by Lanczos' kernel."""
    from PIL import Image

    grey = Image.fromarray(rgb).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(grey)


def perceptual_hashes(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of some thumbnails, and which of them are flat.

    Args:
        thumbnails: uint8 ``(n, 32, 32)``.

    Returns:
        uint64 ``(n,)``, the lowest frequency in the highest bit; and bool ``(n,)``, true where half of the coefficients
        are within ``FLAT`` grey levels of their median, as of one colour or a plain gradient. Flat pictures share most
        of their bits by nature, and the rest is noise: their hashes say nothing.
    """
    from scipy.fft import dct

    spectrum = dct(dct(thumbnails.astype(np.float64), axis=1), axis=2)[:, :LOW, :LOW].reshape(-1, LOW * LOW)
    median = np.median(spectrum, axis=1, keepdims=True)
    hashes = np.packbits(spectrum > median, axis=1).view(">u8")[:, 0].astype(np.uint64)
    spread = np.median(np.abs(spectrum - median), axis=1) / (2 * SIDE)  # scipy's scale over the orthonormal one
    return hashes, spread < FLAT


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Bits in which uint64 hashes differ, int16.

    >>> distances(np.array([5, 7], np.uint64), np.uint64(4)).tolist()
    [1, 2]
    """
    return np.bitwise_count(one ^ other).astype(np.int16)
