"""How damaged an image is: the share that people marked as artifact, and NIQE, its distance from natural statistics.

NIQE is Mittal, Soundararajan and Bovik, "Making a completely blind image quality analyzer", IEEE SPL 20(3), 2013.
The authors' fitted model is not included: fit one on photographs of your own data (:meth:`NiqeModel.fit`). Values of
two models cannot be compared.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma

from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime import whole_file

Floats = NDArray[np.float64]
PATCH, SMALLEST_PATCH = 96, 16  # pixels; the paper's, and what leaves 64 coefficients at the second scale
SHARP = 0.75  # of the sharpest patch of a photograph; its softer patches say little about sharp ones
FEATURES = 36  # 18 at each of two scales
FLAT = 1e-8  # local variance in grey levels² that is rounding
HALF = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256  # bicubic, a = -0.5, widened to half the size


def par(mask: ArrayLike) -> float:
    """Perceptual artifact ratio: the share of the pixels of an image that lie in annotated regions (X-AIGD, Fig. 3).

    Args:
        mask: ``(H, W)``, not 0 inside the union of the regions.

    Raises:
        SynthscopeError: Another shape, or no pixel.

    >>> par([[1, 0], [0, 0]])
    0.25
    """
    m = np.asarray(mask)
    if m.ndim != 2 or not m.size:
        raise SynthscopeError(f"Expected a mask (H, W) with pixels, got {m.shape}. Draw the mask at the image's size.")
    return float(np.count_nonzero(m) / m.size)


def patch_for(side: float) -> int:
    """Side in pixels of NIQE's patches for images whose shorter side is ``side``: 96, or less to have 4 x 4 of them.

    >>> patch_for(1024), patch_for(96), patch_for(50)
    (96, 24, 16)
    """
    return max(min(PATCH, int(side) // 8 * 2), SMALLEST_PATCH)


def niqe_features(rgb: NDArray[np.uint8], *, patch: int = PATCH, released: bool = False) -> tuple[Floats, Floats]:
    """Natural scene statistics of the patches of an image (section II).

    Contrast-normalised luminance and products of its neighbours (right, below, and both diagonals) are described by
    (asymmetric) generalised Gaussians, moments matched, at full and at half size: at each scale the shape and scale of
    the coefficients, then shape, mean, left and right scale of each product. Pixels beyond whole patches are left out.

    Args:
        rgb: uint8 ``(H, W, 3)``.
        patch: Side of the patches at full size, even.
        released: As the authors' MATLAB code does it: products wrap around within patches, and the coefficients too
            are described by an asymmetric Gaussian, by its shape and its mean scale.

    Returns:
        float64 ``(n, 36)``, NaN in a patch without contrast, and ``(n,)`` mean local contrast, the sharpness.

    Raises:
        SynthscopeError: Pixels of another shape or type.
        UsageError: A patch that is odd or below 16 pixels.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise SynthscopeError(f"Expected uint8 (H, W, 3) pixels, got {rgb.dtype} {rgb.shape}. Convert to RGB.")
    if patch % 2 or patch < SMALLEST_PATCH:
        raise UsageError(f"Expected an even patch of 16 pixels or more, got {patch}. Use patch_for(side).")
    height, width = (length // patch * patch for length in rgb.shape[:2])
    if not height or not width:
        return np.empty((0, FEATURES)), np.empty(0)
    grey = cv2.cvtColor(np.ascontiguousarray(rgb[:height, :width]), cv2.COLOR_RGB2GRAY).astype(np.float64)
    normalised, deviation = _normalise(grey)
    sharpness = _patches(deviation, patch).mean(axis=(1, 2))
    smaller = np.asarray(
        cv2.sepFilter2D(grey, -1, HALF, HALF, anchor=(3, 3), borderType=cv2.BORDER_REFLECT), np.float64
    )
    scales = _patches(normalised, patch), _patches(_normalise(smaller[::2, ::2])[0], patch // 2)
    return np.concatenate([_describe(x, released) for x in scales], axis=1), sharpness


@dataclass(frozen=True)
class NiqeModel:
    """A multivariate Gaussian of the features of sharp patches of natural photographs."""

    mean: Floats  # (36,)
    covariance: Floats  # (36, 36)
    patch: int  # side in pixels
    images: int  # photographs it was fitted on
    patches: int
    released: bool = False

    @classmethod
    def fit(cls, images: Iterable[NDArray[np.uint8]], *, patch: int = PATCH, released: bool = False) -> NiqeModel:
        """Fit on the patches of photographs whose sharpness exceeds 0.75 of the sharpest one of their image.

        Args:
            images: uint8 ``(H, W, 3)`` each; one at a time is held in memory.
            patch: See :func:`niqe_features`.
            released: See :func:`niqe_features`.

        Raises:
            SynthscopeError: Fewer patches than can describe 36 features.
        """
        kept, count = [np.empty((0, FEATURES))], 0
        for rgb in images:
            features, sharpness = niqe_features(rgb, patch=patch, released=released)
            sharp = sharpness > SHARP * sharpness.max(initial=0.0)
            kept.append(features[sharp & np.isfinite(features).all(axis=1)])
            count += 1
        sample = np.concatenate(kept)
        if len(sample) <= FEATURES:
            raise SynthscopeError(
                f"Expected more than {FEATURES} sharp patches of {patch} pixels to fit NIQE on, got {len(sample)} in "
                f"{count} photographs. Add photographs, or make the patches smaller."
            )
        return cls(sample.mean(axis=0), np.cov(sample, rowvar=False), patch, count, len(sample), released)

    def score(self, rgb: NDArray[np.uint8]) -> float:
        """NIQE of uint8 ``(H, W, 3)`` pixels: 0 is natural, higher is worse (eq. 10); all patches count alike.

        NaN where fewer than two patches have contrast.
        """
        features, _ = niqe_features(rgb, patch=self.patch, released=self.released)
        known = features[np.isfinite(features).all(axis=1)]
        if len(known) < 2:
            return np.nan
        away = known.mean(axis=0) - self.mean
        pooled = (self.covariance + np.cov(known, rowvar=False)) / 2
        return float(np.sqrt(max(away @ np.linalg.pinv(pooled, hermitian=True) @ away, 0.0)))

    def save(self, path: str | Path) -> None:
        """Write the model as ``.npz``, whole or not at all."""
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: str | Path) -> NiqeModel:
        """Read a model that :meth:`save` wrote. Raises ``SynthscopeError`` for anything else."""
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > 2**17:
                    raise ValueError("arrays that are too large")
            with np.load(path, allow_pickle=False) as stored:
                mean, covariance = (np.array(stored[name], np.float64) for name in ("mean", "covariance"))
                patch, images, patches = (int(stored[name]) for name in ("patch", "images", "patches"))
                released = bool(stored["released"])
        except Exception as error:  # readers raise nearly anything on hostile bytes
            raise SynthscopeError(f"Expected a NIQE model in {path}, got {error}. Fit it again.") from error
        shaped = mean.shape == (FEATURES,) and covariance.shape == (FEATURES, FEATURES)
        if not shaped or not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise SynthscopeError(f"Expected {FEATURES} finite features in {path}, got otherwise. Fit it again.")
        return cls(mean, covariance, patch, images, patches, released)


def _normalise(grey: Floats) -> tuple[Floats, Floats]:
    """Luminance less its local mean, over 1 + its local deviation (eq. 1-3), and that deviation."""
    mean = cv2.GaussianBlur(grey, (7, 7), 7 / 6, borderType=cv2.BORDER_REPLICATE)
    variance = cv2.GaussianBlur(grey * grey, (7, 7), 7 / 6, borderType=cv2.BORDER_REPLICATE) - mean * mean
    deviation = np.sqrt(np.where(variance > FLAT, variance, 0.0))
    return np.where(deviation > 0, (grey - mean) / (deviation + 1), 0.0), deviation


def _patches(plane: Floats, patch: int) -> Floats:
    """``(n, patch, patch)``, row by row."""
    height, width = plane.shape
    blocks = plane.reshape(height // patch, patch, width // patch, patch)
    return blocks.swapaxes(1, 2).reshape(-1, patch, patch)


def _describe(x: Floats, released: bool) -> Floats:
    """The 18 features of one scale, ``(n, p, p)`` to ``(n, 18)``."""
    if released:
        products = [x * np.roll(x, shift, axis=(1, 2)) for shift in ((0, 1), (1, 0), (1, 1), (1, -1))]
        shape, _, left, right = _asymmetric(x)
        columns = [shape, (left + right) / 2]
    else:
        right_of, below = x[:, :, :-1] * x[:, :, 1:], x[:, :-1] * x[:, 1:]
        products = [right_of, below, x[:, :-1, :-1] * x[:, 1:, 1:], x[:, :-1, 1:] * x[:, 1:, :-1]]
        columns = _symmetric(x)
    return np.stack([*columns, *(value for product in products for value in _asymmetric(product))], axis=1)


def _symmetric(x: Floats) -> list[Floats]:
    """Shape and scale of a generalised Gaussian of ``(n, h, w)`` by its moments (eq. 4; Sharifi and Leon-Garcia)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        power = (x * x).mean(axis=(1, 2))
        shape = _shape(np.abs(x).mean(axis=(1, 2)) ** 2 / power)
        return [shape, np.sqrt(power * gamma(1 / shape) / gamma(3 / shape))]


def _asymmetric(x: Floats) -> list[Floats]:
    """Shape, mean, left and right scale of an asymmetric one (eq. 8; Lasmar, Stitou and Berthoumieu, ICIP 2009)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sums = [np.where(side, x * x, 0.0).sum(axis=(1, 2)) / side.sum(axis=(1, 2)) for side in (x < 0, x > 0)]
        left, right = np.sqrt(sums)
        ratio = left / right
        moment = np.abs(x).mean(axis=(1, 2)) ** 2 / (x * x).mean(axis=(1, 2))
        shape = _shape(moment * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2)
        unit = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
        left, right = left * unit, right * unit
        return [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]


def _shape(moment: Floats) -> Floats:
    """The shape in 0.2..10 whose generalised Gaussian has E|x|² / E x² = ``moment``; NaN stays."""
    moments, shapes = _moments()
    return np.where(np.isnan(moment), np.nan, np.interp(moment, moments, shapes))


@cache
def _moments() -> tuple[Floats, Floats]:
    shapes = np.arange(200, 10001) / 1000
    return gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes)), shapes
