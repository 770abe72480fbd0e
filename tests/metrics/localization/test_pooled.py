"""Pooled curves: equal to scikit-learn and to the plain measures where exact, within their bounds elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from synthscope.errors import SynthscopeError
from synthscope.metrics.localization import pooled as localization_pooled
from synthscope.metrics.localization.maps import aupro, pixel_auroc, pixel_average_precision
from synthscope.metrics.localization.pooled import (
    pool_pixels,
    pooled_aupro,
    pooled_auroc,
    pooled_average_precision,
)

POOLED = {pooled_auroc: pixel_auroc, pooled_aupro: aupro, pooled_average_precision: pixel_average_precision}
Pairs = list[tuple[np.ndarray, np.ndarray]]


def images(n: int, seed: int, dtype: type = np.float64, side: int = 24) -> Pairs:
    """Heatmaps over seven decades, some pixels negative or 0, and masks of a rectangle and a dot."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        mask = np.zeros((side, side), bool)
        y, x = rng.integers(0, side // 2, 2)
        mask[y : y + rng.integers(1, 9), x : x + rng.integers(1, 9)] = mask[-1, -1] = True
        heatmap = 10 ** rng.uniform(-3, 3, mask.shape) * (1 + 9 * mask) - 0.05
        out.append((heatmap.astype(dtype), mask))
    return out


def flat(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    heatmaps, masks = zip(*pairs, strict=True)
    return np.concatenate([mask.ravel() for mask in masks]), np.maximum(np.concatenate([*map(np.ravel, heatmaps)]), 0)


def side_by_side(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """One image that holds all, with rows of background below every other heatmap value so that no region joins."""
    heatmaps, masks = zip(*pairs, strict=True)
    return np.concatenate(heatmaps), np.concatenate(masks)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10**6))
def test_exact_for_float16(n: int, seed: int) -> None:
    pairs = images(n, seed, np.float16)
    pooled = pool_pixels(pairs)
    labels, values = flat(pairs)
    assert pooled_auroc(pooled).value == pytest.approx(roc_auc_score(labels, values))
    assert pooled_average_precision(pooled).value == pytest.approx(average_precision_score(labels, values))


@pytest.mark.parametrize("pooled_measure", POOLED)
def test_one_image_in_float16_is_the_plain_measure(pooled_measure) -> None:
    for pair in images(20, 3, np.float16):
        assert pooled_measure(pool_pixels([pair])).value == pytest.approx(POOLED[pooled_measure](*pair))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10**6))
def test_bounds_hold_for_float64(n: int, seed: int) -> None:
    pairs = images(n, seed)
    pooled, (labels, values) = pool_pixels(pairs), flat(pairs)
    for bounded, exact in (
        (pooled_auroc(pooled), roc_auc_score(labels, values)),
        (pooled_average_precision(pooled), average_precision_score(labels, values)),
    ):
        assert bounded.low - 1e-12 <= exact <= bounded.high + 1e-12
        assert bounded.low - 1e-12 <= bounded.value <= bounded.high + 1e-12
    (pair,) = images(1, seed)
    bounded = pooled_aupro(pool_pixels([pair]))
    assert bounded.low - 1e-12 <= aupro(*pair) <= bounded.high + 1e-12


@pytest.mark.parametrize("pooled_measure", POOLED)
def test_bounds_hold_in_coarse_bins_too(pooled_measure, monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []
    for bits in (20, 22, 23, 25):  # 8 bins an octave … one bin for four octaves
        monkeypatch.setattr(localization_pooled, "DROPPED_BITS", bits)
        monkeypatch.setattr(localization_pooled, "BINS", 1 << (31 - bits))
        for pair in images(20, bits):
            bounded = pooled_measure(pool_pixels([pair]))
            assert bounded.low - 1e-12 <= POOLED[pooled_measure](*pair) <= bounded.high + 1e-12
            widths.append(bounded.high - bounded.low)
    assert max(widths) > 0.1


def test_bounds_are_narrow_on_large_images() -> None:
    pooled = pool_pixels(images(3, 0, side=512))
    assert pooled.background[0] > 1e5  # a fifth of all pixels is 0
    for measure in POOLED:
        assert measure(pooled).high - measure(pooled).low < 2e-3


def test_aupro_pools_regions_and_background_of_all_images() -> None:
    pairs = images(4, 5, np.float16)
    gap = np.full((1, 24), -1.0, np.float16), np.zeros((1, 24), bool)
    joined = [part for pair in pairs for part in (pair, gap)]
    heatmap, mask = side_by_side(joined)
    extra = np.count_nonzero(~mask) / sum(np.count_nonzero(~m) for _, m in pairs)  # the gaps are background at 0
    assert pooled_aupro(pool_pixels(pairs), max_fpr=0.3).value == pytest.approx(
        aupro(heatmap, mask, max_fpr=0.3 / extra)
    )


@pytest.mark.parametrize("pooled_measure", POOLED)
def test_order_of_images_does_not_matter(pooled_measure) -> None:
    pairs = images(7, 1)
    assert pooled_measure(pool_pixels(pairs)) == pytest.approx(pooled_measure(pool_pixels(iter(pairs[::-1]))))


@pytest.mark.parametrize("pooled_measure", POOLED)
def test_powers_of_two_shift_bins_exactly(pooled_measure) -> None:
    pairs = images(3, 2)
    scaled = [(heatmap * 2.0**-40, mask) for heatmap, mask in pairs]
    assert pooled_measure(pool_pixels(pairs)) == pooled_measure(pool_pixels(scaled))


def test_counts_and_what_is_left_out() -> None:
    (pair,) = images(1, 0)
    blank, empty = (-pair[0] * 0 - 0.0, pair[1]), (pair[0], pair[1] & False)
    pooled = pool_pixels([pair, blank, empty, empty])
    assert (pooled.n, pooled.n_blank, pooled.n_excluded) == (1, 1, 2)
    assert pooled.annotated.sum() == pair[1].sum() and pooled.background.sum() == (~pair[1]).sum()
    assert pooled.regions.sum() == pytest.approx(pooled.n_regions)
    assert localization_pooled._bins(np.array([[-0.0, 0.0]])).tolist() == [[0, 0]]
    tiny = pool_pixels([(np.array([[1e-300, 0.0, 1e-300]]), np.array([[1, 0, 0]]))])
    assert tiny.background[:2].tolist() == [1, 1] and tiny.annotated[:2].tolist() == [0, 1]
    with pytest.raises(SynthscopeError, match="0 usable images"):
        pooled_auroc(pool_pixels([blank, empty]))
    with pytest.raises(SynthscopeError, match="float32 can hold"):
        pool_pixels([(pair[0] * 1e40, pair[1])])
