"""Localisation measures: hand-computed cases, all orders of equal pixels, scikit-learn, OpenCV, and invariances."""

from __future__ import annotations

from itertools import pairwise, permutations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import auc, average_precision_score, roc_auc_score, roc_curve

from synthscope.errors import SynthscopeError, UsageError
from synthscope.metrics.detection import auroc, average_precision
from synthscope.metrics.localization.maps import (
    LOCALIZATION,
    aupro,
    binarise,
    iou_at_area,
    iou_at_threshold,
    is_blank,
    pixel_auroc,
    pixel_average_precision,
    pointing_game,
    relevance_mass,
    relevance_rank,
)
from synthscope.metrics.localization.ties import hypergeometric

RANKING = [name for name in LOCALIZATION if name not in ("relevance_mass", "iou_at_threshold", "iou_at_otsu")]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A heatmap with ties and negative values but not blank, and a mask with both kinds of pixels."""
    shape = draw(st.tuples(st.integers(1, 7), st.integers(2, 7)))
    heatmap = draw(hnp.arrays(np.float64, shape, elements=st.integers(-3, 8).map(float)))
    mask = draw(hnp.arrays(np.bool_, shape))
    heatmap.flat[draw(st.integers(0, heatmap.size - 1))] = 5
    mask.flat[:2] = draw(st.sampled_from([(0, 1), (1, 0)]))
    return heatmap, mask


def scores(heatmap: np.ndarray, mask: np.ndarray, names: list[str] | None = None) -> list[float]:
    return [LOCALIZATION[name].function(heatmap, mask) for name in names or LOCALIZATION]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 50, 10**9]), st.sampled_from([np.float16, np.float32, np.float64]))
def test_curves_over_pixels_are_those_of_detection(seed: int, values: int, dtype: type) -> None:
    """Same values as the metrics of verdicts, whatever the ties, zeros and negative values."""
    rng = np.random.default_rng(seed)
    heatmap = (rng.integers(-values // 2, values + 1, (40, 30)) / values).astype(dtype)
    mask = rng.random((40, 30)) < rng.uniform(0.001, 0.999)
    heatmap[0, 0], mask[0, :2] = 1, (True, False)
    clipped = np.maximum(heatmap.astype(np.float64), 0).ravel()
    assert pixel_average_precision(heatmap, mask) == pytest.approx(average_precision(mask.ravel(), clipped), abs=1e-12)
    assert pixel_auroc(heatmap, mask) == pytest.approx(auroc(mask.ravel(), clipped), abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(pairs())
def test_scores_lie_in_0_to_1(data: tuple[np.ndarray, np.ndarray]) -> None:
    assert all(-1e-12 <= score <= 1 + 1e-12 for score in scores(*data))


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_rank_measures_ignore_monotone_transforms(data: tuple[np.ndarray, np.ndarray]) -> None:
    heatmap, mask = data
    expected = scores(heatmap, mask, RANKING)
    positive = np.maximum(heatmap, 0)
    assert scores(np.exp(positive) * 3, mask, RANKING) == expected == scores(positive**3 + 1e-3, mask, RANKING)


@settings(max_examples=60, deadline=None)
@given(pairs(), st.sampled_from([2.0**-1000, 2.0**-10, 8.0, 2.0**1000]))  # others would round what lies at a threshold
def test_scale_and_negative_values_do_not_matter(data: tuple[np.ndarray, np.ndarray], scale: float) -> None:
    heatmap, mask = data
    more_negative = np.where(heatmap < 0, heatmap * 2 - 1, heatmap)
    assert scores(heatmap, mask) == scores(more_negative, mask) == pytest.approx(scores(heatmap * scale, mask))


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_flips_and_transposition_change_nothing(data: tuple[np.ndarray, np.ndarray]) -> None:
    heatmap, mask = data
    assert scores(heatmap, mask) == pytest.approx(scores(heatmap[::-1, ::-1], mask[::-1, ::-1]), abs=1e-12)
    assert scores(heatmap, mask) == pytest.approx(scores(heatmap.T, mask.T), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(pairs(), st.floats(0.01, 1e6))
def test_a_constant_map_scores_the_area_of_the_mask(data: tuple[np.ndarray, np.ndarray], value: float) -> None:
    mask = data[1]
    constant = np.full(mask.shape, value)
    for function in (relevance_mass, relevance_rank, pointing_game, pixel_average_precision):
        assert function(constant, mask) == pytest.approx(mask.mean())
    assert pixel_auroc(constant, mask) == 0.5
    assert iou_at_threshold(constant, mask) == iou_at_threshold(constant, mask, rule="otsu") == 0


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_the_mask_itself_is_a_perfect_heatmap(data: tuple[np.ndarray, np.ndarray]) -> None:
    mask = data[1]
    names = [name for name in LOCALIZATION if "pct" not in name]
    assert scores(mask * 0.3, mask, names) == pytest.approx([1] * len(names))


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_average_precision_and_auroc_equal_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    heatmap, mask = data
    clipped = np.maximum(heatmap, 0).ravel()
    assert pixel_auroc(heatmap, mask) == pytest.approx(roc_auc_score(mask.ravel(), clipped))
    assert pixel_average_precision(heatmap, mask) == pytest.approx(average_precision_score(mask.ravel(), clipped))


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("values", [(2, 2, 2, 2, 2, 2), (3, 1, 1, 1, 0, 0), (5, 5, 4, 4, 4, -1), (1, 2, 3, 4, 5, 6)])
def test_equal_pixels_count_by_the_mean_over_all_their_orders(values: tuple[int, ...], k: int) -> None:
    heatmap = np.maximum(values, 0.0).reshape(2, 3)
    mask = np.array([[1, 0, 1], [0, 1, 0]], bool)
    rank, at_oracle, at_area = [], [], []
    for order in permutations(range(6)):
        ranked = sorted(order, key=lambda i: -heatmap.flat[i])  # stable: equal pixels stay in the order of this turn
        hits = np.cumsum(mask.flat[ranked])
        rank.append(hits[2] / 3)
        at_oracle.append(hits[2] / (3 + 3 - hits[2]))
        at_area.append(hits[k - 1] / (k + 3 - hits[k - 1]))
    assert relevance_rank(heatmap, mask) == pytest.approx(np.mean(rank))
    assert iou_at_area(heatmap, mask) == pytest.approx(np.mean(at_oracle))
    assert iou_at_area(heatmap, mask, area=k / 6) == pytest.approx(np.mean(at_area))


def test_hypergeometric_is_exact_for_an_image() -> None:
    x, p = hypergeometric(1024 * 1024, 90_000, 50_000)
    mean = 50_000 * 90_000 / 1024**2
    assert p.sum() == pytest.approx(1) and p @ x == pytest.approx(mean, rel=1e-9)
    variance = mean * (1 - 90_000 / 1024**2) * (1024**2 - 50_000) / (1024**2 - 1)
    assert p @ (x - mean) ** 2 == pytest.approx(variance, rel=1e-6)


def test_signed_maps_are_clipped() -> None:
    heatmap, mask = np.array([[4.0, -9.0], [1.0, -1.0]]), np.array([[1, 1], [0, 0]])
    assert relevance_mass(heatmap, mask) == 0.8
    assert relevance_rank(heatmap, mask) == 0.5
    assert pixel_auroc(heatmap, mask) == 0.625  # the pairs 4 > 1, 4 > 0, 0 < 1, 0 = 0


def test_pointing_game_tolerance_is_a_distance() -> None:
    heatmap = np.zeros((9, 9))
    heatmap[4, 4] = heatmap[0, 8] = 1
    mask = np.zeros((9, 9), bool)
    mask[7, 8] = True  # sqrt(9 + 16) = 5 pixels from the first maximum, 7 from the second
    assert [pointing_game(heatmap, mask, tolerance=t) for t in (0, 4.9, 5, 7)] == [0, 0, 0.5, 1]


def test_iou_by_hand() -> None:
    heatmap = np.zeros((5, 5))
    heatmap[:, :] = 1
    mask = np.zeros((5, 5), bool)
    mask[1:4, 1:4] = True
    assert iou_at_area(heatmap, mask, area=1.0) == 0.36
    heatmap[0, 0] = 0
    assert iou_at_threshold(heatmap, mask) == 9 / 24
    assert iou_at_threshold([[1.0, 0.5, 0.0]], [[1, 1, 0]]) == 0.5  # strictly above the middle
    assert iou_at_threshold([[11.0, 10.5, 10.0]], [[1, 1, 0]]) == 0.5  # the minimum is taken away
    assert iou_at_area([[3.0, 2.0, 1.0]], [[0, 1, 0]], area=0.01) == 0  # at least one pixel


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.uint8, (6, 7)))
def test_otsu_splits_where_opencv_does(image: np.ndarray) -> None:
    if image.max() > image.min():
        opencv = cv2.threshold(image, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1].astype(bool)
        assert (binarise(image, rule="otsu") == opencv).all()
        assert (binarise(image * 0.01 + 3, rule="otsu") == opencv).all()


def slow_aupro(heatmap: np.ndarray, mask: np.ndarray, max_fpr: float) -> float:
    """Regions by flood fill, one threshold at a time, and the area by a fine interpolation."""
    regions, left = [], set(zip(*np.nonzero(mask), strict=True))
    while left:
        region, edge = set(), {left.pop()}
        while edge:
            y, x = edge.pop()
            region.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge |= near
        regions.append(tuple(np.array(sorted(region)).T))
    points = [(0.0, 0.0)]
    for value in sorted(set(heatmap.ravel()), reverse=True):
        found = heatmap >= value
        points.append((found[~mask].mean(), np.mean([found[region].mean() for region in regions])))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 < max_fpr and x1 > x0:
            end = min(x1, max_fpr)
            area += (end - x0) * (y0 + (y0 + (y1 - y0) * (end - x0) / (x1 - x0))) / 2
    return area / max_fpr


@settings(max_examples=80, deadline=None)
@given(pairs(), st.sampled_from([0.05, 0.3, 0.5, 1.0]))
def test_aupro_equals_a_slow_one(data: tuple[np.ndarray, np.ndarray], max_fpr: float) -> None:
    heatmap, mask = data
    expected = slow_aupro(np.maximum(heatmap, 0), mask, max_fpr)
    assert aupro(heatmap, mask, max_fpr=max_fpr) == pytest.approx(expected, abs=1e-12)


def test_aupro_of_one_region_is_a_partial_area_of_the_roc() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((20, 20), bool)
    mask[3:9, 4:12] = True
    heatmap = rng.integers(1, 40, mask.shape) + 10 * mask
    fpr, tpr, _ = roc_curve(mask.ravel(), heatmap.ravel())
    grid = np.sort(np.r_[fpr[fpr < 0.3], 0.3])
    assert aupro(heatmap, mask) == pytest.approx(auc(grid, np.interp(grid, fpr, tpr)) / 0.3)
    assert aupro(heatmap, mask, max_fpr=1) == pytest.approx(roc_auc_score(mask.ravel(), heatmap.ravel()))


def test_aupro_counts_regions_alike_and_joins_corners() -> None:
    mask = np.zeros((8, 8), bool)
    mask[:4, :4] = True

    def found_first(y: int, x: int) -> float:
        mask[y, x] = True
        heatmap = np.where(mask, 0, 1.0)  # one annotated pixel, then all background, then the rest
        heatmap[y, x] = 2
        score = aupro(heatmap, mask, max_fpr=1)
        mask[y, x] = False
        return score

    assert found_first(4, 4) == pytest.approx(1 / 17)  # it touches a corner of the square
    assert found_first(5, 5) == pytest.approx(1 / 2)  # it is a region of its own


@pytest.mark.parametrize("name", LOCALIZATION)
def test_blank_maps_and_masks_of_one_kind_have_no_score(name: str) -> None:
    function, mask = LOCALIZATION[name].function, np.eye(4)
    blank, heatmap = -np.ones((4, 4)), np.ones((4, 4))
    assert np.isnan(function(blank, mask)) and np.isnan(function(heatmap, mask * 0))
    assert np.isnan(function(heatmap, mask + 1)) == (name in ("pixel_average_precision", "pixel_auroc", "aupro"))
    assert is_blank(blank, mask) and not is_blank(blank, mask * 0) and not is_blank(heatmap, mask)


def test_sentences() -> None:
    with pytest.raises(SynthscopeError, match=r"one shape \(H, W\), got \(2, 2\) and \(2, 3\)"):
        relevance_mass(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(SynthscopeError, match="finite relevance, got nan"):
        relevance_rank([[np.nan]], [[1]])
    with pytest.raises(SynthscopeError, match="fraction of the image"):
        iou_at_area([[1.0]], [[1]], area=20)
    with pytest.raises(SynthscopeError, match="max_fpr"):
        aupro([[1.0, 2.0]], [[0, 1]], max_fpr=30)
    with pytest.raises(UsageError, match="half or otsu"):
        binarise([[1.0]], rule="mean")  # type: ignore[arg-type]
