"""The ways in which the same picture arrives: an answer that one of them changes is not to be relied on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synthscope.data.degrade.chains import CHAINS
from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.degrade.sizes import Resize


class Redelivery(NamedTuple):
    """One way."""

    condition: str  # the degradation recipe, in its canonical form
    label: str  # in words

    def changes(self, height: int, width: int) -> bool:
        """Whether it does anything to an image of this size; a resize that would not shrink it does nothing.

        >>> REDELIVERIES[0].label, REDELIVERIES[0].changes(1080, 1921), REDELIVERIES[0].changes(1080, 1920)
        ('resized to 1,920 pixels', True, False)
        """
        recipe = parse_recipe(self.condition)
        resizes = all(isinstance(step, Resize) for step in recipe.steps)
        return not resizes or recipe.shape_after(height, width) != (height, width)


# Side lengths, qualities and kernels are this project's choice: no source counts how pictures travel.
REDELIVERIES = (
    Redelivery("resize:long=1920", "resized to 1,920 pixels"),
    Redelivery("resize:long=1280", "resized to 1,280 pixels"),
    Redelivery("resize:long=640", "resized to 640 pixels"),
    Redelivery("jpeg:q=95", "saved as JPEG of quality 95"),
    Redelivery("jpeg:q=85", "saved as JPEG of quality 85"),
    Redelivery("jpeg:q=70", "saved as JPEG of quality 70"),
    Redelivery("jpeg:q=50", "saved as JPEG of quality 50"),
    # Web sites send WebP at the size of a page. At 12 megapixels it would cost more than all the others together.
    Redelivery("resize:long=1920|webp:q=80", "saved as WebP of quality 80, at most 1,920 pixels"),
    Redelivery(CHAINS["whatsapp"].recipe, "sent by a messenger (1,600 pixels, JPEG of quality 75)"),
    # Assumed: shown on a screen of 1,080 pixels, stored without loss.
    Redelivery("resize:long=1080,interp=bilinear", "shown as a screenshot of 1,080 pixels"),
    # The corner lies 3 pixels off the grid of 8 and 16 that a JPEG before had: what a detector knew of it has moved.
    Redelivery("crop:frac=0.95,grid=16,offset=3", "cropped by 5 %"),
)


def redeliveries(height: int, width: int) -> tuple[Redelivery, ...]:
    """Those that do anything to an image of this size.

    >>> [way.label for way in redeliveries(1200, 900)][:2]
    ['resized to 640 pixels', 'saved as JPEG of quality 95']
    """
    return tuple(way for way in REDELIVERIES if way.changes(height, width))


def delivered(rgb: np.ndarray, way: Redelivery) -> np.ndarray:
    """The pixels as they arrive. Releases the interpreter lock, so that several ways can run in threads.

    Args:
        rgb: uint8 ``(H, W, 3)``; not modified.
        way: One that the size of the image allows, see :func:`redeliveries`.

    Returns:
        uint8 ``(H', W', 3)``.

    Raises:
        UnreadableImageError: A side that its file format cannot hold.
    """
    return parse_recipe(way.condition).apply(rgb, key="")
