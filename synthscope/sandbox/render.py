"""Draw a scene in linear light: shadows on the ground, then the signboard, the main object, whatever floats."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from synthscope.runtime import seed_for
from synthscope.sandbox.backdrop import backdrop, grain, linear
from synthscope.sandbox.objects import THINGS
from synthscope.sandbox.scene import Scene
from synthscope.sandbox.shapes import BRIGHT, Part, signboard

_SUPERSAMPLING = 2
_SUBPIXEL_BITS = 4


def render(scene: Scene, width: int, height: int, behind: np.ndarray | None = None) -> np.ndarray:
    """The picture that an ideal lens would throw on the sensor.

    Args:
        scene: What to draw.
        width: Pixels.
        height: Pixels; lengths in the scene are fractions of it.
        behind: :func:`backdrop_of` the scene, where it is at hand.

    Returns:
        float32 ``(height, width, 3)`` linear light in [0, 1].
    """
    canvas = (backdrop_of(scene, width, height) if behind is None else behind).copy()
    lean = -scene.lean if scene.wrong_shadow else scene.lean
    for parts, place in _pieces(replace(scene, wrong_structure=False)):  # its shadow is no second artifact
        _cast(canvas, parts, place, lean, scene)
    pieces = _pieces(scene)
    if scene.floating is not None:
        rng = np.random.default_rng(seed_for(scene.meaning, "floating"))
        thing = THINGS[(scene.thing_index + 1 + rng.integers(len(THINGS) - 1)) % len(THINGS)]
        pieces.append((thing.draw(rng, False), scene.floating))
    for parts, place in pieces:
        for index, part in enumerate(parts):
            _paint(canvas, part, place, np.sign(scene.lean), index)
    return np.clip(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), 0, 1)


def backdrop_of(scene: Scene, width: int, height: int) -> np.ndarray:
    """The supersampled backdrop that :func:`render` paints on; it does not depend on the things in front."""
    return backdrop(scene, height * _SUPERSAMPLING, width * _SUPERSAMPLING)


def _pieces(scene: Scene) -> list[tuple[list[Part], tuple[float, float, float]]]:
    """Drawings that stand on the ground, back to front, each with its place (x, y, height)."""
    rng = np.random.default_rng(seed_for(scene.meaning, "thing"))
    main = (scene.thing.draw(rng, scene.wrong_structure), (scene.x, scene.foot, scene.height))
    if scene.word is None:
        return [main]
    colour = BRIGHT[seed_for(scene.meaning, "board") % len(BRIGHT)]
    if scene.thing.name == "street sign":
        return [main, (signboard(scene.word, colour, 1.0, 1.05), main[1])]
    return [(signboard(scene.word, colour), (scene.board_x, scene.foot - 0.06, 0.5)), main]


def _pixels(outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Unit coordinates (x from the centre line, y down) to fixed-point pixels."""
    scaled = (outline * shape[0] + (shape[1] / 2 - 0.5, -0.5)) * 2**_SUBPIXEL_BITS
    return np.round(scaled).astype(np.int32)


def _fill(mask: np.ndarray, outlines: list[np.ndarray]) -> None:
    for outline in outlines:
        cv2.fillPoly(mask, [outline], 255, lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS)


def _cast(canvas: np.ndarray, parts: list[Part], place: tuple[float, float, float], lean: float, scene: Scene) -> None:
    """Darken the ground where the parts keep the sun off it."""
    x, y, height = place
    shear = np.array([[1, 0], [lean, -scene.length]]) * height
    outlines = [_pixels(outline @ shear + (x, y), canvas.shape) for part in parts for outline in part.outlines]
    mask = np.zeros(canvas.shape[:2], np.uint8)
    _fill(mask, outlines)
    top, size = round(scene.shore * canvas.shape[0]), canvas.shape[0] // 60 | 1
    shade = cv2.blur(mask[top:], (size, size)).astype(np.float32) * (0.6 / 255)
    canvas[top:] *= 1 - shade[..., None]


def _paint(canvas: np.ndarray, part: Part, place: tuple[float, float, float], lean: float, index: int) -> None:
    """Lay one part over the canvas: grain of its own, brighter on the side of the sun."""
    x, y, height = place
    outlines = [_pixels(outline * (height, -height) + (x, y), canvas.shape) for outline in part.outlines]
    if not outlines:
        return
    points = np.concatenate(outlines) >> _SUBPIXEL_BITS
    left, top = np.maximum(points.min(axis=0) - 1, 0)
    right, bottom = np.minimum(points.max(axis=0) + 3, canvas.shape[1::-1])
    if left >= right or top >= bottom:
        return
    mask = np.zeros((bottom - top, right - left), np.uint8)
    _fill(mask, [outline - (np.array([left, top]) << _SUBPIXEL_BITS) for outline in outlines])
    across = np.linspace(-1, 1, right - left, dtype=np.float32)[None]
    down = np.linspace(-1, 1, bottom - top, dtype=np.float32)[:, None]
    shade = 1 - part.relief * (lean * across * 0.8 + down * 0.6)
    if part.grain:
        shade = shade * (1 + part.grain * grain(mask.shape[0], mask.shape[1], (97 * index, 61 * index)))
    colour = linear(part.colour) * np.maximum(shade, 0.1)[..., None]
    region = canvas[top:bottom, left:right]
    region += (mask.astype(np.float32) / 255)[..., None] * (colour - region)
