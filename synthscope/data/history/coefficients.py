"""Histograms of DCT coefficients: combs and zeros that a quantisation leaves behind.

Coefficients quantised with step s stand near multiples of s, also after a finer quantisation (Popescu & Farid 2004,
"Statistical tools for digital forensics"; Lukas & Fridrich 2003). What the same picture shows on a grid shifted by
half a block, where no JPEG has quantised, is subtracted: it is content.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from scipy.fft import dctn

FREQUENCIES = ((0, 1), (1, 0), (1, 1), (2, 0), (0, 2), (1, 2), (2, 1), (2, 2))  # (row, column) in a block
STEPS = np.arange(1, 33)
FEWEST = 30  # coefficients beyond the zero bin below which a comb is not judged
_REACH, _FINE = 128, 8  # histogram of |coefficient| up to 128, in bins of an eighth


def coefficient_features(rgb: np.ndarray) -> dict[str, float]:
    """Combs and zeros of the luma of uint8 ``(8 m, 8 n, 3)`` pixels, on JPEG's grid less on a shifted one."""
    plane = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    on, off = block_dct(plane), block_dct(plane[4:-4, 4:-4])
    rows, columns = np.array(FREQUENCIES).T
    combs = comb(on[:, rows, columns]) - comb(off[:, rows, columns])
    found = {}
    for (row, column), strengths in zip(FREQUENCIES, combs, strict=True):
        found[f"comb of DCT coefficients ({row}, {column})"] = float(strengths[1:].max())
    for low, high in ((1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32)):
        name = f"DCT coefficients near multiples of {low}" + (f" to {high}" if high > low else "")
        found[name] = float(combs[:, low - 1 : high].max(1).mean())
    fine = np.add.outer(np.arange(8), np.arange(8)) > 8  # row + column
    found["zeros at high DCT frequencies"] = zeros(on[:, fine]) - zeros(off[:, fine])
    return found


def block_dct(plane: np.ndarray) -> np.ndarray:
    """float32 ``(8 m, 8 n)`` to the orthonormal DCT of its blocks ``(m n, 8, 8)``, JPEG's coefficients.

    >>> float(block_dct(np.ones((8, 8), np.float32))[0, 0, 0].round(3))
    8.0
    """
    blocks = plane.reshape(plane.shape[0] // 8, 8, plane.shape[1] // 8, 8).transpose(0, 2, 1, 3)
    return dctn(blocks, axes=(2, 3), norm="ortho").reshape(-1, 8, 8)


def comb(values: np.ndarray) -> np.ndarray:
    """How closely the columns of ``(n, k)`` keep to multiples of every step, float64 ``(k, len(STEPS))``: 1 = exactly.

    The mean of cos(2 pi x / step), which is the histogram's spectrum at that frequency, over values beyond half a step:
    the bin of zero is a multiple of every step. 0 where there are fewer than ``FEWEST`` of them.
    """
    cosines, counted = _combs()
    bins, k = _REACH * _FINE, values.shape[1]
    places = np.minimum(np.abs(values) * _FINE + 0.5, bins).astype(np.int64) + (bins + 1) * np.arange(k)
    histograms = np.bincount(places.ravel(), minlength=(bins + 1) * k).reshape(k, -1)[:, :-1].astype(np.float64)
    # einsum, not a product of matrices: BLAS would start threads inside the threads of the audit
    n = np.einsum("kb,sb->ks", histograms, counted)
    return np.where(n >= FEWEST, np.einsum("kb,sb->ks", histograms, cosines) / np.maximum(n, 1), 0.0)


def zeros(values: np.ndarray) -> float:
    """Share of small values, within 1.5, that round to zero: a third of evenly spread ones, all after coarse steps.

    >>> zeros(np.array([0.0, 0.2, 1.0, 1.2, 9.0]))
    0.5
    """
    small = np.abs(values) < 1.5
    return float((np.abs(values) < 0.5).sum() / max(small.sum(), 1))


@cache
def _combs() -> tuple[np.ndarray, np.ndarray]:
    """Cosines and whether a bin counts, float64 ``(len(STEPS), bins)``."""
    x, step = np.arange(_REACH * _FINE) / _FINE, STEPS[:, None]
    counted = (x > step / 2).astype(np.float64)
    return np.cos(2 * np.pi * x / step) * counted, counted
