"""A detector's input laid back over the image, against torch's antialiased resize."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from synthscope.detectors.input import InputConfig, place
from synthscope.errors import UsageError


@pytest.mark.parametrize("size", [(40, 50), (64, 64), (97, 131), (300, 500), (20, 700)])
def test_a_whole_input_is_resized_as_torch_resizes_it(size: tuple[int, int]) -> None:
    heatmap = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    placed = place(heatmap, InputConfig(resize=64, resize_mode="square", crop=None), size)
    expected = functional.interpolate(
        torch.from_numpy(heatmap)[None, None], size, mode="bilinear", antialias=True, align_corners=False
    )[0, 0]
    assert placed.seen.all() and placed.heat.dtype == np.float32
    np.testing.assert_allclose(placed.heat, expected.numpy(), atol=5e-5)  # torch computes places in float32


def test_equal_neighbours_stay_equal() -> None:
    heatmap = np.kron(np.arange(16, dtype=np.float32).reshape(4, 4), np.ones((16, 16), np.float32))
    heat = place(heatmap, InputConfig(resize=64, resize_mode="square", crop=None), (192, 192)).heat
    inner = heat.reshape(4, 48, 4, 48)[:, 3:-3, :, 3:-3]
    assert np.ptp(inner, axis=(1, 3)).max() == 0


def test_a_heatmap_of_another_size_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Expected a heatmap of \(64, 64\), the detector's input, got \(32, 64\)"):
        place(np.zeros((32, 64)), InputConfig(crop=64), (100, 100))
