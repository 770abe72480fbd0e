"""The spectrum floor against numpy, scipy and scikit-learn, and what its feature must not depend on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import median_filter
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from synthscope.detectors.hub import create_detector, load_detector, save_detector
from synthscope.detectors.spectrum_lr import SpectrumLr, median3x3, ring_weights
from synthscope.errors import UsageError


def detector(side: int = 16) -> SpectrumLr:
    made = create_detector("spectrum_lr", input={"crop": side})
    assert isinstance(made, SpectrumLr)
    return made


def images(count: int, side: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), dtype=np.uint8))


def slow_features(image: np.ndarray) -> np.ndarray:
    """The definition, with the whole spectrum and a loop over its frequencies."""
    grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    side = grey.shape[0]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side)
    power = np.abs(np.fft.fft2((grey - median_filter(grey, 3, mode="nearest")) * window * window[:, None])) ** 2
    rings: dict[int, list[float]] = {}
    for i in range(side):
        for j in range(side):
            fy, fx = min(i, side - i), min(j, side - j)
            rings.setdefault(round(float(np.hypot(fy, fx))), []).append(float(np.log1p(power[i, j])))
    return np.array([np.mean(rings[r]) for r in sorted(rings)])


@pytest.mark.parametrize("side", [9, 16])
def test_features_are_those_of_the_slow_definition(side: int) -> None:
    batch = images(3, side)
    expected = np.stack([slow_features(image) for image in batch.numpy().astype(float)])
    np.testing.assert_allclose(detector(side).features(batch).numpy(), expected, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 100))
def test_median_is_scipys(height: int, width: int, seed: int) -> None:
    maps = np.random.default_rng(seed).integers(0, 9, (2, height, width)).astype(np.float32)
    expected = np.stack([median_filter(one, 3, mode="nearest") for one in maps])
    np.testing.assert_array_equal(median3x3(torch.from_numpy(maps)).numpy(), expected)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_features_ignore_brightness_and_transposition(seed: int) -> None:
    """A brightness added to all pixels goes with the median, and rings are the same in the transposed image."""
    batch, made = images(2, 16, seed).float() / 2, detector()
    features = made.features(batch)
    torch.testing.assert_close(made.features(batch + 40), features, rtol=1e-3, atol=2e-3)
    torch.testing.assert_close(made.features(batch.transpose(-1, -2)), features, rtol=1e-4, atol=1e-4)


def test_every_frequency_counts_once() -> None:
    for side in (7, 16):
        weights = ring_weights(side)
        torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))
        assert ((weights > 0).sum(0) == 1).all()


def test_size_of_the_model_and_flat_images() -> None:
    made = create_detector("spectrum_lr").eval()
    assert sum(parameter.numel() for parameter in made.parameters()) == 92 + 1
    flat = torch.full((2, 3, 128, 128), 77, dtype=torch.uint8)
    assert made.features(flat).abs().max() < 1e-3 and made(flat).isfinite().all()
    with pytest.raises(UsageError, match="input of fixed size"):
        create_detector("spectrum_lr", input={"crop": None})
    with torch.device("meta"):
        assert create_detector("spectrum_lr").head.in_features == 92


def test_batches_single_images_and_gradients() -> None:
    made, batch = detector().eval(), images(5, 16)
    with torch.no_grad():
        singly = torch.cat([made(image[None]) for image in batch])
        torch.testing.assert_close(made(batch), singly, rtol=1e-5, atol=1e-5)
    pixels = batch.float().requires_grad_()
    made(pixels).sum().backward()
    assert pixels.grad is not None and pixels.grad.isfinite().all() and pixels.grad.abs().sum() > 0


def test_fit_is_scikit_learns_optimum_and_travels_with_the_folder(tmp_path: Path) -> None:
    made = detector()
    features = np.random.default_rng(3).normal(5, 2, (60, made.rings.shape[0])).astype(np.float32)
    labels = (features[:, 2] + features[:, 7] > 10).astype(int)
    labels[:5] = 1  # not separable, not balanced
    made.fit(features, labels)
    peer = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=5000, tol=1e-8))
    expected = peer.fit(features.astype(float), labels).decision_function(features.astype(float))
    made.eval()
    with torch.no_grad():
        logits = made.head(made.scale(torch.from_numpy(features)))[:, 0].numpy()
        np.testing.assert_allclose(logits, expected, atol=5e-3)
        save_detector(made, tmp_path)
        torch.testing.assert_close(load_detector(tmp_path)(images(4, 16)), made(images(4, 16)))


def test_it_learns_a_checkerboard_and_not_noise() -> None:
    """What up-sampling leaves behind: a faint pattern of the highest frequency."""
    made, rng = detector(32), np.random.default_rng(0)
    smooth = np.stack([np.kron(rng.integers(60, 200, (8, 8)), np.ones((4, 4))) for _ in range(80)])
    noise = rng.normal(0, 2, (80, 32, 32))
    board = np.indices((32, 32)).sum(0) % 2 * 4.0 - 2.0
    labels = np.arange(80) % 2
    grey = smooth + noise + labels[:, None, None] * board
    batch = torch.from_numpy(np.repeat(grey.clip(0, 255).astype(np.uint8)[:, None], 3, 1))
    with torch.no_grad():
        features = made.features(batch).numpy()
        made.fit(features[:40], labels[:40])
        right = (made.eval()(batch[40:]).numpy() > 0) == (labels[40:] == 1)
        assert right.mean() > 0.9
        shuffled = rng.permutation(labels)
        made.fit(features[:40], shuffled[:40])
        chance = ((made.eval()(batch[40:]).numpy() > 0) == (shuffled[40:] == 1)).mean()
        assert 0.15 < chance < 0.85
