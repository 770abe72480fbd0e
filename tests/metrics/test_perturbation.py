"""Insertion and deletion: a detector that counts white pixels has known curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.calibration import probabilities
from synthscope.metrics.perturbation import baseline_image, perturbation_curve

SQUARE = np.zeros((16, 16), bool)
SQUARE[2:6, 8:16] = True  # 32 of 256 pixels
WHITE_SQUARE = np.where(SQUARE, 255, 0).astype(np.uint8)[..., None].repeat(3, 2)


def brightness_inside(images: np.ndarray) -> np.ndarray:
    """A logit that rises by 1 for every 4 white pixels in the square."""
    return images[:, SQUARE].mean(2).sum(1) / 255 / 4


def curve(heatmap: np.ndarray, mode: str, **options):
    return perturbation_curve(brightness_inside, WHITE_SQUARE, heatmap=heatmap, mode=mode, **options)


def test_curves_by_hand() -> None:
    grey = 32 * 255 / 256  # the mean of the image, rounded to 32, stands for a deleted pixel
    assert grey == pytest.approx(32, abs=0.2)
    deletion = curve(SQUARE.astype(float), "deletion", baseline="mean", steps=16)
    white = np.maximum(32 - 16 * np.arange(17), 0)
    assert deletion.logits == pytest.approx((white + (32 - white) * 32 / 255) / 4)
    assert deletion.fraction.tolist() == (np.arange(17) / 16).tolist() and deletion.step == 1 / 16
    insertion = curve(SQUARE.astype(float), "insertion", baseline="mean", steps=16)
    assert insertion.logits == pytest.approx(deletion.logits[0] + deletion.logits[-1] - deletion.logits)
    p = probabilities(insertion.logits)
    assert insertion.auc == pytest.approx((p[0] / 2 + p[1:-1].sum() + p[-1] / 2) / 16)
    assert (insertion.mode, insertion.baseline) == ("insertion", "mean")


@pytest.mark.parametrize("baseline", ["mean", "blur"])
def test_the_right_heatmap_beats_random_and_inverted_ones(baseline: str) -> None:
    rng = np.random.default_rng(0)
    for mode, sign in (("deletion", -1), ("insertion", 1)):
        right, wrong = (curve(heatmap, mode, baseline=baseline).auc for heatmap in (SQUARE * 1.0, ~SQUARE * 1.0))
        random = np.mean([curve(rng.random(SQUARE.shape), mode, baseline=baseline).auc for _ in range(5)])
        assert sign * right > sign * random > sign * wrong


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 256), st.sampled_from(["deletion", "insertion"]))
def test_batches_do_not_matter_and_ends_are_the_two_images(batch: int, steps: int, mode: str) -> None:
    heatmap = np.random.default_rng(steps).random(SQUARE.shape)
    result, whole = (curve(heatmap, mode, steps=steps, batch=size) for size in (batch, 1000))
    assert (result.logits == whole.logits).all() and result.auc == whole.auc
    ends = brightness_inside(np.stack([WHITE_SQUARE, baseline_image(WHITE_SQUARE, "blur")]))
    assert result.logits[[0, -1]].tolist() == ends[:: 1 if mode == "deletion" else -1].tolist()
    assert len(result.logits) == steps + 1 and (np.diff(result.fraction) > 0).all()


def test_monotone_transforms_and_negative_values_do_not_matter() -> None:
    heatmap = np.random.default_rng(0).normal(size=SQUARE.shape)
    expected = curve(heatmap, "deletion").logits
    assert (curve(np.maximum(heatmap, 0) ** 3, "deletion").logits == expected).all()
    assert (curve(np.where(heatmap < 0, -9, heatmap), "deletion").logits == expected).all()


def test_equal_pixels_come_in_random_order_wherever_they_lie() -> None:
    logits = np.mean([curve(np.ones(SQUARE.shape), "deletion", baseline="mean", seed=s).logits for s in range(60)], 0)
    assert np.diff(logits) == pytest.approx(np.full(32, (logits[-1] - logits[0]) / 32), abs=0.09)
    first, again, other = (curve(np.ones(SQUARE.shape), "deletion", seed=seed).logits for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_blank_heatmaps_have_a_curve_but_no_area() -> None:
    assert np.isnan(curve(-np.ones(SQUARE.shape), "deletion").auc)


def test_baseline_images() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    assert (baseline_image(rgb, "mean") == np.round(rgb.mean((0, 1)))).all()
    blurred = baseline_image(rgb, "blur")
    assert blurred.dtype == np.uint8 and blurred.std() < rgb.std() / 4
    assert blurred.mean((0, 1)) == pytest.approx(rgb.mean((0, 1)), abs=1)
    assert (baseline_image(np.full_like(rgb, 7), "blur") == 7).all()


def test_sentences() -> None:
    heatmap = np.ones(SQUARE.shape)
    with pytest.raises(SynthscopeError, match="1 to 256 steps, got 257"):
        curve(heatmap, "deletion", steps=257)
    with pytest.raises(SynthscopeError, match="one shape"):
        curve(np.ones((3, 3)), "deletion")
    with pytest.raises(UsageError, match="'delete' over 'blur'"):
        curve(heatmap, "delete")
    with pytest.raises(SynthscopeError, match=r"uint8 \(H, W, 3\)"):
        perturbation_curve(brightness_inside, WHITE_SQUARE / 255, heatmap=heatmap, mode="deletion")
    with pytest.raises(SynthscopeError, match="16 finite logits"):
        perturbation_curve(lambda images: 0.0, WHITE_SQUARE, heatmap=heatmap, mode="deletion")
