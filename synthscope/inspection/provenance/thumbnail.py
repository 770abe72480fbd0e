"""Whether the thumbnail in EXIF shows the picture: editors that keep EXIF often leave an old one behind."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from synthscope.data.images import read_rgb

_LARGEST = 2**16  # bytes
_SIDE = 32  # pixels at which the two are compared
_ALIKE = 0.6  # correlation above which they show the same; a sharpened or recoloured picture stays above 0.9
_TURNS = {3: (2, False), 6: (3, False), 8: (1, False), 2: (0, True), 4: (2, True), 5: (1, True), 7: (3, True)}


def thumbnail_sentence(exif: bytes, orientation: object, rgb: np.ndarray | None) -> Iterator[str]:
    """One sentence, where there is a thumbnail and it shows something else than uint8 ``(H, W, 3)`` upright pixels."""
    file = _thumbnail(exif)
    if file is None or rgb is None:
        return
    small = read_rgb(file, max_megapixels=1, name="the thumbnail")
    turns, mirrored = _TURNS.get(orientation, (0, False)) if isinstance(orientation, int) else (0, False)
    small = np.rot90(small[:, ::-1] if mirrored else small, turns)
    if max(_likeness(small, rgb), _likeness(_inner(small, rgb), rgb)) < _ALIKE:
        yield "The thumbnail in EXIF shows something else than the picture: it was changed by a program that kept EXIF."


def _thumbnail(exif: bytes) -> bytes | None:
    """The JPEG file in the second directory (CIPA DC-008, 4.5.3)."""
    from PIL import ExifTags, Image

    read = Image.Exif()
    read.load(exif)
    second = read.get_ifd(ExifTags.IFD.IFD1)
    start, size = second.get(0x0201), second.get(0x0202)
    if not (isinstance(start, int) and isinstance(size, int) and start > 0 and 0 < size < _LARGEST):
        return None
    file = exif[start : start + size]
    return file if file.startswith(b"\xff\xd8") else None


def _inner(small: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """The middle of a thumbnail that has the picture's proportions: cameras put black bars around the rest."""
    height, width = small.shape[:2]
    across = min(width, max(1, round(height * rgb.shape[1] / rgb.shape[0])))
    down = min(height, max(1, round(width * rgb.shape[0] / rgb.shape[1])))
    top, left = (height - down) // 2, (width - across) // 2
    return small[top : top + down, left : left + across]


def _likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of the two in grey, at the same small size; 1 where both are flat."""
    grey = (cv2.cvtColor(np.ascontiguousarray(each), cv2.COLOR_RGB2GRAY) for each in (one, other))
    small = (cv2.resize(each, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64) for each in grey)
    first, second = (each - each.mean() for each in small)
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    if scale < 1.0:
        return 1.0
    return float((first * second).sum()) / scale
