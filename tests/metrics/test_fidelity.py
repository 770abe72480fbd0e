"""PAR by hand; NIQE's features against a slow implementation of the paper, its symmetries, order and failures."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy import ndimage, optimize
from scipy.special import gamma
from scipy.stats import gennorm

from synthscope.data.images import read_rgb
from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics import fidelity
from synthscope.metrics.fidelity import NiqeModel, niqe_features, par, patch_for

SHARED = Path(__file__).parents[3] / "shared" / "images"
Pixels = NDArray[np.uint8]


def leaves(seed: int, height: int = 128, width: int = 128) -> Pixels:
    """Discs of power-law sizes that hide each other, a little blurred and noisy: the statistics of natural images."""
    rng, image = np.random.default_rng(seed), np.zeros((height, width, 3))
    for _ in range(600):
        radius = 3 / (1 - rng.random() * 0.97) ** 0.7
        centre = rng.integers(0, width), rng.integers(0, height)
        cv2.circle(image, centre, int(radius), rng.integers(20, 235, 3).tolist(), -1, cv2.LINE_AA)
    image = cv2.GaussianBlur(image, (0, 0), 0.7) + rng.normal(0, 2, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> NiqeModel:
    return NiqeModel.fit((leaves(seed) for seed in range(30)), patch=32)


def slow_features(rgb: Pixels, patch: int, released: bool = False) -> NDArray[np.float64]:
    """Mittal et al. 2013, section II, of a grey image, one patch at a time, every shape by root finding."""
    grey = rgb[..., 0].astype(float)
    rows, columns = grey.shape[0] // patch, grey.shape[1] // patch
    grey = grey[: rows * patch, : columns * patch]
    offsets = np.arange(-3, 4)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    found: list[list[float]] = [[] for _ in range(rows * columns)]
    for side in (patch, patch // 2):
        mean = ndimage.correlate(grey, window, mode="nearest")
        deviation = np.sqrt(np.maximum(ndimage.correlate(grey**2, window, mode="nearest") - mean**2, 0))
        normalised = (grey - mean) / (deviation + 1)
        for i in range(rows * columns):
            top, left = i // columns * side, i % columns * side
            found[i] += slow_18(normalised[top : top + side, left : left + side], released)
        grey = halved(halved(grey).T).T
    return np.array(found)


def halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bicubic at half the height with a kernel twice as wide, mirrored at the borders."""

    def cubic(t: float) -> float:
        t = abs(t)
        return 1.5 * t**3 - 2.5 * t**2 + 1 if t <= 1 else -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0

    n, out = len(plane), np.zeros((len(plane) // 2, plane.shape[1]))
    for i in range(n // 2):
        for j in range(2 * i - 3, 2 * i + 5):
            out[i] += (
                cubic((j - (2 * i + 0.5)) / 2) / 2 * plane[j if 0 <= j < n else -1 - j if j < 0 else 2 * n - 1 - j]
            )
    return out


def slow_18(x: NDArray[np.float64], released: bool) -> list[float]:
    moment, power = np.mean(np.abs(x)), np.mean(x**2)
    shape = slow_shape(moment**2 / power)
    features = [shape, np.sqrt(power * gamma(1 / shape) / gamma(3 / shape))]
    if released:
        shape, _, left, right = slow_asymmetric(x)
        features = [shape, (left + right) / 2]
    height, width = x.shape
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        if released:
            products = [x[i, j] * x[i - down, j - across if across < 1 or j else -1] if j - across < width
                        else x[i, j] * x[i - down, 0] for i in range(height) for j in range(width)]  # fmt: skip
        else:
            products = [x[i, j] * x[i + down, j + across] for i in range(height - down) for j in range(width)
                        if 0 <= j + across < width]  # fmt: skip
        features += slow_asymmetric(np.array(products))
    return features


def slow_asymmetric(x: NDArray[np.float64]) -> list[float]:
    left, right = np.sqrt(np.mean(x[x < 0] ** 2)), np.sqrt(np.mean(x[x > 0] ** 2))
    ratio = left / right
    r = np.mean(np.abs(x)) ** 2 / np.mean(x**2) * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = slow_shape(r)
    left, right = (side * np.sqrt(gamma(1 / shape) / gamma(3 / shape)) for side in (left, right))
    return [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]


def slow_shape(moment: float) -> float:
    def gap(shape: float) -> float:
        return float(gamma(2 / shape) ** 2 / (gamma(1 / shape) * gamma(3 / shape)) - moment)

    return 10.0 if gap(10) < 0 else 0.2 if gap(0.2) > 0 else float(optimize.brentq(gap, 0.2, 10, xtol=1e-12))


def test_par_by_hand() -> None:
    mask = np.zeros((4, 5), np.uint8)
    assert par(mask) == 0
    mask[1:3, 1:4] = 255
    assert par(mask) == 6 / 20 and par(mask > 0) == 6 / 20
    for wrong in (np.zeros(4), np.zeros((2, 2, 3)), np.zeros((0, 3))):
        with pytest.raises(SynthscopeError, match=r"mask \(H, W\)"):
            par(wrong)


@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_par_adds_up_and_does_not_turn(mask: NDArray[np.bool_]) -> None:
    assert par(mask) + par(~mask) == pytest.approx(1)
    assert par(mask[::-1]) == par(mask.T) == par(np.kron(mask, np.ones((2, 2)))) == par(mask)


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize(("height", "width", "patch"), [(64, 96, 32), (75, 50, 24), (64, 64, 16)])
def test_features_are_those_of_the_paper(height: int, width: int, patch: int, released: bool) -> None:
    rgb = np.repeat(leaves(height + patch, height, width)[..., :1], 3, axis=2)  # nothing to round in its luminance
    found, sharpness = niqe_features(rgb, patch=patch, released=released)
    expected = slow_features(rgb, patch, released)
    assert found.shape == expected.shape == (height // patch * (width // patch), 36) and len(sharpness) == len(found)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
def test_shapes_of_samples_are_found(shape: float) -> None:
    half = gennorm.ppf(0.5 + 0.5 * (np.arange(100_000) + 0.5) / 100_000, shape)
    both = 0.7 * np.append(-half, half)
    assert np.concatenate(fidelity._symmetric(both[None, None])) == pytest.approx([shape, 0.7], rel=0.01)
    skew = np.concatenate([-0.35 * half, *3 * [1.05 * half]])  # each side as heavy as it is wide
    found = np.concatenate(fidelity._asymmetric(skew[None, None]))
    assert found == pytest.approx([shape, skew.mean(), 0.35, 1.05], rel=0.01)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_a_mirrored_image_has_mirrored_patches_with_swapped_diagonals(seed: int) -> None:
    rgb = leaves(seed, 64, 96)
    plain, sharpness = niqe_features(rgb, patch=32)
    mirrored, same = niqe_features(rgb[:, ::-1], patch=32)
    swapped = [*range(10), *range(14, 18), *range(10, 14)]
    back = mirrored.reshape(2, 3, 36)[:, ::-1].reshape(6, 36)[:, [*swapped, *(18 + i for i in swapped)]]
    np.testing.assert_allclose(back, plain, atol=1e-9)
    np.testing.assert_allclose(same.reshape(2, 3)[:, ::-1].ravel(), sharpness)


def test_mirroring_changes_niqe_little(model: NiqeModel) -> None:
    scores = [(model.score(rgb), model.score(rgb[:, ::-1])) for rgb in map(leaves, range(100, 106))]
    assert np.abs(np.diff(scores)).max() < 0.1 * np.mean(scores)


@pytest.mark.parametrize("damage", ["blur", "noise"])
def test_niqe_rises_with_blur_and_noise(model: NiqeModel, damage: str) -> None:
    rng, means = np.random.default_rng(0), []
    for severity in (0, 1, 2, 4):
        scores = []
        for rgb in map(leaves, range(200, 208)):
            bad = rgb.astype(float)
            if severity and damage == "blur":
                bad = cv2.GaussianBlur(bad, (0, 0), severity)
            elif severity:
                bad = bad + rng.normal(0, 8 * severity, rgb.shape)
            scores.append(model.score(np.clip(np.rint(bad), 0, 255).astype(np.uint8)))
        means.append(np.mean(scores))
    assert (np.diff(means) > 0).all() and means[-1] > 1.5 * means[0]


def test_score_is_the_distance_with_pooled_covariance(model: NiqeModel) -> None:
    rgb = leaves(300, 96, 160)
    features, _ = niqe_features(rgb, patch=32)
    away = features.mean(axis=0) - model.mean
    centred = features - features.mean(axis=0)
    pooled = (model.covariance + centred.T @ centred / (len(features) - 1)) / 2
    assert model.score(rgb) == pytest.approx(np.sqrt(away @ np.linalg.solve(pooled, away)), rel=1e-5)


def test_only_sharp_patches_are_fitted() -> None:
    images = [np.hstack([rgb, cv2.GaussianBlur(rgb, (0, 0), 5)]) for rgb in map(leaves, range(20))]
    kept = []
    for rgb in images:
        features, sharpness = niqe_features(rgb, patch=32)
        sharp = sharpness > 0.75 * sharpness.max()
        assert sharp.any() and not sharp.reshape(4, 8)[:, 5:].any()
        kept.append(features[sharp])
    sample, model = np.concatenate(kept), NiqeModel.fit(iter(images), patch=32)
    assert (model.images, model.patches) == (20, len(sample)) and len(sample) < 20 * 16
    np.testing.assert_allclose(model.mean, sample.mean(axis=0))
    np.testing.assert_allclose(model.covariance, np.cov(sample.T))


def test_flat_and_small_images_have_no_score(model: NiqeModel) -> None:
    half = leaves(1)
    half[:, 64:] = 200
    features, _ = niqe_features(half, patch=32)
    flat = np.isnan(features).any(axis=1).reshape(4, 4)
    assert flat[:, 3].all() and not flat[:, :2].any() and np.isfinite(model.score(half))
    for rgb in (np.full((128, 128, 3), 77, np.uint8), leaves(1, 40, 40), leaves(1, 20, 300)):
        assert np.isnan(model.score(rgb))
    for level in range(256):  # rounding is no contrast
        features, sharpness = niqe_features(np.full((32, 64, 3), level, np.uint8), patch=32)
        assert np.isnan(features).all(axis=1).all() and not sharpness.any()
    with pytest.raises(SynthscopeError, match="more than 36 sharp patches of 32 pixels"):
        NiqeModel.fit([np.full((128, 128, 3), 77, np.uint8)] * 3, patch=32)
    with pytest.raises(SynthscopeError, match="got 0 in 0 photographs"):
        NiqeModel.fit([])


def test_wrong_pixels_and_patches() -> None:
    with pytest.raises(SynthscopeError, match="uint8"):
        niqe_features(np.zeros((64, 64, 3)))  # type: ignore[arg-type]
    for patch in (15, 8, 33):
        with pytest.raises(UsageError, match="even patch"):
            niqe_features(leaves(0), patch=patch)
    assert [patch_for(side) for side in (3000, 384, 383, 128, 64, 10)] == [96, 96, 94, 32, 16, 16]


def test_a_model_is_kept_exactly_and_hostile_files_are_refused(model: NiqeModel, tmp_path: Path) -> None:
    path = tmp_path / "niqe.npz"
    model.save(path)
    loaded = NiqeModel.load(path)
    assert (loaded.mean == model.mean).all() and (loaded.covariance == model.covariance).all()
    assert (loaded.patch, loaded.images, loaded.patches, loaded.released) == (32, 30, model.patches, False)
    assert loaded.score(leaves(5)) == model.score(leaves(5))
    good = vars(model)
    for wrong in (
        {"mean": np.array([print], dtype=object)},  # would be unpickled
        {"covariance": np.zeros((400, 400))},
        {"mean": np.zeros(35)},
        {"mean": np.full(36, np.nan)},
    ):
        np.savez(path, **good | wrong)
        with pytest.raises(SynthscopeError, match=r"niqe\.npz"):
            NiqeModel.load(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mean.npy", bytes(10**7))
    with pytest.raises(SynthscopeError, match="too large"):
        NiqeModel.load(path)
    path.write_bytes(b"no archive")
    with pytest.raises(SynthscopeError, match="Fit it again"):
        NiqeModel.load(path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="real images are not beside the repository")
def test_real_photographs_blurred_and_noisy_are_worse() -> None:
    found = sorted(path for path in SHARED.rglob("nature/*") if path.suffix.lower() in {".jpeg", ".jpg", ".png"})
    photographs = [rgb for path in found[::5] if min((rgb := read_rgb(path)).shape[:2]) >= 256][:40]
    if len(photographs) < 40:
        pytest.skip("fewer than 40 real photographs of 256 pixels")
    fitted, held_out = NiqeModel.fit(photographs[:30], patch=64), photographs[30:]
    plain = [fitted.score(rgb) for rgb in held_out]
    blurred = [fitted.score(cv2.GaussianBlur(rgb, (0, 0), 2)) for rgb in held_out]
    rng = np.random.default_rng(0)
    noisy = [fitted.score(np.clip(rgb + rng.normal(0, 25, rgb.shape), 0, 255).astype(np.uint8)) for rgb in held_out]
    assert np.mean(blurred) > 1.3 * np.mean(plain) and np.mean(noisy) > 1.3 * np.mean(plain)
