"""The image, scaled down for a page."""

from __future__ import annotations

from io import BytesIO

import numpy as np

SIDE, THUMBNAIL = 1280, 200  # longest side in pixels
QUALITY = 88


def jpeg(rgb: np.ndarray, side: int = SIDE) -> bytes:
    """A JPEG file of uint8 ``(H, W, 3)`` pixels, its longest side at most ``side``."""
    from PIL import Image

    image = Image.fromarray(rgb)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()
