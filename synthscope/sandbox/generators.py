"""Eight image generators in families: a clean picture is squeezed into codes and drawn again by a decoder.

The decoders are fitted to clean scenes by plain numerics (principal components, least squares, k-means). Noise on
the codes is the generator's imagination. What the codes lose, how the decoder spreads them over pixels and the colour
of the noise are the trace that a detector can find: peaks at the stride after transposed convolution or nearest
neighbours, seams after vector quantisation, a thinned-out spectrum after denoising.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.random import Generator
from threadpoolctl import threadpool_limits

from synthscope.runtime import seed_for
from synthscope.sandbox.camera import to_display
from synthscope.sandbox.numerics import (
    components,
    distances,
    disturb,
    enlarge,
    k_means,
    patches,
    regress,
    taps,
    temperature,
    unpatch,
)
from synthscope.sandbox.objects import THINGS
from synthscope.sandbox.render import render
from synthscope.sandbox.scene import sample_scene


class Decoder(Protocol):
    """Draws a float32 sRGB picture ``(H, W, 3)`` in [0, 1] again; H and W are multiples of 8."""

    def __call__(self, picture: np.ndarray, rng: Generator) -> np.ndarray: ...


@dataclass(frozen=True)
class Latent:
    """Codes of 4 x 4 patches; each patch is drawn from the codes of the 3 x 3 patches around it."""

    basis: np.ndarray  # (48, codes)
    weights: np.ndarray  # (9 * codes, 48)
    noise: float

    @classmethod
    def fit(cls, pictures: list[np.ndarray], codes: int, noise: float) -> Latent:
        basis = components([patches(picture, 4) for picture in pictures], codes)
        return cls(basis, regress([(taps(patches(p, 4) @ basis, 3), patches(p, 4)) for p in pictures], 1e-3), noise)

    def __call__(self, picture: np.ndarray, rng: Generator) -> np.ndarray:
        return unpatch(
            taps(disturb(patches(picture, 4) @ self.basis, self.noise * temperature(rng), rng), 3) @ self.weights
        )


@dataclass(frozen=True)
class Transposed:
    """Codes of 2 x 2 patches through a transposed convolution, kernel 3 and stride 2.

    A pixel sees one, two or four codes depending on its phase, and weight decay shrinks lone weights more than shared
    ones: the checkerboard of Odena et al., Deconvolution and Checkerboard Artifacts, 2016.
    """

    basis: np.ndarray  # (12, codes)
    weights: tuple[np.ndarray, ...]  # one (taps * codes, 3) for each of the four phases
    noise: float

    @classmethod
    def fit(cls, pictures: list[np.ndarray], codes: int, noise: float, decay: float) -> Transposed:
        basis = components([patches(picture, 2) for picture in pictures], codes)
        coded = [patches(picture, 2) @ basis for picture in pictures]
        weights = [
            regress([(cls._seen(c, a, b), p[a::2, b::2]) for c, p in zip(coded, pictures, strict=True)], decay)
            for a in (0, 1)
            for b in (0, 1)
        ]
        return cls(basis, tuple(weights), noise)

    def __call__(self, picture: np.ndarray, rng: Generator) -> np.ndarray:
        codes = disturb(patches(picture, 2) @ self.basis, self.noise * temperature(rng), rng)
        drawn = np.empty_like(picture)
        for phase, weights in enumerate(self.weights):
            drawn[phase // 2 :: 2, phase % 2 :: 2] = self._seen(codes, phase // 2, phase % 2) @ weights
        return drawn

    @staticmethod
    def _seen(codes: np.ndarray, a: int, b: int) -> np.ndarray:
        """Codes under the kernel at the pixels of phase ``a, b``: ``(h, w, (a + 1) * (b + 1) * codes)``."""
        height, width = codes.shape[:2]
        padded = np.pad(codes, ((0, 1), (0, 1), (0, 0)), mode="edge")
        shifts = [padded[i : i + height, j : j + width] for i in range(a + 1) for j in range(b + 1)]
        return np.concatenate(shifts, axis=2)


@dataclass(frozen=True)
class Upsampler:
    """Codes of 2 x 2 patches, enlarged by plain interpolation and refined by one 3 x 3 convolution."""

    basis: np.ndarray  # (12, codes)
    weights: np.ndarray  # (9 * codes, 3)
    interpolation: int
    noise: float

    @classmethod
    def fit(cls, pictures: list[np.ndarray], codes: int, noise: float, interpolation: int) -> Upsampler:
        basis = components([patches(picture, 2) for picture in pictures], codes)
        pairs = [(taps(enlarge(patches(p, 2) @ basis, interpolation), 3), p) for p in pictures]
        return cls(basis, regress(pairs, 1e-3), interpolation, noise)

    def __call__(self, picture: np.ndarray, rng: Generator) -> np.ndarray:
        codes = disturb(patches(picture, 2) @ self.basis, self.noise * temperature(rng), rng)
        return taps(enlarge(codes, self.interpolation), 3) @ self.weights


@dataclass(frozen=True)
class Quantised:
    """The detail of 4 x 4 patches replaced by the nearest entries of two codebooks, one for what the other leaves."""

    books: tuple[np.ndarray, ...]  # each (entries, 48)
    noise: float

    @classmethod
    def fit(cls, pictures: list[np.ndarray], entries: int, noise: float, rng: Generator) -> Quantised:
        detail = np.concatenate([patches(p - cls._base(p), 4).reshape(-1, 48) for p in pictures])
        detail = rng.permutation(detail)[: 40 * entries]
        books = []
        for _ in range(2):
            books.append(k_means(detail, entries, rng))
            detail = detail - books[-1][distances(detail, books[-1]).argmin(axis=1)]
        return cls(tuple(books), noise)

    def __call__(self, picture: np.ndarray, rng: Generator) -> np.ndarray:
        base, noise = self._base(picture), self.noise * temperature(rng)
        rest = patches(picture - base, 4)
        drawn = np.zeros_like(rest)
        for book in self.books:
            wanted = disturb((rest - drawn).reshape(-1, 48), noise, rng)
            drawn += book[distances(wanted, book).argmin(axis=1)].reshape(rest.shape)
        return base + unpatch(drawn)

    @staticmethod
    def _base(picture: np.ndarray) -> np.ndarray:
        small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)


@dataclass(frozen=True)
class Autoencoder:
    """Principal components of 8 x 8 patches that overlap by half and are blended with a cosine window."""

    basis: np.ndarray  # (192, codes)
    noise: float

    @classmethod
    def fit(cls, pictures: list[np.ndarray], codes: int, noise: float) -> Autoencoder:
        return cls(components([patches(picture, 8) for picture in pictures], codes), noise)

    def __call__(self, picture: np.ndarray, rng: Generator) -> np.ndarray:
        padded = np.pad(picture, ((4, 4), (4, 4), (0, 0)), mode="reflect")
        hann = np.sin((np.arange(8) + 0.5) * np.pi / 8) ** 2
        window = np.outer(hann, hann).astype(np.float32)[..., None]
        drawn, weight = np.zeros_like(padded), np.zeros((*padded.shape[:2], 1), np.float32)
        (height, width), noise = picture.shape[:2], self.noise * temperature(rng)
        for top, left in ((0, 0), (0, 4), (4, 0), (4, 4)):
            area = np.s_[top : top + height + 8 - 2 * top, left : left + width + 8 - 2 * left]
            codes = disturb(patches(padded[area], 8) @ self.basis, noise, rng)
            tiles = np.tile(window, (drawn[area].shape[0] // 8, drawn[area].shape[1] // 8, 1))
            drawn[area] += tiles * unpatch(codes @ self.basis.T)
            weight[area] += tiles
        return (drawn / weight)[4:-4, 4:-4]


@dataclass(frozen=True)
class Denoiser:
    """Rounds of noise and wavelet shrinkage, from coarse to fine, on undecimated spline wavelets (Starck 2007)."""

    levels: tuple[float, ...]
    grain: float

    def __call__(self, picture: np.ndarray, rng: Generator) -> np.ndarray:
        for sigma in self.levels:
            picture = self._shrink(picture + sigma * rng.standard_normal(picture.shape, np.float32), sigma)
        return picture + cv2.blur(disturb(np.zeros_like(picture), self.grain * temperature(rng), rng), (2, 2))

    @staticmethod
    def _shrink(picture: np.ndarray, sigma: float) -> np.ndarray:
        drawn = np.zeros_like(picture)
        for scale, gain in enumerate((0.89, 0.2, 0.086)):  # standard deviation of unit white noise at each scale
            kernel = np.zeros(4 * 2**scale + 1, np.float32)
            kernel[:: 2**scale] = np.array([1, 4, 6, 4, 1], np.float32) / 16
            smooth = cv2.sepFilter2D(picture, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
            detail, limit = picture - smooth, 1.5 * gain * sigma
            drawn += detail - np.clip(detail, -limit, limit)
            picture = smooth
        return drawn + picture


DENOISING_LEVELS = (0.03, 0.02, 0.01)
GENERATORS = ("latent_v1", "latent_v2", "transposed", "nearest", "bilinear", "vq", "autoencoder", "denoiser")
FAMILIES = {  # generators with one kind of decoder
    "latent": ("latent_v1", "latent_v2"), "transposed": ("transposed",), "upsampler": ("nearest", "bilinear"),
    "quantised": ("vq",), "autoencoder": ("autoencoder",), "denoiser": ("denoiser",),
}  # fmt: skip


def fit_generators(seed: int, size: int) -> dict[str, Decoder]:
    """All eight decoders, fitted to scenes drawn from ``seed``; the two latent ones differ in their scenes alone."""
    with threadpool_limits(1):  # the sums of a threaded BLAS depend on the machine
        first, second = _training_pictures(seed, "first", 48, size), _training_pictures(seed, "second", 64, size)
        rng = np.random.default_rng(seed_for(seed, "codebook"))
        return {
            "latent_v1": Latent.fit(first, 16, 0.018),
            "latent_v2": Latent.fit(second, 16, 0.018),
            "transposed": Transposed.fit(first, 6, 0.02, 0.02),
            "nearest": Upsampler.fit(first, 6, 0.035, cv2.INTER_NEAREST),
            "bilinear": Upsampler.fit(first, 6, 0.04, cv2.INTER_LINEAR),
            "vq": Quantised.fit(first, 192, 0.022, rng),
            "autoencoder": Autoencoder.fit(first, 48, 0.045),
            "denoiser": Denoiser(DENOISING_LEVELS, 0.04),
        }


def _training_pictures(seed: int, name: str, count: int, size: int) -> list[np.ndarray]:
    scenes = [sample_scene(i % len(THINGS), *(seed_for(seed, name, i, part) for part in "ml")) for i in range(count)]
    return [to_display(render(scene, size, size)) for scene in scenes]
