"""Regions without artifacts to compare with: of the same area, and where possible of the same shape."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthscope.annotations.erase import Mask, bounds, parts
from synthscope.errors import SynthscopeError
from synthscope.runtime import seed_for

MOST_PARTS = 32  # that are moved one by one


class Benign(NamedTuple):
    """A region to compare with, and how it was made."""

    mask: Mask
    how: Literal["moved", "parts", "blots"]


def benign_regions(region: Mask, artifacts: Mask, *, seen: Mask | None = None, draws: int, key: str) -> list[Benign]:
    """Regions as large as ``region`` at random places outside of all artifacts.

    ``region`` is mirrored or not and moved, with all of its parts (``moved``). Where it fits nowhere, its connected
    parts are moved one by one (``parts``); where one of these fits nowhere, smooth blots cover as many pixels
    (``blots``).

    Args:
        region: bool ``(H, W)``, not empty.
        artifacts: bool ``(H, W)``.
        seen: bool ``(H, W)``; benign regions stay inside. Everything if None.
        draws: Number of regions; they may overlap each other.
        key: Of the image; the regions depend on it alone.

    Raises:
        SynthscopeError: An empty region, or one that is larger than what is left.

    >>> square = np.pad(np.ones((2, 2), bool), ((0, 4), (0, 4)))
    >>> [benign] = benign_regions(square, square, draws=1, key="a")
    >>> int(benign.mask.sum()), bool((benign.mask & square).any()), benign.how
    (4, False, 'moved')
    """
    forbidden = artifacts if seen is None else artifacts | ~seen
    area, room = int(region.sum()), int(forbidden.size - forbidden.sum())
    if not 0 < area <= room:
        raise SynthscopeError(
            f"Expected a region of 1 to {room} pixels, which are free, got {area}. Leave the image out."
        )
    rng = np.random.default_rng(seed_for("benign", key))
    moved = _moved(region, forbidden, draws, rng)
    return moved or [_scattered(region, forbidden, rng) for _ in range(draws)]


def _moved(region: Mask, forbidden: Mask, draws: int, rng: np.random.Generator) -> list[Benign]:
    """Places drawn evenly from all mirror images and free places, each once where there are enough."""
    shapes = _mirrored(region[bounds(region)])
    free = [_free_places(shape, forbidden) for shape in shapes]
    ends = np.cumsum([len(places) for places in free])
    found = []
    for number in rng.choice(ends[-1], draws, replace=bool(ends[-1] < draws)) if ends[-1] else ():
        mirror = int(np.searchsorted(ends, number, side="right"))
        place = free[mirror][number - ends[mirror]]  # from the end
        found.append(Benign(_at(shapes[mirror], place, region.shape), "moved"))
    return found


def _scattered(region: Mask, forbidden: Mask, rng: np.random.Generator) -> Benign:
    out, taken = np.zeros_like(region), forbidden.copy()
    for number, part in enumerate(parts(region)):
        shapes = _mirrored(part.inside)
        tries = (shapes[mirror] for mirror in rng.permutation(4))
        fitting = ((shape, places) for shape in tries if len(places := _free_places(shape, taken)))
        shape, places = next(fitting, (part.inside, np.empty(0, np.intp)))
        if number == MOST_PARTS or not len(places):
            return Benign(blots(region.shape, int(region.sum()), outside=forbidden, rng=rng), "blots")
        moved = _at(shape, places[rng.integers(len(places))], region.shape)
        out |= moved
        taken |= moved
    return Benign(out, "parts")


def _mirrored(shape: Mask) -> list[Mask]:
    return [np.ascontiguousarray(mirror) for mirror in (shape, shape[:, ::-1], shape[::-1], shape[::-1, ::-1])]


def _free_places(shape: Mask, forbidden: Mask) -> NDArray[np.intp]:
    """Flat indices of the corners, among all at which ``shape`` lies inside, where it meets nothing forbidden."""
    import cv2

    # correlation of the two masks: the number of pixels that would overlap, up to float32 rounding of a DFT
    overlap = cv2.matchTemplate(forbidden.astype(np.float32), shape.astype(np.float32), cv2.TM_CCORR)
    return np.flatnonzero(overlap < 0.5)


def _at(shape: Mask, place: np.intp, size: tuple[int, ...]) -> Mask:
    height, width = shape.shape
    top, left = divmod(int(place), size[1] - width + 1)
    out = np.zeros(size, bool)
    out[top : top + height, left : left + width] = shape
    return out


def blots(shape: tuple[int, ...], area: int, *, outside: Mask | None = None, rng: np.random.Generator) -> Mask:
    """Smooth random blots bool ``(H, W)`` that cover exactly ``area`` pixels, or all those ``outside`` of a mask."""
    import cv2

    noise = rng.standard_normal(shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), max(shape) / 16)
    if outside is not None:
        smooth[outside] = -np.inf
        area = min(area, outside.size - int(outside.sum()))
    return largest(smooth, area)


def largest(values: NDArray[Any], count: int) -> Mask:
    """Mask of exactly ``count`` largest values; of equal ones the first."""
    mask = np.zeros(values.size, bool)
    mask[np.argsort(-values, axis=None, kind="stable")[:count]] = True
    return mask.reshape(values.shape)
