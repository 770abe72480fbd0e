"""Attacks on detectors of which the best perturbation is known; budgets hold in whole grey levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from synthscope.detectors.base import Detector, DetectorConfig
from synthscope.detectors.hub import create_detector
from synthscope.detectors.input import InputConfig
from synthscope.errors import SynthscopeError
from synthscope.studies.attacks.geometry import differentiable
from synthscope.studies.attacks.gradient import mi_fgsm, noise, pgd
from tests.explainers.tiny import Linear

RNG = np.random.default_rng(0)
INPUTS: list[dict[str, Any]] = [
    {"resize": None, "crop": None},
    {"resize": None, "crop": 24},
    {"resize": 30, "crop": 24},
    {"resize": 30, "crop": 24, "corner": "floor", "interpolation": "bicubic"},
    {"resize": 30, "resize_mode": "square", "crop": None, "interpolation": "pillow_bicubic"},
    {"resize": 30, "crop": 27, "interpolation": "pillow_bilinear"},
    {"resize": 30, "crop": 24, "interpolation": "opencv_bilinear"},
    {"resize": None, "crop": 64, "small": "upscale"},
    {"resize": None, "crop": 64, "small": "pad"},
    {"resize": None, "crop": 57, "small": "tile", "corner": "floor"},
    {"resize": None, "crop": 24, "small": "tile", "fill": 100},
]


def picture(height: int = 24, width: int = 24, low: int = 20, high: int = 236) -> np.ndarray:
    return RNG.integers(low, high, (height, width, 3), dtype=np.uint8)


def moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return after.astype(int) - before.astype(int)


def signs(detector: Linear) -> np.ndarray:
    return detector.kernel.detach().sign().permute(1, 2, 0).numpy().astype(int)


@pytest.mark.parametrize("budget", [1, 2, 8])
def test_on_a_linear_detector_every_pixel_goes_the_whole_budget_against_its_weight(budget: int) -> None:
    detector, rgb = Linear(), picture()
    for steps in (2, 10):
        assert (moved(rgb, pgd(rgb, detector, budget=budget, steps=steps, seed=1)) == -budget * signs(detector)).all()
    assert (moved(rgb, mi_fgsm(rgb, detector, budget=budget, steps=10)) == -budget * signs(detector)).all()
    wrong = pgd(rgb, detector, budget=budget, steps=10, seed=1, towards_ai=True)
    assert (moved(rgb, wrong) == budget * signs(detector)).all()


def test_what_lies_outside_of_the_crop_is_left_to_the_start() -> None:
    detector, rgb = Linear(), picture(40, 30)
    inside = (slice(8, 32), slice(3, 27))
    change = moved(rgb, pgd(rgb, detector, budget=4, steps=10, seed=0))
    assert (change[inside] == -4 * signs(detector)).all()
    outside = np.ones((40, 30), bool)
    outside[inside] = False
    assert np.abs(change[outside]).max() <= 4 and (np.bincount(change[outside].ravel() + 4) > 0).all()
    assert (moved(rgb, mi_fgsm(rgb, detector, budget=4, steps=10))[outside] == 0).all()


@pytest.mark.parametrize("budget", [1, 3, 8])
def test_budgets_hold_in_files_and_at_the_ends_of_the_scale(budget: int) -> None:
    detector = create_detector("cnn_small", input={"resize": 40, "crop": 32}).eval()
    rgb = picture(36, 45, 0, 256)
    rgb[:9] = 0
    rgb[-9:] = 255
    made = [pgd(rgb, detector, budget=budget, steps=3, seed=0), mi_fgsm(rgb, detector, budget=budget, steps=3)]
    for attacked in (*made, noise(rgb, budget=budget, seed=0)):
        assert attacked.dtype == np.uint8 and attacked.shape == rgb.shape
        assert 0 < np.abs(moved(rgb, attacked)).max() <= budget
    before, after = (detector(detector.preprocess(x)[None]).item() for x in (rgb, made[0]))
    assert after < before


def test_noise_is_the_whole_budget_up_or_down_at_random() -> None:
    rgb = picture()
    changes = [moved(rgb, noise(rgb, budget=2, seed=seed)) for seed in range(60)]
    assert {*np.unique(changes)} == {-2, 2}
    assert abs(np.mean(changes)) < 4 * 2 / np.sqrt(np.size(changes))
    weights = Linear().kernel.detach().permute(1, 2, 0).numpy()
    lowered = sum((weights * change).sum() < 0 for change in changes)
    assert 15 <= lowered <= 45  # 30 by chance, with a standard deviation of 3.9


def test_the_same_seed_gives_the_same_attack_and_another_one_another_start() -> None:
    rgb, detector = picture(40, 40), Linear()
    first, again, other = (pgd(rgb, detector, budget=4, steps=2, seed=seed) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("fields", INPUTS, ids=str)
@pytest.mark.parametrize("size", [(50, 61), (40, 40), (61, 44)])
def test_preprocessing_with_gradients_is_within_one_grey_level_of_the_detectors_own(
    fields: dict[str, Any], size: tuple[int, int]
) -> None:
    detector = create_detector("cnn_small", input=fields)
    # Pillow cuts overshoots off between its two passes, whose order depends on its version and the sizes.
    rgb = picture(*size, *((70, 186) if fields.get("interpolation") == "pillow_bicubic" else (0, 256)))
    own = detector.preprocess(rgb).float()
    pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None].float().requires_grad_(True)
    again = differentiable(pixels, detector.config.input)
    assert again.shape == (1, *own.shape)
    assert (again[0] - own).abs().max() <= 1.1
    assert (again[0] - own).abs().mean() < 0.4  # rounding alone is 0.25 on average
    again.sum().backward()
    assert pixels.grad is not None and pixels.grad.any()


class Blocked(Detector):
    """Lets no gradient through."""

    def __init__(self) -> None:
        config = InputConfig(resize=None, crop=24)
        super().__init__(DetectorConfig(name="blocked", architecture="blocked", input=config))

    def forward(self, images: Tensor) -> Tensor:
        return (images > 100).float().mean((1, 2, 3))


class Chooser(Linear):
    """Turns what it looks at."""

    def preprocess(self, rgb: np.ndarray) -> Tensor:
        return super().preprocess(rgb[::-1])


def test_detectors_without_a_gradient_or_with_a_choice_of_their_own_are_named() -> None:
    with pytest.raises(SynthscopeError, match="a gradient of blocked at the pixels, got none"):
        pgd(picture(), Blocked(), budget=2, steps=2, seed=0)
    with pytest.raises(SynthscopeError, match="a resize and a crop, got linear"):
        mi_fgsm(picture(), Chooser(), budget=2, steps=2)
