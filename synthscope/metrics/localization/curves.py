"""Areas under curves of recall over the false positive rate of pixels, where annotated regions may count alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from synthscope.errors import SynthscopeError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def region_weights(mask: Mask) -> tuple[Floats, int]:
    """``(H, W)`` 1 / size of the 8-connected region of each annotated pixel, 0 elsewhere; and how many there are."""
    labels, regions = ndimage.label(mask, structure=EIGHT_NEIGHBOURS)
    sizes = np.bincount(labels.ravel(), minlength=regions + 1)
    return np.append(0.0, 1 / sizes[1:])[labels], regions


class Bounded(NamedTuple):
    """A figure, and what it cannot leave whatever the order of the pixels that were taken as equal."""

    value: float
    low: float
    high: float


def partial_area(fpr: Floats, recall: Floats, max_fpr: float, *, exact: ArrayLike = True) -> Bounded:
    """Area under a curve from (0, 0) through its rising points ``(n,)``, linear between them, divided by its width.

    Args:
        fpr: ``(n,)`` rising to 1.
        recall: ``(n,)`` rising to 1.
        max_fpr: Where the area ends.
        exact: bool ``(n,)``: the pixels between this point and the one before are known to be equal.

    Raises:
        SynthscopeError: A ``max_fpr`` outside (0, 1].
    """
    if not 0 < max_fpr <= 1:
        raise SynthscopeError(f"Expected max_fpr in (0, 1], got {max_fpr}. Give a fraction, not percent.")
    x, y = np.append(0.0, fpr), np.append(0.0, recall)
    width = np.diff(np.minimum(x, max_fpr))
    share = np.divide(width, np.diff(x), out=np.ones_like(width), where=np.diff(x) > 0)  # of the segment up to max_fpr
    mean = y[:-1] + share * np.diff(y) / 2
    low, high = np.where(exact, mean, y[:-1]), np.where(exact, mean, y[1:])
    return Bounded(*(float(width @ height / max_fpr) for height in (mean, low, high)))
