"""RISE's masks, read off a heatmap of one mask, against section 3.2 of the paper in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from synthscope.explainers.base import create_explainer
from tests.explainers.tiny import Linear

EVEN = 1 / (1 + math.exp(-0.5))  # probability of AI of a detector that always says 0.5


def mask(height: int, width: int, seed: int, cells: int, keep: float = 0.5) -> np.ndarray:
    """A heatmap of one mask is ``probability * mask / keep``."""
    detector = Linear(weights=torch.zeros(3, height, width)).eval()
    explainer = create_explainer(f"rise:masks=1,seed={seed},cells={cells},keep={keep}")
    return explainer(detector, torch.zeros(1, 3, height, width))[0].double().numpy() * keep / EVEN


def window(side: int, cells: int, start: int) -> np.ndarray:
    """What ``side`` pixels take of each cell ``(side, cells)``, from ``start`` on in the enlarged grid."""
    large = (cells + 1) * math.ceil(side / cells)
    weights = np.zeros((side, cells))
    for pixel in range(side):
        place = min(max((start + pixel + 0.5) * cells / large - 0.5, 0), cells - 1)
        below = min(int(place), cells - 2)
        weights[pixel, below : below + 2] = below + 1 - place, place - below
    return weights


@pytest.mark.parametrize(("height", "width", "cells"), [(24, 24, 3), (20, 33, 4)])
def test_masks_are_enlarged_grids_of_zeros_and_ones_cut_out_at_random(height: int, width: int, cells: int) -> None:
    steps = math.ceil(height / cells), math.ceil(width / cells)
    rows, columns = (
        [window(side, cells, start) for start in range(side // cells * 2)] for side in (height, width)
    )  # further than any window may start
    undo_rows, undo_columns = ([np.linalg.pinv(part) for part in parts] for parts in (rows, columns))
    seen: list[set[int]] = [set(), set()]
    for seed in range(150):
        found = mask(height, width, seed, cells)
        fits = set()
        for top, left in np.ndindex(len(rows), len(columns)):
            grid = (undo_rows[top] @ found @ undo_columns[left].T).round().clip(0, 1)
            if np.allclose(rows[top] @ grid @ columns[left].T, found, atol=1e-5):
                fits.add((top, left))
        assert fits, seed
        if len(fits) == 1:  # grids of equal rows fit at several places
            for axis, start in enumerate(*fits):
                seen[axis].add(start)
    assert seen == [set(range(step)) for step in steps]


@pytest.mark.parametrize("keep", [0.2, 0.5])
def test_every_pixel_is_shown_as_often_as_a_cell(keep: float) -> None:
    detector = Linear(weights=torch.zeros(3, 26, 20)).eval()
    heat = create_explainer(f"rise:masks=6000,cells=5,keep={keep}")(detector, torch.zeros(1, 3, 26, 20))[0]
    error = math.sqrt((1 - keep) / keep / 6000)  # of the mean of a cell, relative; blends of cells vary less
    assert abs(heat / EVEN - 1).max() < 5 * error
