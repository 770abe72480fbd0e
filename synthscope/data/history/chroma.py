"""What is left of colour between every second pixel: chroma that was halved once has little there."""

from __future__ import annotations

import cv2
import numpy as np


def chroma_features(rgb: np.ndarray) -> dict[str, float]:
    """Fine detail of Cr and Cb of uint8 ``(8 m, 8 n, 3)`` pixels relative to their own coarser one, in logarithms.

    Fine detail is what halving and doubling a plane loses, coarser detail the same of the halved plane. Content has
    both, subsampling takes only the first. (Detail relative to that of luma tells how colourful content is.)
    """
    picture = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    half, lost = halve(picture)
    fine, coarse = np.log(lost[1:] + 0.01), np.log(halve(half)[1][1:] + 0.01)
    return {
        "fine to coarse detail of chroma": float((fine - coarse).mean()),
    }


def halve(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture ``(H, W, 3)`` at half the size, and the mean square that doubling does not bring back, ``(3,)``.

    Means of 2 x 2 pixels, as JPEG takes them, and linear doubling.
    """
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    lost = cv2.subtract(picture, cv2.resize(half, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR))
    return half, np.array(cv2.mean(cv2.multiply(lost, lost))[:3])
