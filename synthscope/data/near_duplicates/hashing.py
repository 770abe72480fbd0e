"""Two perceptual hashes of 64 bits, which recompression and resizing leave nearly as they are.

pHash: which of the 8 x 8 lowest frequencies of a picture lie above their median (Zauner 2010, "Implementation and
benchmarking of perceptual image hash functions"). dHash: where the picture gets brighter from left to right, on a grid
of 9 x 8. Both as the package imagehash computes them. Pictures count as alike where both are near, because either alone
calls dark pictures of quite different things alike; ``benchmarks/near_duplicates.py`` measures how often.
"""

from __future__ import annotations

import numpy as np

SIDE = 32  # pixels of the thumbnail for pHash
LOW = 8  # frequencies along each axis
FLAT = 2.0  # grey levels; below it noise of compression decides the bits


def thumbnails(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 ``(32, 32)`` and ``(8, 9)``: uint8 ``(H, W, 3)`` pixels in grey, whatever their aspect (Lanczos)."""
    from PIL import Image

    grey = Image.fromarray(rgb).convert("L")
    sizes = (SIDE, SIDE), (LOW + 1, LOW)
    large, small = (np.asarray(grey.resize(size, Image.Resampling.LANCZOS)) for size in sizes)
    return large, small


def perceptual_hashes(large: np.ndarray, small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of some thumbnails, and which of them are flat.

    Args:
        large: uint8 ``(n, 32, 32)``.
        small: uint8 ``(n, 8, 9)``.

    Returns:
        uint64 ``(n, 2)``, pHash and dHash, the lowest frequency and the upper left in the highest bit; and bool
        ``(n,)``, true where half of the frequencies are within ``FLAT`` grey levels of their median, as of one colour
        or a plain gradient. Such pictures share most bits by nature, and the rest is noise: their hashes say nothing.
    """
    from scipy.fft import dct

    spectrum = dct(dct(large.astype(np.float64), axis=1), axis=2)[:, :LOW, :LOW].reshape(-1, LOW * LOW)
    median = np.median(spectrum, axis=1, keepdims=True)
    brighter = (small[:, :, 1:] > small[:, :, :-1]).reshape(-1, LOW * LOW)
    packed = [np.packbits(bits, axis=1).view(">u8")[:, 0] for bits in (spectrum > median, brighter)]
    spread = np.median(np.abs(spectrum - median), axis=1) / (2 * SIDE)  # scipy's scale over the orthonormal one
    return np.column_stack(packed).astype(np.uint64), spread < FLAT


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Bits in which uint64 ``(..., 2)`` hashes differ, int16: of the two kinds, the one that differs more.

    >>> distances(np.array([[5, 0], [7, 0]], np.uint64), np.array([4, 7], np.uint64)).tolist()
    [3, 3]
    """
    return np.bitwise_count(one ^ other).max(-1).astype(np.int16)
