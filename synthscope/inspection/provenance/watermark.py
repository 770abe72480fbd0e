"""Invisible watermarks whose decoder is public: ``dwtDct``, which Stable Diffusion, SDXL and FLUX.1 write by default.

Bits stand in the approximation of a Haar transform of the U plane, one a block of 4 x 4 (the package
``invisible-watermark``, ``maxDct.py``). Crops, resizes and strong JPEG remove it, and anyone can embed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import comb

import cv2
import numpy as np

from synthscope.inspection.evidence import Finding
from synthscope.inspection.provenance.source import Source

SMALLEST = 256 * 256  # pixels; the encoder refuses smaller images
STEP, BLOCK = 36, 4  # its quantisation step and block
LEVEL = 1e-6  # chance at which a watermark is told
NOT_CHECKABLE = "SynthID and other watermarks with a secret decoder are not checkable here."


def _bits(message: bytes) -> tuple[int, ...]:
    return tuple(np.unpackbits(np.frombuffer(message, np.uint8)).tolist())


# Messages of public programs: stablediffusion's scripts/txt2img.py (two versions), generative-models' and diffusers'
# StableDiffusionXLWatermarker, and flux's util.py, whose two leading zeros its own bin() drops
MESSAGES: dict[str, tuple[int, ...]] = {
    "Stable Diffusion 1 (StableDiffusionV1)": _bits(b"StableDiffusionV1"),
    "Stable Diffusion 2 (SDV2)": _bits(b"SDV2"),
    "SDXL (48 bits)": tuple(map(int, "101100111110110010010000011110111011000110011110")),
    "FLUX.1 (46 bits)": tuple(map(int, "1010101111111010000111100111001111010100101110")),
}


def watermark_findings(source: Source) -> Iterable[Finding]:
    """Messages of which so many bits match that chance does not explain it."""
    for name, matched in best_matches(source.rgb).items() if source.rgb is not None else ():
        bits = f"{matched} of {len(MESSAGES[name])}"
        chance = chance_of(matched, len(MESSAGES[name]))
        if chance <= LEVEL:
            claim = f"The pixels hold the invisible watermark of {name}: {bits} bits match. Anyone can embed it."
            detail = {"bits": bits, "chance": f"{chance:.1e}", "method": "dwtDct"}
            yield Finding(source="watermark", claim=claim, detail=detail)
    yield Finding(source="watermark", claim=NOT_CHECKABLE)


def best_matches(rgb: np.ndarray) -> dict[str, int]:
    """How many bits of every message stand in uint8 ``(H, W, 3)`` pixels; empty for images that hold none.

    Some programs hand uint8 pixels to the encoder (stablediffusion), some float32 (diffusers), for which OpenCV centres
    the U plane elsewhere: the better of the two counts.
    """
    if rgb.shape[0] * rgb.shape[1] < SMALLEST:
        return {}
    read = [block_bits(rgb), block_bits(rgb.astype(np.float32))]
    return {
        name: max(int((read_message(blocks, len(message)) == message).sum()) for blocks in read)
        for name, message in MESSAGES.items()
    }


def block_bits(rgb: np.ndarray) -> np.ndarray:
    """The bit of every block, bool ``(rows x columns of blocks,)``, of ``(H, W, 3)`` pixels, uint8 or float32 0..255.

    The largest of a block's coefficients but the first, modulo ``STEP``: above half of it is a one.
    """
    height, width = (length // 4 * 4 for length in rgb.shape[:2])
    plane = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV)[:height, :width, 1].astype(np.float32)
    approximation = plane.reshape(height // 2, 2, width // 2, 2).sum((1, 3)) / 2  # Haar
    rows, columns = height // 2 // BLOCK, width // 2 // BLOCK
    blocks = approximation[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)
    largest = np.abs(blocks).reshape(rows * columns, BLOCK * BLOCK)[:, 1:].max(1, initial=0)
    return largest % STEP > STEP / 2


def read_message(blocks: np.ndarray, length: int) -> np.ndarray:
    """Bits bool ``(length,)``: the majority over every ``length``-th block."""
    at = np.arange(len(blocks)) % length
    share = np.bincount(at, blocks, length) / np.maximum(np.bincount(at, minlength=length), 1)
    return share * 255 > 127


def chance_of(matched: int, length: int) -> float:
    """How often at least so many of ``length`` fair bits match by accident, in any of the tries made (Bonferroni).

    >>> chance_of(48, 48) == 2 * len(MESSAGES) / 2**48, chance_of(0, 48)
    (True, 1.0)
    """
    return min(1.0, 2 * len(MESSAGES) * sum(comb(length, k) for k in range(matched, length + 1)) / 2**length)
