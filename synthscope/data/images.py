"""Decode image files that may be hostile, once, to plain RGB pixels."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np

from synthscope.errors import UnreadableImageError

MAX_MEGAPIXELS = 100.0


def read_rgb(source: str | Path | bytes, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Decode one image.

    Args:
        source: A path, or the bytes of a file.
        max_megapixels: Refuse larger images before decoding them.

    Returns:
        uint8 ``(H, W, 3)`` RGB with the EXIF orientation applied.

    Raises:
        UnreadableImageError: Empty, truncated, too large or not an image.
    """
    from PIL import Image, ImageOps

    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        with Image.open(BytesIO(data)) as image:
            if image.width * image.height > max_megapixels * 1e6:
                raise UnreadableImageError(f"Expected at most {max_megapixels} megapixels, got {image.size}.")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except OSError as error:
        raise UnreadableImageError(str(error)) from error
