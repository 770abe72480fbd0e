"""Label Studio's run lengths of brush strokes: a stream of bits over the RGBA bytes of the image.

Header: 32 bits number of bytes, 5 bits word size - 1, four times 4 bits run size - 1. Then blocks: 1 bit "run", 2 bits
which run size, length - 1 in so many bits, one word for a run or ``length`` words else (label-studio-sdk, brush.py).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthscope.annotations.rle import MAX_PIXELS
from synthscope.errors import SynthscopeError

_SIZES = (3, 4, 8, 16)


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """Bytes of a mask ``(H, W)``: opaque white inside, zero outside."""
    flat = np.repeat(mask.ravel(), 4)
    bits = [f"{flat.size:032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in _SIZES)]
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]
    for start, stop in pairwise(edges):
        word = "1" * 8 if flat[start] else "0" * 8
        for first in range(start, stop, 1 << 16):
            length = min(stop - first, 1 << 16) - 1
            which = next(i for i, size in enumerate(_SIZES) if length < 1 << size)
            bits.append(f"1{which:02b}{length:0{_SIZES[which]}b}{word}")
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def decode_brush(data: list[int], height: int, width: int) -> NDArray[np.bool_]:
    """Mask ``(height, width)``: where alpha is above 0.

    Raises:
        SynthscopeError: Not such runs, or runs of an image of another size.
    """
    text = "".join(f"{byte & 255:08b}" for byte in data)
    at = 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        if at > len(text):
            raise SynthscopeError("Expected whole runs of a brush stroke, got truncated ones. Export them again.")
        return int(text[at - count : at], 2)

    total = take(32)
    if total != 4 * height * width or total > 4 * MAX_PIXELS:
        raise SynthscopeError(
            f"Expected a brush stroke over {width} x {height} pixels, got one over {total // 4}. Export it again."
        )
    word = take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    out = np.zeros(total, dtype=bool)
    i = 0
    while i < total:
        run = take(1)
        stop = min(i + 1 + take(sizes[take(2)]), total)
        if run:
            out[i:stop] = take(word) > 0
        else:
            out[i:stop] = [take(word) > 0 for _ in range(stop - i)]
        i = stop
    return out.reshape(height, width, 4)[..., 3]
