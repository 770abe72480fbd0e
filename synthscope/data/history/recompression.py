"""How still the 8 x 8 blocks of a picture stand under another JPEG round trip.

A block that was compressed before with the same tables is near a fixed point: each further round trip leaves more
blocks as they are (Lai & Boehme 2013, "Block convergence in repeated transform coding"; Huang, Huang & Shi 2010), and
the change is least at the quality used before (Farid 2009, "Exposing digital forgeries from JPEG ghosts").
"""

from __future__ import annotations

import cv2
import numpy as np

QUALITIES = (75, 90, 95, 96, 98)
_SUBSAMPLING = {"4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444}


def recompression_features(rgb: np.ndarray) -> dict[str, float]:
    """Stability of uint8 ``(8 m, 8 n, 3)`` pixels under JPEG.

    For every quality, with chroma 4:2:0: the share of luma blocks that stay exactly as they are, and how this share
    compares with that of a second round trip of the same picture, which hardly depends on content, because smooth
    blocks settle in both. For quality 96 also with chroma 4:4:4. The mean change tells texture more than history.
    """
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    found = {}
    for quality, subsampling in [*((quality, "4:2:0") for quality in QUALITIES), (96, "4:4:4")]:
        first = round_trip(bgr, quality, subsampling)
        second = round_trip(first, quality, subsampling)
        shown = [luma(image) for image in (bgr, first, second)]
        name = f"JPEG {quality}" if subsampling == "4:2:0" else f"JPEG {quality} {subsampling}"
        share, later = unchanged(shown[0], shown[1]), unchanged(shown[1], shown[2])
        found[f"blocks unchanged by {name}"] = share
        found[f"blocks unchanged by {name} relative to a second one"] = (share + 0.01) / (later + 0.01)
    return found


def round_trip(bgr: np.ndarray, quality: int, subsampling: str) -> np.ndarray:
    """uint8 ``(H, W, 3)`` BGR pixels, compressed and decoded."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SUBSAMPLING[subsampling]]
    image = cv2.imdecode(cv2.imencode(".jpg", bgr, options)[1], cv2.IMREAD_COLOR)
    assert image is not None
    return image


def luma(bgr: np.ndarray) -> np.ndarray:
    """uint8 ``(H, W)``: JPEG's Y, rounded."""
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)


def unchanged(before: np.ndarray, after: np.ndarray) -> float:
    """Share of 8 x 8 blocks of two uint8 ``(8 m, 8 n)`` planes that are equal."""
    differs = (before != after).reshape(before.shape[0] // 8, 8, before.shape[1] // 8, 8)
    return float(1 - differs.any((1, 3)).mean())
