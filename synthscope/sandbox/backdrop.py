"""Everything behind the main object: sky or wall, hills, foliage, houses, mirroring water, ground in perspective."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator

from synthscope.runtime import seed_for
from synthscope.sandbox.scene import Scene

_TILE = 512
_GROUND = {
    "meadow": (0.33, 0.5, 0.18),
    "lake": (0.42, 0.46, 0.25),
    "beach": (0.85, 0.75, 0.56),
    "street": (0.56, 0.54, 0.52),
    "room": (0.6, 0.42, 0.27),
}
_LEAVES = ((0.2, 0.38, 0.14), (0.3, 0.45, 0.16), (0.14, 0.3, 0.15), (0.42, 0.48, 0.2), (0.55, 0.42, 0.15))


@lru_cache(maxsize=1)
def _tile() -> np.ndarray:
    """A periodic ``(512, 512)`` float32 field of unit variance with the 1/f amplitude spectrum of natural scenes."""
    spectrum = np.fft.rfft2(np.random.default_rng(1).standard_normal((_TILE, _TILE)))
    radius = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None])
    radius[0, 0] = np.inf
    field = np.fft.irfft2(spectrum / np.maximum(radius, 4 / _TILE))
    return (field / field.std()).astype(np.float32)


def grain(height: int, width: int, offset: tuple[int, int]) -> np.ndarray:
    """A window ``(height, width)`` of 1/f texture, unit variance."""
    rows = (np.arange(height) + offset[0]) % _TILE
    columns = (np.arange(width) + offset[1]) % _TILE
    return _tile()[rows[:, None], columns]


def _anywhere(rng: Generator) -> tuple[int, int]:
    return int(rng.integers(_TILE)), int(rng.integers(_TILE))


def linear(colour: tuple[float, float, float]) -> np.ndarray:
    """An sRGB colour as float32 linear light."""
    return np.power(np.array(colour, np.float32), 2.2, dtype=np.float32)


def backdrop(scene: Scene, height: int, width: int) -> np.ndarray:
    """float32 ``(height, width, 3)`` linear light: the scene without anything in front."""
    taste = np.random.default_rng(seed_for(scene.meaning, "backdrop"))
    rng = np.random.default_rng(seed_for(scene.layout, "backdrop"))
    horizon, shore = round(scene.horizon * height), round(scene.shore * height)
    canvas = np.empty((height, width, 3), np.float32)
    if scene.setting == "room":
        canvas[:horizon] = _wall(horizon, width, taste, rng)
    else:
        canvas[:horizon] = _sky(horizon, width, taste, rng)
        far = _houses if scene.setting == "street" else _hills
        far(canvas[:horizon], taste, rng)
        if scene.setting != "beach":
            _leaves(canvas[:horizon], 70, (0.8, 1.0), height * 0.05, taste, rng)
    if scene.has_water:
        canvas[horizon:shore] = _water(canvas[:horizon], shore - horizon, scene.wrong_reflection, rng)
    canvas[shore:] = _ground(scene, height, width, taste, rng)
    return canvas


def _sky(height: int, width: int, taste: Generator, rng: Generator) -> np.ndarray:
    top = linear(((0.25, 0.47, 0.8), (0.42, 0.6, 0.82), (0.55, 0.62, 0.7), (0.45, 0.45, 0.65))[taste.integers(4)])
    low = linear(((0.75, 0.85, 0.93), (0.93, 0.8, 0.65), (0.8, 0.82, 0.85))[taste.integers(3)])
    depth = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = np.broadcast_to(top + (low - top) * depth**1.5, (height, width, 3)).copy()
    small = grain(height // 3 + 1, width // 6 + 1, _anywhere(rng))
    cloud = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    clouds = np.clip(cloud * 0.6 - taste.uniform(0, 0.4), 0, 0.9)[..., None]
    return sky + clouds * (0.88 - sky)


def _wall(height: int, width: int, taste: Generator, rng: Generator) -> np.ndarray:
    colour = linear(((0.82, 0.76, 0.62), (0.55, 0.68, 0.66), (0.72, 0.56, 0.52), (0.6, 0.64, 0.76))[taste.integers(4)])
    stripes = np.sin(np.arange(width) * (2 * np.pi * taste.integers(9, 16) / height) + rng.uniform(0, 6))
    pattern = 1 + 0.09 * np.tanh(3 * stripes)[None] + 0.03 * grain(height, width, _anywhere(rng))
    wall = (colour * pattern[..., None]).astype(np.float32)
    wall[-max(height // 14, 2) :] = linear((0.9, 0.88, 0.82))
    left, top = int(rng.uniform(0.05, 0.6) * width), int(rng.uniform(0.08, 0.25) * height)
    right, bottom = left + int(0.3 * width), top + int(0.5 * height)
    picture = wall[top:bottom, left:right]
    picture[:] = linear((0.35, 0.24, 0.14))
    edge = max(height // 40, 1)
    inside = np.full((picture.shape[0] - 4 * edge, picture.shape[1] - 4 * edge, 3), linear((0.7, 0.78, 0.85)))
    _leaves(inside, 40, (0.1, 0.9), height * 0.09, taste, rng)
    picture[2 * edge : -2 * edge, 2 * edge : -2 * edge] = inside
    return wall


def _ridge(width: int, height: int, rng: Generator) -> np.ndarray:
    """Skyline ``(width,)`` in [-1, 1]: a few sines of falling amplitude."""
    x = np.arange(width) / height
    waves = [np.sin(2 * np.pi * f * x + rng.uniform(0, 7)) / f**0.8 for f in rng.uniform(0.3, 3.0, 5)]
    total = np.sum(waves, axis=0)
    return total / np.abs(total).max()


def _hills(canvas: np.ndarray, taste: Generator, rng: Generator) -> None:
    height, width = canvas.shape[:2]
    rows = np.arange(height)[:, None]
    for base, haze in ((0.6, 0.65), (0.8, 0.3)):
        colour = linear(((0.3, 0.42, 0.3), (0.4, 0.42, 0.34), (0.34, 0.4, 0.5))[taste.integers(3)])
        tint = colour + (canvas[-1, 0] - colour) * haze
        texture = 1 + 0.22 * (1 - haze) * grain(height, width, _anywhere(rng))
        mask = rows > height * (base + 0.14 * _ridge(width, height, rng))
        canvas[mask] = (tint * texture[..., None])[mask]


def _houses(canvas: np.ndarray, taste: Generator, rng: Generator) -> None:
    height, width = canvas.shape[:2]
    left = -int(rng.uniform(0, 0.2) * height)
    while left < width:
        right, top = left + int(rng.uniform(0.4, 0.75) * height), int(rng.uniform(0.1, 0.5) * height)
        tone = taste.uniform(0.8, 1.1)
        colour = linear(((0.72, 0.5, 0.4), (0.8, 0.72, 0.58), (0.6, 0.62, 0.66), (0.75, 0.62, 0.5))[taste.integers(4)])
        wall = canvas[top:, max(left, 0) : right]
        wall[:] = colour * tone * (1 + 0.12 * grain(wall.shape[0], wall.shape[1], _anywhere(rng))[..., None])
        wall[: max(height // 24, 1)] *= 0.5
        step = max(int(0.14 * height), 4)
        for y in range(top + step // 2, height - step, step):
            for x in range(left + step // 2, right - step // 2, step):
                canvas[y : y + int(0.55 * step), max(x, 0) : max(x + step // 2, 0)] = linear((0.28, 0.35, 0.45))
        left = right


def _leaves(
    canvas: np.ndarray, count: int, band: tuple[float, float], largest: float, taste: Generator, rng: Generator
) -> None:
    """Dead leaves: discs with power-law radii that occlude each other, as natural images do."""
    height, width = canvas.shape[:2]
    palette = [linear(_LEAVES[i]) for i in taste.integers(len(_LEAVES), size=3)]
    for _ in range(count):
        radius = max(round(largest * 0.25 / np.sqrt(rng.uniform(0.0625, 1.0))), 1)
        centre = int(rng.uniform(0, width)), int(rng.uniform(*band) * height)
        cv2.circle(canvas, centre, radius, (palette[rng.integers(3)] * rng.uniform(0.5, 1.5)).tolist(), cv2.FILLED)


def _water(above: np.ndarray, height: int, wrong: bool, rng: Generator) -> np.ndarray:
    """Mirror image of what is above the water line, broken by ripples that grow towards the viewer."""
    width = above.shape[1]
    mirrored = above[::-1, ::-1] if wrong else above[::-1]
    rows = np.arange(height, dtype=np.float32)[:, None]
    near = rows / height
    waves = grain(height * 3, width // 3 + 1, _anywhere(rng))[::3]
    waves = cv2.resize(waves, (width, height))
    map_x = np.arange(width, dtype=np.float32)[None] + waves * (0.5 + 4 * near)
    map_y = rows * 1.2 + waves * (0.5 + 3 * near)
    reflection = cv2.remap(
        np.ascontiguousarray(mirrored), map_x, map_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    tint = linear((0.2, 0.36, 0.42))
    return reflection * 0.72 + tint * (0.28 + 0.05 * waves[..., None])


def _ground(scene: Scene, height: int, width: int, taste: Generator, rng: Generator) -> np.ndarray:
    """The plane below the shore line: texture sampled in plane coordinates, so that it shrinks with distance."""
    top = round(scene.shore * height)
    y = (np.arange(top, height, dtype=np.float32) + 0.5)[:, None] / height
    x = (np.arange(width, dtype=np.float32) + 0.5)[None] / height - width / height / 2
    depth = 0.5 / (y - scene.horizon + 0.04)
    u, v = x * depth + 10 + rng.uniform(0, 5), depth * 1.6 + rng.uniform(0, 5) + 0 * x
    texture = cv2.remap(_tile(), (u * 180) % _TILE, (v * 120) % _TILE, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    colour, clear = linear(_GROUND[scene.setting]) * taste.uniform(0.8, 1.15), np.clip(1.6 / depth, 0, 1)
    if scene.setting == "street":
        seams = np.maximum(np.cos(2 * np.pi * 2.5 * u), np.cos(2 * np.pi * 2.5 * v)) > 0.95
        pattern: np.ndarray = 0.12 * texture - 0.35 * seams * clear
    elif scene.setting == "room":
        plank = np.floor(u * 5)
        pattern = 0.1 * texture + 0.1 * np.sin(plank * 12.9) - 0.4 * ((u * 5 - plank) < 0.07) * clear
    else:
        pattern = (0.12 if scene.setting == "beach" else 0.3) * texture
    return colour * np.clip(1 + pattern, 0.15, 2)[..., None].astype(np.float32)
