"""Draw perceptual artifacts of the seven X-AIGD categories, each labelled with the outline of what it changed.

An artifact changes the scene (a leg too many, a wrong shadow) or the picture (a smeared patch). Its region is found,
not guessed: the pixels that differ from the picture before it, cleaned of specks. Whatever lies outside the region is
put back, so that the polygons are tight and the rest of the picture is exactly the sound one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator

from synthscope.sandbox.lettering import Word, misspell
from synthscope.sandbox.render import backdrop_of, render
from synthscope.sandbox.retouch import RETOUCHES
from synthscope.sandbox.scene import Scene

_VISIBLE = 3 / 255  # on the display scale
_SMALLEST = 1 / 800  # of the picture, a region that is worth a polygon
_TRIES = 6


@dataclass(frozen=True)
class Artifact:
    """One annotated region: category and polygon ``(n, 2)`` of x, y in pixels, n >= 3."""

    label: str
    points: np.ndarray


def _malform(scene: Scene, rng: Generator) -> Scene:
    assert scene.word is not None
    return replace(scene, word=Word(scene.word.letters, int(rng.integers(1, 2**31))))


def _deform(scene: Scene, rng: Generator) -> Scene:
    return replace(scene, wrong_structure=True)


def _defy(scene: Scene, rng: Generator) -> Scene:
    """Misspell the sign, unless nobody could read it, or let something hang in the air."""
    if scene.word and not scene.word.malformed and rng.random() < 0.5:
        return replace(scene, word=Word(misspell(scene.word.letters, rng)))
    return replace(scene, floating=(float(rng.uniform(-0.35, 0.35)), float(rng.uniform(0.26, 0.4)), 0.22))


def _mislight(scene: Scene, rng: Generator) -> Scene:
    """Reflections that disobey optics, or shadows that fall towards the sun."""
    if scene.has_water and rng.random() < 0.5:
        return replace(scene, wrong_reflection=True)
    return replace(scene, wrong_shadow=True)


_EDITS: dict[str, Callable[[Scene, Generator], Scene]] = {
    "high-level-semantics": _deform,
    "low-level-symbol": _malform,
    "cognitive-level-commonsense": _defy,
    "cognitive-level-physics": _mislight,
}

FREQUENCIES = {
    "low-level-edge_shape": 0.3,
    "low-level-texture": 0.13,
    "low-level-color": 0.13,
    "low-level-symbol": 0.12,
    "high-level-semantics": 0.16,
    "cognitive-level-commonsense": 0.08,
    "cognitive-level-physics": 0.08,
}
"""The seven category strings and how often each is drawn; edges and structure lead, as among human annotations."""

_ORDER = [*_EDITS, *RETOUCHES]  # the scene is drawn again after an edit, which would undo a retouch


def draw_with_artifacts(
    scene: Scene, width: int, height: int, *, count: int, rng: Generator
) -> tuple[np.ndarray, list[Artifact]]:
    """Render a scene with ``count`` kinds of artifact, each in at least one region wherever it can be seen.

    Returns:
        float32 ``(height, width, 3)`` linear light, and the regions. One kind may fill several: a shadow is missing
        here and lies there.
    """
    behind = backdrop_of(scene, width, height)
    picture = render(scene, width, height, behind)
    shares = {kind: share for kind, share in FREQUENCIES.items() if scene.word or kind != "low-level-symbol"}
    total = sum(shares.values())
    kinds = rng.choice(list(shares), size=count, replace=False, p=[share / total for share in shares.values()])
    artifacts: list[Artifact] = []
    for kind in sorted(kinds.tolist(), key=_ORDER.index):
        for _ in range(_TRIES):
            wrong = _EDITS[kind](scene, rng) if kind in _EDITS else scene
            if wrong is scene:
                changed = RETOUCHES[kind](picture, rng)
            else:
                changed = render(
                    wrong, width, height, backdrop_of(wrong, width, height) if wrong.wrong_reflection else behind
                )
            merged, outlines = keep_visible(picture, changed)
            if outlines:
                scene, picture = wrong, merged
                artifacts += [Artifact(kind, outline) for outline in outlines]
                break
    return picture, artifacts


def keep_visible(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Regions in which two linear pictures differ visibly, and ``before`` with only those regions taken from ``after``.

    Returns:
        The merged picture, and polygons ``(n, 2)`` float64 x, y that ``cv2.fillPoly`` turns into exactly the regions.
    """
    difference = np.abs(np.sqrt(after) - np.sqrt(before)).max(axis=2)
    mask = (difference > _VISIBLE).astype(np.uint8)
    size = max(3, mask.shape[0] // 25) | 1
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    region, outlines = np.zeros_like(mask), []
    for contour in contours:
        if len(contour) >= 3 and cv2.contourArea(contour) >= _SMALLEST * mask.size:
            cv2.fillPoly(region, [contour], 1)
            outlines.append(contour[:, 0].astype(np.float64))
    return np.where(region[..., None] > 0, after, before), outlines
