"""ROAD: the imputation by hand and by its equations, and curves of a detector that counts white pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.calibration import probabilities
from synthscope.metrics.road import FRACTIONS, impute, road_curve

SQUARE = np.zeros((16, 16), bool)
SQUARE[6:10, 4:12] = True  # 32 of 256 pixels
WHITE_SQUARE = np.where(SQUARE, 255, 0).astype(np.uint8)[..., None].repeat(3, 2)
DIGITS = np.arange(1.0, 10).reshape(3, 3, 1)


def brightness_inside(images: np.ndarray) -> np.ndarray:
    """A logit that falls from 4 to -4 as the square goes black."""
    return images[:, SQUARE].mean((1, 2)) / 255 * 8 - 4


def curve(heatmap: np.ndarray, order: str, **options):
    return road_curve(brightness_inside, WHITE_SQUARE, heatmap=heatmap, order=order, **options)


def hole(*places: tuple[int, int]) -> np.ndarray:
    removed = np.zeros((3, 3), bool)
    removed[tuple(zip(*places, strict=True))] = True
    return removed


def test_three_by_three_by_hand() -> None:
    image = DIGITS.copy()
    image[0, 2] = 21
    middle = (2 + 4 + 6 + 8) / 6 + (1 + 21 + 7 + 9) / 12
    assert impute(image, hole((1, 1)))[1, 1] == pytest.approx(middle)
    corner = ((2 + 4) / 6 + 5 / 12) / (5 / 12)  # two direct and one diagonal neighbour, 5/12 in all
    assert impute(image, hole((0, 0)))[0, 0] == pytest.approx(corner)
    edge = ((1 + 7 + 5) / 6 + (2 + 8) / 12) / (8 / 12)
    assert impute(image, hole((1, 0)))[1, 0] == pytest.approx(edge)
    # two unknowns: middle = top / 6 + 14 / 3 and top = middle / 4 + 9 / 4
    both = impute(DIGITS, hole((0, 1), (1, 1)))
    assert both[:2, 1, 0] == pytest.approx([82 / 23, 121 / 23])


def equation(image: np.ndarray, y: int, x: int) -> np.ndarray:
    """The weighted mean of the neighbours that lie in the image."""
    total, weights = np.zeros(image.shape[2]), 0.0
    for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
        if 0 <= y + dy < image.shape[0] and 0 <= x + dx < image.shape[1]:
            weight = 1 / 12 if dy and dx else 1 / 6
            total, weights = total + weight * image[y + dy, x + dx], weights + weight
    return total / weights


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(2, 9), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_every_removed_pixel_satisfies_its_equation(height: int, width: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    image, removed = rng.integers(0, 256, (height, width, 3), np.uint8), rng.random((height, width)) < share
    removed.flat[rng.integers(removed.size)] = False
    filled = impute(image, removed)
    assert (filled[~removed] == image[~removed]).all()
    for y, x in np.argwhere(removed):
        assert filled[y, x] == pytest.approx(equation(filled, y, x), abs=1e-8)
    assert filled.min() >= image[~removed].min() - 1e-8 and filled.max() <= image[~removed].max() + 1e-8


def test_a_truthful_heatmap_falls_faster_from_its_most_relevant_pixels() -> None:
    heatmap = SQUARE + 0.1 * np.random.default_rng(0).random(SQUARE.shape)
    morf, lerf = curve(heatmap, "morf"), curve(heatmap, "lerf")
    assert morf.fraction == pytest.approx(np.r_[0, FRACTIONS], abs=0.5 / 256)
    assert morf.logits[0] == lerf.logits[0] == 4
    assert (morf.logits[1:] < lerf.logits[1:]).all()
    assert morf.logits[2:].max() < -3.5 < 3.5 < lerf.logits[1:6].min()  # 20 % hold the square
    assert morf.mean == pytest.approx(probabilities(morf.logits[1:]).mean()) and morf.mean < 0.3 < 0.8 < lerf.mean
    wrong = curve(1 - heatmap / 2, "morf")
    assert wrong.mean == pytest.approx(lerf.mean, abs=0.02) and (morf.order, lerf.order) == ("morf", "lerf")


def test_orders_are_each_others_reverse() -> None:
    heatmap = 1 + np.random.default_rng(1).permutation(256).reshape(16, 16)
    assert (curve(heatmap, "morf", noise=0).logits == curve(257 - heatmap, "lerf", noise=0).logits).all()


def test_noise_is_seeded_and_lies_on_removed_pixels_alone() -> None:
    seen: list[np.ndarray] = []

    def record(images: np.ndarray) -> np.ndarray:
        seen.append(images.astype(int))
        return np.zeros(len(images))

    grey, heatmap = np.full((64, 64, 3), 100, np.uint8), np.random.default_rng(0).permutation(4096).reshape(64, 64) + 1
    for seed, noise in ((0, 0.01), (0, 0.01), (1, 0.01), (0, 0)):
        road_curve(record, grey, heatmap=heatmap, order="morf", noise=noise, seed=seed)
    first, again, other, plain = seen
    assert (first == again).all() and (first != other).any() and (plain == 100).all()
    for image, fraction in zip(first[1:], FRACTIONS, strict=True):
        kept = heatmap <= 4096 - round(4096 * fraction)
        assert (image[kept] == 100).all()
        assert image[~kept].std() == pytest.approx(np.sqrt(2.55**2 + 1 / 12), rel=0.1)  # 1/12 by rounding
        assert image[~kept].mean() == pytest.approx(100, abs=0.4)


def test_blank_heatmaps_have_a_curve_but_no_mean() -> None:
    blank = curve(-np.ones(SQUARE.shape), "morf")
    assert np.isnan(blank.mean) and np.isfinite(blank.logits).all()
    assert (curve(np.ones(SQUARE.shape), "morf").logits == blank.logits).all()
    assert (curve(np.ones(SQUARE.shape), "morf", seed=1).logits != blank.logits).any()


def test_sentences() -> None:
    heatmap = np.ones(SQUARE.shape)
    for fractions in ((0.5, 1.0), (0.001,), (), (-0.1, 0.5)):
        with pytest.raises(SynthscopeError, match="remove some and not all"):
            curve(heatmap, "morf", fractions=fractions)
    with pytest.raises(UsageError, match="morf or lerf, got 'first'"):
        curve(heatmap, "first")
    with pytest.raises(SynthscopeError, match="one shape"):
        curve(np.ones((3, 3)), "morf")
    with pytest.raises(SynthscopeError, match="to impute from, got none"):
        impute(DIGITS, np.ones((3, 3), bool))
    with pytest.raises(SynthscopeError, match="8 finite logits"):
        road_curve(lambda images: 0.0, WHITE_SQUARE, heatmap=heatmap, order="morf")
