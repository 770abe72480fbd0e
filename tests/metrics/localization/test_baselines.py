"""Chance against enumeration and simulation, and what the baseline maps look like."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from synthscope.errors import UsageError
from synthscope.metrics.localization.baselines import BASELINES, chance, lift
from synthscope.metrics.localization.maps import LOCALIZATION, binarise

APPROXIMATE = "iou_at_threshold", "iou_at_otsu"
MASKS = [np.array([[1, 0, 1], [0, 0, 0]]), np.array([[1, 1, 0], [1, 1, 0]]), np.array([[0, 1, 0, 1, 0, 1]])]


@pytest.mark.parametrize("mask", MASKS, ids=["dots", "block", "line"])
@pytest.mark.parametrize("name", [name for name in LOCALIZATION if name not in APPROXIMATE])
def test_chance_is_the_mean_over_all_orders_of_the_pixels(name: str, mask: np.ndarray) -> None:
    values = np.array([0.1, 0.2, 0.4, 0.5, 0.8, 1.1])
    scores = [LOCALIZATION[name].function(np.reshape(order, mask.shape), mask) for order in permutations(values)]
    assert chance(name, mask) == pytest.approx(np.mean(scores), abs=1e-12)


@pytest.mark.parametrize("name", LOCALIZATION)
@pytest.mark.parametrize("side", [12, 40])
def test_a_random_map_scores_at_chance(name: str, side: int) -> None:
    mask = np.zeros((side, side), bool)
    mask[1 : side // 2, 2:7] = mask[-3:, -4:] = True
    rgb, rng = np.zeros((side, side, 3), np.uint8), np.random.default_rng(0)
    scores = [LOCALIZATION[name].function(BASELINES["random"](rgb, rng), mask) for _ in range(300)]
    error = 4 * np.std(scores) / np.sqrt(len(scores)) + 1e-12
    assert chance(name, mask) == pytest.approx(np.mean(scores), abs=error)
    assert lift(name, float(np.mean(scores)), mask=mask) == pytest.approx(0, abs=error)


@pytest.mark.parametrize("name", LOCALIZATION)
def test_chance_of_a_mask_without_score(name: str) -> None:
    assert np.isnan(chance(name, np.zeros((4, 4))))


def test_unknown_measure() -> None:
    with pytest.raises(UsageError, match="Did you mean relevance_mass"):
        chance("relevance_mas", np.eye(3))


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_have_the_size_of_the_image_and_no_negative_value(name: str) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (31, 47, 3), np.uint8)
    heatmap = BASELINES[name](rgb, np.random.default_rng(1))
    assert heatmap.shape == (31, 47) and heatmap.dtype == np.float32 and heatmap.min() >= 0 < heatmap.max()
    assert (heatmap == BASELINES[name](rgb, np.random.default_rng(1))).all()


def test_centre_and_edges_by_hand() -> None:
    rng, rgb = np.random.default_rng(0), np.zeros((21, 41, 3), np.uint8)
    centre = BASELINES["centre"](rgb, rng)
    assert np.unravel_index(centre.argmax(), centre.shape) == (10, 20)
    assert np.allclose(centre, centre[::-1]) and np.allclose(centre, centre[:, ::-1])
    assert centre[10, 0] == pytest.approx(np.exp(-((20 / 41 / 0.25) ** 2) / 2))
    assert not BASELINES["edges"](rgb + 200, rng).any()
    rgb[5:15, 10:30] = 255
    edges = BASELINES["edges"](rgb, rng)
    assert edges[10, 9] == edges[10, 10] == 4 * 255 and edges[10, 20] == edges[0, 0] == 0
    assert binarise(edges)[4:16, 9:31].sum() == binarise(edges).sum()
