"""Where a local fake differs from its source: shapes drawn at random, or regions that somebody gives.

``rectangle``, ``ellipse``, ``strokes`` (a free hand) or ``random`` (one of these); or a folder of mask files named as
the images, or a table of annotations, whose regions of an image count together.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.annotations.load import load_annotations
from synthscope.annotations.mask_files import read_mask
from synthscope.annotations.masks import image_masks
from synthscope.annotations.records import rows_by_image
from synthscope.data.layouts.walk import IMAGE_SUFFIXES
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.generation.spec import number
from synthscope.runtime import seed_for

Mask = NDArray[np.bool_]
SHARE = "0.05..0.3"  # of the image


class MaskOf(Protocol):
    """Finds the mask of an image."""

    def __call__(self, path: str, sha256: str | None, uid: str, size: tuple[int, int]) -> Mask:
        """Bool ``size`` = (height, width), of the image as shown. Raises ``SynthscopeError`` where there is none."""


class Drawn(NamedTuple):
    """Masks drawn at random, the same for one seed, uid and size whatever the generator."""

    shape: str  # of SHAPES, or random
    least: float
    most: float
    seed: int

    def __call__(self, path: str, sha256: str | None, uid: str, size: tuple[int, int]) -> Mask:
        rng = np.random.default_rng(seed_for("mask", self.seed, uid))
        share = rng.uniform(self.least, self.most)
        shape = self.shape if self.shape != "random" else str(rng.choice(list(SHAPES)))
        return SHAPES[shape](*size, share, rng)


def masks_from(text: str, share: str = SHARE, seed: int = 0) -> MaskOf:
    """What ``masks=`` says; ``share=LEAST..MOST`` of the image, and a seed, of masks that are drawn.

    Raises:
        UsageError: No such shape, folder or table, or a share that is none.
    """
    if text == "random" or text in SHAPES:
        low, dots, high = share.partition("..")
        least = number(low, "share", least=0.001, most=0.7)
        return Drawn(text, least, number(high, "share", least=least, most=0.7) if dots else least, seed)
    if Path(text).is_dir():
        return _in_folder(Path(text))
    if Path(text).is_file():
        return _in_table(load_annotations(text))
    raise UsageError(
        f"Expected {', '.join(SHAPES)} or random, a folder of masks or a table of annotations, got {text!r}. "
        f"{suggest(text, [*SHAPES, 'random'])}"
    )


def rectangle(height: int, width: int, share: float, rng: np.random.Generator) -> Mask:
    """bool ``(height, width)``: a rectangle of the share, to within the rounding of its sides."""
    tall, wide = _sides(height, width, share, rng)
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    mask = np.zeros((height, width), np.bool_)
    mask[top : top + tall, left : left + wide] = True
    return mask


def ellipse(height: int, width: int, share: float, rng: np.random.Generator) -> Mask:
    """bool ``(height, width)``: an upright ellipse of the share; of at most pi / 4 of the image."""
    tall, wide = _sides(height, width, min(1.0, share * 4 / np.pi), rng)
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    y, x = np.ogrid[:height, :width]
    return ((y + 0.5 - top) / tall - 0.5) ** 2 + ((x + 0.5 - left) / wide - 0.5) ** 2 <= 0.25


def strokes(height: int, width: int, share: float, rng: np.random.Generator) -> Mask:
    """bool ``(height, width)``: a line of a free hand, drawn on until it covers the share (a segment more at most)."""
    mask = np.zeros((height, width), np.uint8)
    thick = max(1, round(min(height, width) * rng.uniform(0.05, 0.15)))
    here, angle = rng.uniform(0, (width, height)), rng.uniform(0, 2 * np.pi)
    while mask.mean() < share:
        angle += rng.normal(0, 0.7)
        there = here + rng.uniform(0.5, 2) * thick * np.array([np.cos(angle), np.sin(angle)])
        if not ((there >= 0) & (there < (width, height))).all():
            angle = rng.uniform(0, 2 * np.pi)
            continue
        cv2.line(mask, here.astype(int).tolist(), there.astype(int).tolist(), 1, thick)
        here = there
    return mask.astype(np.bool_)


def _sides(height: int, width: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    """Of a box of a share of an image, no more than twice as long as the image is, and not longer than that."""
    stretch = np.exp(rng.uniform(-np.log(2), np.log(2)) / 2)
    down = float(np.clip(np.sqrt(share) * stretch, share, 1))
    return max(1, round(height * down)), max(1, round(width * share / down))


SHAPES: dict[str, Callable[[int, int, float, np.random.Generator], Mask]] = {
    "rectangle": rectangle, "ellipse": ellipse, "strokes": strokes
}  # fmt: skip


def _in_folder(folder: Path) -> MaskOf:
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix[1:].lower() in IMAGE_SUFFIXES}

    def find(path: str, sha256: str | None, uid: str, size: tuple[int, int]) -> Mask:
        file = files.get(Path(path).stem) or files.get(uid)
        if file is None:
            raise SynthscopeError(f"Expected a mask of {path} in {folder}, got none of its name. Add it.")
        return _checked(read_mask(file, rule="nonzero"), size, f"{file}")

    return find


def _in_table(table: pl.DataFrame) -> MaskOf:
    rows = rows_by_image(table)

    def find(path: str, sha256: str | None, uid: str, size: tuple[int, int]) -> Mask:
        found = rows.get(path) if path in rows else rows.get(sha256) if sha256 else None
        if found is None:
            raise SynthscopeError(f"Expected regions of {path} in the table of masks, got none. Add them.")
        return _checked(image_masks(found, *size), size, f"the regions of {path}")

    return find


def _checked(mask: Mask, size: tuple[int, int], name: str) -> Mask:
    if mask.shape != size:
        raise SynthscopeError(
            f"Expected a mask of {size[1]} x {size[0]} pixels, got {mask.shape[1]} x {mask.shape[0]} of {name}. "
            "Resize the mask."
        )
    if not mask.any():
        raise SynthscopeError(f"Expected a mask with an inside, got an empty one of {name}. Draw or remove it.")
    return mask
