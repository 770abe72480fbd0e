"""Local damage to a finished picture: warped edges, smeared or repeated texture, shifted colour."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator


def _blob(shape: tuple[int, ...], rng: Generator) -> tuple[np.ndarray, tuple[float, float], float]:
    """An irregular patch as a soft float32 mask ``(H, W)``, zero outside it; its centre x, y and radius in pixels."""
    height, width = shape[:2]
    x, y, radius = rng.uniform(0.15, 0.85) * width, rng.uniform(0.25, 0.85) * height, rng.uniform(0.07, 0.13) * height
    corners = int(rng.integers(8, 13))
    angles = np.arange(corners) * 2 * np.pi / corners
    reach = radius * rng.uniform(0.75, 1.25, corners)
    outline = np.stack([x + 1.3 * reach * np.cos(angles), y + reach * np.sin(angles)], axis=1)
    hard = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(hard, [np.round(outline).astype(np.int32)], 1)
    return hard * cv2.blur(hard.astype(np.float32), (3, 3)), (x, y), radius


def _edgy_blob(picture: np.ndarray, rng: Generator) -> tuple[np.ndarray, tuple[float, float], float]:
    """The patch with the strongest edges among a few."""
    edges = np.abs(cv2.Laplacian(cv2.blur(np.sqrt(picture), (3, 3)), cv2.CV_32F)).sum(axis=2)
    return max((_blob(picture.shape, rng) for _ in range(5)), key=lambda blob: float((edges * blob[0]).sum()))


def warp_edges(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Swirl and ripple a patch full of edges."""
    mask, (x, y), radius = _edgy_blob(picture, rng)
    rows, columns = np.indices(mask.shape, dtype=np.float32)
    inner = np.clip(cv2.distanceTransform((mask > 0).astype(np.uint8), cv2.DIST_L2, 3) / (0.5 * radius), 0, 1)
    angle = rng.choice([-1, 1]) * rng.uniform(0.5, 1.0) * inner
    ripple = 0.3 * radius * inner * np.sin(rows * (5 / radius) + rng.uniform(0, 6))
    map_x = x + (columns - x) * np.cos(angle) - (rows - y) * np.sin(angle) + ripple
    map_y = y + (columns - x) * np.sin(angle) + (rows - y) * np.cos(angle)
    return cv2.remap(
        picture, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def spoil_texture(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Smear a patch in one direction, or fill it with copies of its centre."""
    mask, (x, y), radius = _edgy_blob(picture, rng)
    if rng.random() < 0.5:
        length = int(1.2 * radius) | 1
        kernel = np.zeros((length, length), np.float32)
        turn, middle = rng.uniform(0, np.pi), length // 2
        run = np.array([np.cos(turn), np.sin(turn)]) * middle
        cv2.line(
            kernel,
            tuple(np.round(middle - run).astype(int).tolist()),
            tuple(np.round(middle + run).astype(int).tolist()),
            1.0,
        )
        spoilt = cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    else:
        period = max(int(0.55 * radius), 4)
        rows = np.clip(int(y) + (np.arange(mask.shape[0]) - int(y)) % period, 0, mask.shape[0] - 1)
        columns = np.clip(int(x) + (np.arange(mask.shape[1]) - int(x)) % period, 0, mask.shape[1] - 1)
        spoilt = picture[rows[:, None], columns]
    return picture + mask[..., None] * (spoilt - picture)


def shift_colour(picture: np.ndarray, rng: Generator) -> np.ndarray:
    """Turn the hue of a patch and tint it."""
    mask, _, _ = _blob(picture.shape, rng)
    turned = picture[..., [1, 2, 0] if rng.random() < 0.5 else [2, 0, 1]]
    tint = np.array([1.6, 0.6, 1.3], np.float32)[rng.permutation(3)]
    return np.clip(picture + mask[..., None] * (turned * tint - picture), 0, 1)


RETOUCHES: dict[str, Callable[[np.ndarray, Generator], np.ndarray]] = {
    "low-level-texture": spoil_texture,
    "low-level-edge_shape": warp_edges,
    "low-level-color": shift_colour,
}
"""Category string to a function of the linear picture ``(H, W, 3)`` that returns it with one patch damaged."""
