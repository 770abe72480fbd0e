"""Pictures to files: delivered ones as they came, others as PNG, as in GenImage."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from synthscope.generation.contract import Made, Order
from synthscope.runtime.files import whole_file


def save_image(made: Made, order: Order, out: Path) -> str:
    """Write ``made.file``, else ``made.rgb`` as PNG, to ``out / order.path``; returns the path below ``out``."""
    if made.file is None:
        assert made.rgb is not None
        data = png(made.rgb)
    else:
        data = made.file
    path = f"{order.path}{suffix_of(data)}"
    with whole_file(out / path) as temporary:
        temporary.write_bytes(data)
    return path


def png(rgb: np.ndarray) -> bytes:
    """``(H, W, 3)`` uint8 as a PNG file without metadata."""
    return cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()


def suffix_of(file: bytes) -> str:
    """``.jpg``, ``.webp`` or ``.png``, by the first bytes of a file."""
    if file.startswith(b"\xff\xd8"):
        return ".jpg"
    return ".webp" if file[8:12] == b"WEBP" else ".png"
