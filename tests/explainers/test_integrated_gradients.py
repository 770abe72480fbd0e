"""Integrated gradients in closed form, and completeness where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from synthscope.detectors.base import Detector
from synthscope.detectors.hub import create_detector
from synthscope.explainers.base import create_explainer
from tests.explainers.tiny import Linear, Network, named, pixels, settled

SIDE = 24


class Power(Linear):
    """``weight * normalised ** power`` of every value, added up: from the mean colour, each explains itself."""

    def __init__(self, power: int) -> None:
        super().__init__()
        self.power, self.passes = power, 0

    def forward(self, images: Tensor) -> Tensor:
        self.passes += len(images)
        return (self.normalize(images) ** self.power * self.kernel).sum((1, 2, 3)) + 0.5

    def parts(self, images: Tensor) -> Tensor:
        return (self.normalize(images) ** self.power * self.kernel).sum(1).detach()


@pytest.mark.parametrize("power", [1, 2])
def test_one_step_is_exact_for_lines_and_parabolas(power: int) -> None:
    detector, images = Power(power).eval(), pixels(2, 3, SIDE, SIDE)
    explainer = create_explainer("integrated_gradients:steps=1")
    heatmaps = explainer(detector, images)
    assert detector.passes == 2 * (2 + 1)  # logits of the image and of the baseline, and one gradient
    torch.testing.assert_close(heatmaps, detector.parts(images), rtol=1e-4, atol=1e-4)
    assert explainer.completeness_gap(detector, images, heatmaps).max() < 1e-4


@pytest.mark.parametrize(("tolerance", "steps"), [(0.3, 1), (0.1, 3), (0.01, 9), (0.002, 27), (0.0001, 27)])
def test_steps_grow_until_the_gap_of_a_cubic_is_small(tolerance: float, steps: int) -> None:
    """The midpoint rule finds ``1 - 1 / (4 n ** 2)`` of the integral of ``3 t ** 2`` from 0 to 1."""
    detector, images = Power(3).eval(), pixels(2, 3, SIDE, SIDE)
    explainer = create_explainer(f"integrated_gradients:steps=1,max_steps=50,tolerance={tolerance}")
    heatmaps = explainer(detector, images)
    assert detector.passes == 2 * (2 + steps)  # gradients of shorter sums are kept
    share = 1 - 1 / (4 * steps**2)
    torch.testing.assert_close(heatmaps, share * detector.parts(images), rtol=1e-3, atol=1e-3)
    gaps = explainer.completeness_gap(detector, images, heatmaps)
    np.testing.assert_allclose(gaps, 1 - share, rtol=0.02)


def test_small_gains_are_not_divided_by() -> None:
    detector = Linear(weights=torch.zeros(3, SIDE, SIDE)).eval()
    images = pixels(1, 3, SIDE, SIDE)
    explainer = create_explainer("integrated_gradients")
    assert explainer.completeness_gap(detector, images, torch.zeros(1, SIDE, SIDE)).item() == 0
    gap = explainer.completeness_gap(detector, images, torch.full((1, SIDE, SIDE), 0.02 / SIDE**2))
    assert gap.item() == pytest.approx(0.02 / 0.1, rel=1e-3)


@pytest.mark.parametrize("baseline", ["mean", "black"])
def test_heatmaps_of_a_network_are_complete(baseline: str) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 81, 1)
    )
    detector, images = Network(layers, SIDE).eval(), pixels(4, 3, SIDE, SIDE)
    explainer = create_explainer(f"integrated_gradients:tolerance=0.002,max_steps=4000,baseline={baseline}")
    heatmaps = explainer(detector, images)
    start = detector.mean.expand(1, 3, SIDE, SIDE) if baseline == "mean" else torch.zeros(1, 3, SIDE, SIDE)
    with torch.no_grad():
        gains = (detector(images) - detector(start)).numpy()
    gaps = abs(heatmaps.sum((1, 2)).numpy() - gains) / np.maximum(abs(gains), 0.1)
    assert gaps.max() < 0.0021 and abs(gains).min() > 0
    torch.testing.assert_close(
        explainer.completeness_gap(detector, images, heatmaps), torch.tensor(gaps), rtol=1e-2, atol=1e-4
    )


def test_other_images_do_not_decide_the_steps() -> None:
    detector: Detector = settled(create_detector("cnn_small", input={"resize": None, "crop": 32}))
    images = pixels(3, 3, 32, 32)
    images[1] = 128  # soon complete
    explainer = create_explainer("integrated_gradients:steps=2,max_steps=54")
    together = explainer(detector, images)
    for image, heat in zip(images, together, strict=True):
        assert torch.equal(explainer(detector, image[None])[0], heat)


def test_methods_that_promise_no_sum_have_no_gap() -> None:
    detector, images = named("cnn_small"), pixels(1, 3, 64, 64)
    for method in ("input_x_grad", "gradcam", "occlusion"):
        assert create_explainer(method).completeness_gap(detector, images, torch.zeros(1, 64, 64)) is None
