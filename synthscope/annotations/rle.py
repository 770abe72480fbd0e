"""Run lengths of masks: COCO's as compressed text, and plain ones as CVAT has them.

COCO's go column by column, zeros first, each count minus the one two before, in 5-bit digits; the first three counts
are stored as they are. Written from the published format (``maskApi.c`` of cocoapi).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthscope.errors import SynthscopeError

MAX_PIXELS = 10**8


def encode_rle(mask: NDArray[np.bool_]) -> str:
    """Compressed counts of a mask ``(H, W)``.

    >>> encode_rle(np.ones((2, 2), bool)), encode_rle(np.eye(2, dtype=bool))
    ('04', '0120')
    """
    return encode_counts(to_runs(mask.T))


def decode_rle(text: str, height: int, width: int) -> NDArray[np.bool_]:
    """Mask ``(height, width)`` of compressed counts.

    Raises:
        SynthscopeError: Not such counts, or counts of an image of another size.
    """
    counts = decode_counts(text)
    total = sum(counts)
    if height * width > MAX_PIXELS or total != height * width or min(counts, default=0) < 0:
        raise SynthscopeError(
            f"Expected run lengths of {width} x {height} = {width * height} pixels, got {total}. "
            "Check that mask and image have the same size."
        )
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T


def encode_counts(counts: list[int]) -> str:
    """Run lengths as text."""
    digits = bytearray()
    for i, count in enumerate(counts):
        x, more = count - counts[i - 2] if i > 2 else count, True
        while more:
            digit, x = x & 31, x >> 5
            more = x != (-1 if digit & 16 else 0)
            digits.append(digit + 32 * more + 48)
    return digits.decode("ascii")


def decode_counts(text: str) -> list[int]:
    """Run lengths of text. Raises ``SynthscopeError`` where it ends amid a number or holds other characters."""
    counts: list[int] = []
    x = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64 or shift > 35:
            raise SynthscopeError(
                f"Expected COCO's compressed run lengths, got {text[:20]!r}. Write the annotation anew."
            )
        x |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            x -= (1 << shift) if digit & 16 else 0
            counts.append(x + counts[-2] if len(counts) > 2 else x)
            x = shift = 0
    if shift:
        raise SynthscopeError(
            f"Expected complete run lengths, got {text[-20:]!r} at the end. Write the annotation anew."
        )
    return counts


def to_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of a mask ``(H, W)``, row by row, zeros first.

    >>> to_runs(np.array([[0, 1], [1, 0]], bool))
    [1, 2, 1]
    """
    flat = mask.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    return np.diff([*([0] if flat.size and flat[0] else []), 0, *changes, flat.size]).tolist()


def from_runs(runs: list[int], height: int, width: int, where: str) -> NDArray[np.bool_]:
    """The mask ``(height, width)`` of :func:`to_runs`.

    Raises:
        SynthscopeError: Runs of another size; ``where`` names the file.
    """
    if min(runs, default=0) < 0 or min(height, width) < 0 or sum(runs) != height * width or height * width > MAX_PIXELS:
        raise SynthscopeError(
            f"Expected runs of {width} x {height} pixels in {where}, got {sum(runs)}. Export the mask again."
        )
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
