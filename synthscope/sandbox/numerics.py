"""The numerics that the sandbox's decoders are made of: patches, principal components, ridge regression, k-means."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator


def patches(picture: np.ndarray, size: int) -> np.ndarray:
    """``(H, W, C)`` to ``(H / size, W / size, size * size * C)``."""
    height, width, channels = picture.shape
    blocks = picture.reshape(height // size, size, width // size, size, channels).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(height // size, width // size, size * size * channels)


def unpatch(blocks: np.ndarray) -> np.ndarray:
    """Inverse of :func:`patches` for three channels."""
    rows, columns, length = blocks.shape
    size = round((length / 3) ** 0.5)
    pixels = blocks.reshape(rows, columns, size, size, 3).transpose(0, 2, 1, 3, 4)
    return pixels.reshape(rows * size, columns * size, 3)


def taps(codes: np.ndarray, size: int) -> np.ndarray:
    """What a ``size`` x ``size`` kernel sees everywhere: ``(h, w, size * size * codes)``, edges repeated."""
    margin = size // 2
    height, width = codes.shape[:2]
    padded = np.pad(codes, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    return np.concatenate([padded[i : i + height, j : j + width] for i in range(size) for j in range(size)], axis=2)


def enlarge(codes: np.ndarray, interpolation: int) -> np.ndarray:
    """``(h, w, codes)`` to twice the size with one of OpenCV's interpolations."""
    height, width, channels = codes.shape
    layers = [cv2.resize(codes[..., i], (2 * width, 2 * height), interpolation=interpolation) for i in range(channels)]
    return np.stack(layers, axis=2)


def temperature(rng: Generator) -> np.float32:
    """How lively the imagination is for one picture: a log-uniform factor of the noise, 0.4 to 2.5."""
    return np.float32(np.exp(rng.uniform(-0.9, 0.9)))


def disturb(codes: np.ndarray, noise: float | np.float32, rng: Generator) -> np.ndarray:
    """Codes with white noise of that standard deviation."""
    return codes + np.float32(noise) * rng.standard_normal(codes.shape, np.float32)


def components(blocks: list[np.ndarray], count: int) -> np.ndarray:
    """Orthonormal ``(length, count)`` directions of greatest second moment (the mean colour is one of them)."""
    flat = np.concatenate([p.reshape(-1, p.shape[-1]) for p in blocks]).astype(np.float64)
    return np.linalg.eigh(flat.T @ flat)[1][:, : -count - 1 : -1].astype(np.float32)


def regress(pairs: list[tuple[np.ndarray, np.ndarray]], decay: float) -> np.ndarray:
    """Ridge regression without intercept; ``decay`` is relative to the sum of squares of each input."""
    size, outputs = pairs[0][0].shape[-1], pairs[0][1].shape[-1]
    gram, cross = np.zeros((size, size)), np.zeros((size, outputs))
    for inputs, targets in pairs:
        x = inputs.reshape(-1, size).astype(np.float64)
        gram += x.T @ x
        cross += x.T @ targets.reshape(-1, outputs)
    return np.linalg.solve(gram + decay * np.diag(np.diag(gram)), cross).astype(np.float32)


def distances(points: np.ndarray, book: np.ndarray) -> np.ndarray:
    """Squared distances ``(points, entries)`` less the points' own squares, which do not change the nearest entry."""
    return (book**2).sum(axis=1) - 2 * points @ book.T


def k_means(points: np.ndarray, entries: int, rng: Generator) -> np.ndarray:
    """Lloyd's algorithm, 12 rounds from random points; an entry that loses all its points keeps its place."""
    book = points[rng.choice(len(points), entries, replace=False)].copy()
    for _ in range(12):
        nearest = distances(points, book).argmin(axis=1)
        counts = np.bincount(nearest, minlength=entries)
        order = np.argsort(nearest, kind="stable")
        present = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts[present])[:-1]])
        book[present] = np.add.reduceat(points[order], starts) / counts[present, None]
    return book
