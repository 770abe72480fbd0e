from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from synthscope.sandbox.graphics import KINDS, draw


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_repeats_and_differs_between_seeds(kind: str) -> None:
    first, again, other = draw(kind, 3), draw(kind, 3), draw(kind, 4)
    assert first.mode == "RGB" and min(first.size) >= 380 and max(first.size) <= 2000
    assert np.array_equal(np.asarray(first), np.asarray(again))
    assert first.size != other.size or not np.array_equal(np.asarray(first), np.asarray(other))


@pytest.mark.parametrize("kind", ["web page", "chat"])
def test_given_photographs_are_shown(kind: str) -> None:
    red = Image.new("RGB", (40, 30), (250, 3, 7))
    for seed in range(5):
        pixels = np.asarray(draw(kind, seed, [red]))
        if (pixels == (250, 3, 7)).all(axis=2).sum() > 500:
            return
    pytest.fail("five pictures show no photograph")
