"""CAMs of a network whose maps and gradients are known, against the papers' equations in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from synthscope.explainers.base import create_explainer
from tests.explainers.tiny import Network

SIDE, CELL = 24, 8  # pixels of the input and of a position of the maps


class Squares(nn.Module):
    """Two maps, the mean red and green of each square of 8 x 8; the logit is the sum of ``kernel * maps``."""

    def __init__(self, kernel: np.ndarray) -> None:
        super().__init__()
        self.maps = nn.AvgPool2d(CELL)
        self.register_buffer("kernel", torch.tensor(kernel, dtype=torch.float32))

    def forward(self, normalised: Tensor) -> Tensor:
        return (self.maps(normalised[:, :2]) * self.kernel).sum((1, 2, 3))[:, None]


def enlarged(small: np.ndarray) -> np.ndarray:
    """Bilinear, pixel by pixel, between the centres of positions and constant beyond the outermost."""
    large = np.empty((SIDE, SIDE))
    last = small.shape[0] - 1
    for y, x in np.ndindex(SIDE, SIDE):
        row, column = (min(max((place + 0.5) / CELL - 0.5, 0), last) for place in (y, x))
        top, left = int(row), int(column)
        bottom, right = min(top + 1, last), min(left + 1, last)
        down, across = row - top, column - left
        upper = (1 - across) * small[top, left] + across * small[top, right]
        large[y, x] = (1 - down) * upper + down * ((1 - across) * small[bottom, left] + across * small[bottom, right])
    return large


def published(maps: np.ndarray, gradients: np.ndarray, method: str) -> np.ndarray:
    """One map ``(3, 3)`` of maps and gradients ``(2, 3, 3)``, its negative values 0."""
    cam = np.zeros(maps.shape[1:])
    for a, g in zip(maps, gradients, strict=True):
        if method == "gradcam":  # Selvaraju et al., eq. 1 and 2
            weight = g.sum() / g.size
            cam += weight * a
        elif method == "gradcam++":  # Chattopadhay et al., eq. 19, 5 and 14
            alpha = g**2 / (2 * g**2 + a.sum() * g**3)
            cam += (alpha * np.maximum(g, 0)).sum() * a
        else:  # Jiang et al., eq. 4 to 6
            cam += np.maximum(g, 0) * a
    return np.maximum(cam, 0)


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "layercam"])
def test_maps_are_cut_off_at_0_and_then_enlarged(method: str) -> None:
    rng = np.random.default_rng(3)
    gradients = rng.normal(0.3, 1, (2, 3, 3))
    image = rng.integers(0, 256, (1, 3, 3, 3)).repeat(CELL, 2).repeat(CELL, 3)
    detector = Network(Squares(gradients), SIDE).eval()
    images = torch.tensor(image, dtype=torch.uint8)
    maps = detector.normalize(images)[0, :2, ::CELL, ::CELL].double().numpy()
    expected = enlarged(published(maps, gradients, method))
    assert expected.max() > 0 and (published(maps, gradients, method) == 0).any()
    found = create_explainer(f"{method}:layer=net.maps")(detector, images)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_position_for_ai_between_positions_against_it_by_hand() -> None:
    kernel = np.zeros((2, 3, 3))
    kernel[0] = 1  # weight 1 for red, 0 for green
    pixels = np.zeros((1, 3, SIDE, SIDE), np.uint8)
    pixels[0, 0, CELL : 2 * CELL, CELL : 2 * CELL] = 255
    detector = Network(Squares(kernel), SIDE).eval()
    high = float(detector.normalize(torch.tensor(pixels))[0, 0, SIDE // 2, SIDE // 2])
    heat = create_explainer("gradcam:layer=net.maps")(detector, torch.tensor(pixels))[0]
    ramp = np.r_[np.zeros(4), np.arange(0.5, 8) / 8, np.arange(7.5, 0, -1) / 8, np.zeros(4)]  # from centre to centre
    np.testing.assert_allclose(heat, high * np.outer(ramp, ramp), rtol=1e-5, atol=1e-6)
