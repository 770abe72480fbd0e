"""The two residuals, against loops and by what they leave of smooth and of doubled images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from synthscope.detectors.residual import nearest_residual, residual


def test_the_residual_of_a_smooth_image_is_zero_and_that_of_an_edge_is_cut() -> None:
    flat = torch.full((1, 3, 8, 8), 0.7)
    assert residual(flat).abs().max() < 1e-5
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1.0
    assert residual(edge)[0, 0, 4].tolist() == pytest.approx([0, 0, 0, -8 / 3, 8 / 3, 0, 0, 0])
    assert residual(edge * 4).abs().max() == 3


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 1000))
def test_the_residual_is_each_pixel_less_the_corner_of_its_cell(height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).normal(size=(3, height, width))
    expected = np.zeros((3, height // 2 * 2, width // 2 * 2))
    for i in range(expected.shape[1]):
        for j in range(expected.shape[2]):
            expected[:, i, j] = image[:, i, j] - image[:, 2 * (i // 2), 2 * (j // 2)]
    np.testing.assert_array_equal(nearest_residual(torch.from_numpy(image)[None])[0].numpy(), expected)


def test_the_residual_of_an_image_doubled_by_nearest_neighbour_is_zero() -> None:
    small = torch.rand(1, 3, 5, 7)
    assert nearest_residual(functional.interpolate(small, scale_factor=2, mode="nearest")).abs().max() == 0
    assert nearest_residual(functional.interpolate(small, scale_factor=2, mode="bilinear")).abs().max() > 0
