"""What is left of colour between every second pixel: chroma that was halved once has little there."""

from __future__ import annotations

import cv2
import numpy as np


def chroma_features(rgb: np.ndarray) -> dict[str, float]:
    """Fine detail of Cr and Cb of uint8 ``(8 m, 8 n, 3)`` pixels relative to that of luma, in logarithms.

    Detail is what halving and doubling a plane loses, and its share of the plane's own coarser detail for the picture
    that halving leaves: content has both, subsampling takes only the first.
    """
    picture = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    half, lost = halve(picture)
    fine, coarse = np.log(lost + 0.01), np.log(halve(half)[1] + 0.01)
    return {
        "fine detail of Cr to that of luma": float(fine[1] - fine[0]),
        "fine detail of Cb to that of luma": float(fine[2] - fine[0]),
        "fine to coarse detail of chroma": float((fine[1:] - coarse[1:]).mean()),
    }


def halve(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture ``(H, W, 3)`` at half the size, and the mean square that doubling does not bring back, ``(3,)``.

    Means of 2 x 2 pixels, as JPEG takes them, and linear doubling.
    """
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    lost = cv2.subtract(picture, cv2.resize(half, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR))
    return half, np.array(cv2.mean(cv2.multiply(lost, lost))[:3])
