"""Regions of an image replaced by what could stand there.

A fill leaves traces of its own (no noise, no compression), so its effect on a detector means something only beside
that of the same fill at a benign place of the same image; see ``benign.benign_regions``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthscope.errors import SynthscopeError, UsageError, suggest

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
FILLS = ("inpaint", "blur", "mean")
RADIUS = 3  # of Telea's neighbourhood, pixels
MARGIN = 8  # pixels around a region that decide its inpainting


def fill_region(rgb: Image, mask: Mask, *, fill: str, avoid: Mask | None = None) -> Image:
    """The image with the pixels of a region replaced; all others stay as they are.

    Args:
        rgb: uint8 ``(H, W, 3)``.
        mask: bool ``(H, W)``, not everything.
        fill: ``inpaint`` continues the surroundings (Telea 2004, as OpenCV has it: some grey levels off even where
            they are flat). ``blur`` takes the detail out of each connected part and leaves its colour: a Gaussian whose
            sigma is the radius of the largest circle in the part. ``mean`` is the mean colour of a ring of that width
            around each part.
        avoid: bool ``(H, W)`` of pixels that nothing is to be taken from, such as artifacts near by: where they are
            looked at, they have the mean colour of their own surroundings.

    Returns:
        A new uint8 ``(H, W, 3)``.

    Raises:
        UsageError: Another fill.
        SynthscopeError: A mask of another shape, or one that leaves nothing to fill from.

    >>> rgb, mask = np.full((5, 5, 3), 7, np.uint8), np.eye(5) > 0
    >>> rgb[mask] = 200
    >>> int(fill_region(rgb, mask, fill="mean").max())
    7
    """
    import cv2

    if fill not in FILLS:
        raise UsageError(f"Expected a fill, got {fill!r}. {suggest(fill, FILLS)}")
    if rgb.shape != (*mask.shape, 3) or rgb.dtype != np.uint8 or mask.dtype != np.bool_:
        raise SynthscopeError(
            f"Expected an image uint8 (H, W, 3) and a mask bool (H, W), got {rgb.dtype} {rgb.shape} and {mask.dtype} "
            f"{mask.shape}. Draw the mask at the size of the image."
        )
    if mask.all():
        raise SynthscopeError("Expected a mask that leaves pixels to fill from, got all of the image. Leave it out.")
    source = rgb if avoid is None else fill_region(rgb, avoid & ~mask, fill="mean")
    out = source.copy()
    for part in parts(mask):
        (_blur if fill == "blur" else _ring_mean)(source, mask, part, out)
    if fill == "inpaint" and mask.any():
        window = bounds(mask, MARGIN)
        hole, known = mask[window], np.ascontiguousarray(out[window])  # with means: some of a hole's own pixels leak
        out[window][hole] = cv2.inpaint(known, hole.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)[hole]
    return out if avoid is None else np.where(mask[..., None], out, rgb)


class Part(NamedTuple):
    """Connected pixels of a mask: where they lie, and which of the window they are."""

    rows: slice
    columns: slice
    inside: Mask

    @property
    def radius(self) -> float:
        """Of the largest circle inside, in pixels; whatever lies beyond the border of the image is outside."""
        import cv2

        distances = cv2.distanceTransform(np.pad(self.inside, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return float(distances.max())


def parts(mask: Mask) -> Iterator[Part]:
    """Connected parts (8 neighbours), the largest first."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    for label in 1 + np.argsort(-stats[1:count, cv2.CC_STAT_AREA], kind="stable"):
        x, y, width, height, _ = map(int, stats[label])
        rows, columns = slice(y, y + height), slice(x, x + width)
        yield Part(rows, columns, labels[rows, columns] == label)


def _blur(rgb: Image, mask: Mask, part: Part, out: Image) -> None:
    import cv2

    sigma = part.radius
    reach = int(np.ceil(3 * sigma))
    kernel = cv2.getGaussianKernel(2 * reach + 1, sigma, cv2.CV_32F)
    window, inside = _around(part, reach, mask.shape)
    smooth = cv2.sepFilter2D(rgb[window], -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
    out[window][inside] = smooth[inside]


def _ring_mean(rgb: Image, mask: Mask, part: Part, out: Image) -> None:
    import cv2

    width = max(2, int(np.ceil(part.radius)))
    window, inside = _around(part, width, mask.shape)
    distances = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ring = (distances <= width) & ~mask[window]
    out[window][inside] = np.rint(rgb[window][ring].mean(0))


def _around(part: Part, margin: int, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], Mask]:
    """A window that reaches ``margin`` pixels beyond a part, and the part in it."""
    window, before = [], []
    for place, side in zip((part.rows, part.columns), shape, strict=True):
        window.append(slice(max(place.start - margin, 0), min(place.stop + margin, side)))
        before.append(place.start - window[-1].start)
    inside = np.zeros([place.stop - place.start for place in window], bool)
    height, width = part.inside.shape
    inside[before[0] : before[0] + height, before[1] : before[1] + width] = part.inside
    return (window[0], window[1]), inside


def bounds(mask: Mask, margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle around a mask, larger by ``margin`` where the image has room."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + 1 + margin),
    )
