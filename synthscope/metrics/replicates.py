"""Metrics of bootstrap replicates, exactly, without sorting each resample.

Images are sorted once; a replicate is a vector of counts. Means over images become matrix products, ranking metrics
become cumulative counts along the sorted images. Equal, replicate by replicate, to the plain functions applied to the
repeated images; for classes of more than 100,000 images to within what :class:`Bundles` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from synthscope.metrics.calibration import N_BINS, equal_width_bins
from synthscope.metrics.detection import METRICS

MOST = 100_000  # images of a class whose replicates are exact
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Counts = NDArray[np.uint8]  # (images, replicates); the probability of a count above 255 is below 1e-500


class Column:
    """Metrics of one detector under one condition as a function of counts.

    Args:
        labels: bool ``(n,)``, True = AI.
        logits: float64 ``(n,)``; NaN = image without a prediction, which every replicate leaves out.
        p: float64 ``(n,)`` probabilities of AI.
        threshold: On the logit.
        metrics: Names in ``METRICS``.
    """

    def __init__(
        self, labels: NDArray[np.bool_], logits: Floats, *, p: Floats, threshold: float, metrics: Sequence[str]
    ) -> None:
        order = np.argsort(-logits, kind="stable")[: np.count_nonzero(~np.isnan(logits))]  # NaN sorts last
        self.metrics = metrics
        of_real, of_ai = order[~labels[order]], order[labels[order]]
        fprs = [fpr for name in metrics if (fpr := METRICS[name].fpr) is not None]
        self.real, self.ai = Bundles(of_real, fprs), Bundles(of_ai)
        self.real_features = self.real.means(_features(0, logits[of_real], p[of_real], threshold))
        self.ai_features = self.ai.means(_features(1, logits[of_ai], p[of_ai], threshold))
        self.ranked = any(METRICS[name].reads == "ranks" for name in metrics) and len(of_real) and len(of_ai)
        real, ai = -self.real.middles(logits[of_real]), -self.ai.middles(logits[of_ai])  # rising
        self.real_from = np.searchsorted(real, ai, side="right")  # number of real images at or above each AI image
        self.real_above = np.searchsorted(real, ai, side="left")
        self.ai_from = np.searchsorted(ai, ai, side="right")
        distinct = np.unique(np.concatenate([real, ai]))
        self.roc_real = np.append(0, np.searchsorted(real, distinct, side="right"))
        self.roc_ai = np.append(0, np.searchsorted(ai, distinct, side="right"))
        self.bundled = self.real.bundled or self.ai.bundled
        if self.bundled:
            once = self._values(np.ones((len(labels), 1), np.uint8))[:, 0]
            y, z, q = labels[order], logits[order], p[order]
            whole = [METRICS[name](y, z, p=q, threshold=threshold) for name in np.array(metrics)[~np.isnan(once)]]
            self.shift = once
            self.shift[~np.isnan(once)] = whole - once[~np.isnan(once)]

    def __call__(self, counts: Counts) -> Floats:
        """Values ``(len(metrics), r)`` of the replicates ``counts (n, r)``; NaN where a needed class has no image."""
        values = self._values(counts)
        if not self.bundled:
            return values
        most = [np.inf if METRICS[name].reads == "logits" else 1.0 for name in self.metrics]
        return np.clip(values + self.shift[:, None], 0.0, np.array(most)[:, None])

    def _values(self, counts: Counts) -> Floats:
        real, ai = self.real.sums(counts), self.ai.sums(counts)
        sums_real, sums_ai = self.real_features @ real, self.ai_features @ ai
        with np.errstate(divide="ignore", invalid="ignore"):
            values = _means(sums_real, sums_ai)
            if self.ranked:
                values |= self._ranking(real, ai)
        present = sums_real[0] > 0, sums_ai[0] > 0
        out = np.full((len(self.metrics), counts.shape[1]), np.nan)
        for row, name in zip(out, self.metrics, strict=True):
            if name in values:
                enough = np.logical_and.reduce([present[label] for label in METRICS[name].needs])
                np.copyto(row, values[name], where=enough)
        return out

    def _ranking(self, real: Floats, ai: Floats) -> dict[str, Floats]:
        false, true = _cumulate(real), _cumulate(ai)  # row k: images called AI when the k highest of the class are
        n_real, n_ai, replicate = false[-1], true[-1], np.arange(real.shape[1])
        values = {}
        for name in self.metrics:
            if (fpr := METRICS[name].fpr) is not None:
                above = _first(partial(_exceeds, false, fpr), len(false), len(replicate))
                values[name] = true[np.searchsorted(self.real_from, above, side="left"), replicate] / n_ai
        values["eer"] = self._eer(false, true)
        called = false[self.real_from]  # first the real images at or above each AI image, then all images there
        wrong = np.einsum("ij,ij->j", ai, called)
        ties = not np.array_equal(self.real_from, self.real_above)
        wrong += np.einsum("ij,ij->j", ai, false[self.real_above]) if ties else wrong
        values["auroc"] = 1 - wrong / 2 / (n_ai * n_real)
        right = true[self.ai_from] if (np.diff(self.ai_from) == 0).any() else true[1:]
        called += right
        np.divide(right, np.maximum(called, 1, out=called), out=called)  # precision; nothing called: count is 0 too
        values["average_precision"] = np.einsum("ij,ij->j", ai, called) / n_ai
        return values

    def _eer(self, false: Floats, true: Floats) -> Floats:
        n_real, n_ai, replicate = false[-1], true[-1], np.arange(false.shape[1])

        def rates(k: Indices) -> tuple[Floats, Floats]:
            fp, tp = false[self.roc_real[k], replicate], true[self.roc_ai[k], replicate]
            return fp / n_real, n_real * n_ai - tp * n_real - fp * n_ai  # FPR, and FNR - FPR times a constant, exact

        k = _first(lambda k: rates(k)[1] <= 0, len(self.roc_real), len(replicate))
        (fpr, gap), (next_fpr, next_gap) = rates(k - 1), rates(k)
        return fpr + gap / (gap - next_gap) * (next_fpr - fpr)


class Bundles:
    """Images of a class in the order of their logits, neighbours taken together where there are many.

    Up to ``MOST`` images every one stands alone, and replicates are exact. Of n > ``MOST``, sqrt(n) / 25 neighbours
    count as that many images of the middle one's logit, but real images stand alone about the thresholds of rates at a
    given FPR; the replicates of a metric are then shifted by what that does to its value on all the images. It moves
    the ends of an interval by about 1 % of its width, less than 2,000 replicates do by chance.

    Args:
        order: ``(n,)`` rows of the images, by falling logit.
        fprs: Rates; the images about them stand alone.
    """

    def __init__(self, order: Indices, fprs: Sequence[float] = ()) -> None:
        n, size, sizes, reached = len(order), 1, [np.empty(0, np.intp)], 0
        if n > MOST:
            size = isqrt(n) // 25
            for fpr in sorted(fprs):
                spread = 6 * isqrt(int(n * fpr)) + size
                low, high = (min(max(int(n * fpr) + by, reached), n) for by in (-spread, spread))
                sizes += [_divided(low - reached, size), np.ones(high - low, np.intp)]
                reached = high
        self.sizes = np.concatenate([*sizes, _divided(n - reached, size)])
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.bundled = size > 1
        self.many = self.sizes > 1
        self.alone = order[self.starts[~self.many]]
        self.members = order[self.starts[self.many] + np.arange(size)[:, None]]

    def sums(self, counts: Counts) -> Floats:
        """Counts ``(bundles, r)`` of ``(images, r)``."""
        if not self.bundled:
            return counts[self.alone].astype(np.float64)
        together = np.zeros((self.members.shape[1], counts.shape[1]), np.uint16)
        for rows in self.members:
            together += counts[rows]
        sums = np.empty((len(self.sizes), counts.shape[1]))
        sums[self.many], sums[~self.many] = together, counts[self.alone]
        return sums

    def means(self, values: Floats) -> Floats:
        """Means ``(k, bundles)`` of ``(k, n)`` in the order of the logits."""
        return np.add.reduceat(values, self.starts, axis=1) / self.sizes if self.bundled else values

    def middles(self, values: Floats) -> Floats:
        """The middle ones ``(bundles,)`` of ``(n,)`` in the order of the logits."""
        return values[self.starts + self.sizes // 2]


def _divided(n: int, size: int) -> Indices:
    """Sizes of the bundles of ``n`` neighbours: what is left over stands alone, in front."""
    return np.repeat([1, size], [n % size, n // size])


def _features(label: int, logits: Floats, p: Floats, threshold: float) -> Floats:
    """What is summed over a class ``(4 + N_BINS, n)``: 1, called AI, loss in bits, squared error, p - y by bin."""
    features = np.zeros((4 + N_BINS, len(logits)))
    features[0] = 1
    features[1] = logits > threshold
    features[2] = np.logaddexp(0, -logits if label else logits) / np.log(2)
    features[3] = (p - label) ** 2
    features[4 + equal_width_bins(p), np.arange(len(p))] = p - label
    return features


def _means(real: Floats, ai: Floats) -> dict[str, Floats]:
    """Metrics that are functions of the summed features ``(4 + N_BINS, r)`` of both classes."""
    n_real, false, loss_real, *_ = real
    n_ai, true, loss_ai, *_ = ai
    n, specificity, recall = n_real + n_ai, 1 - false / n_real, true / n_ai
    return {
        "accuracy": (n_real - false + true) / n,
        "balanced_accuracy": (specificity + recall) / 2,
        "real_accuracy": specificity,
        "ai_accuracy": recall,
        "recall": recall,
        "precision": true / np.maximum(true + false, 1),
        "f1": 2 * true / (true + false + n_ai),
        "nll_bits": (loss_real / n_real + loss_ai / n_ai) / 2,
        "brier": (real[3] + ai[3]) / n,
        "ece": np.abs(real[4:] + ai[4:]).sum(axis=0) / n,
    }


def _cumulate(counts: Floats) -> Floats:
    """Sums of the first 0, 1, … n rows of ``(n, r)``; vectorised over replicates, which np.cumsum is not."""
    n, r = counts.shape
    size = isqrt(n) + 1
    sums = np.zeros((-(-(n + 1) // size), size, r))
    flat = sums.reshape(-1, r)
    flat[1 : n + 1] = counts
    for row in range(1, size):  # inside all blocks at once
        sums[:, row] += sums[:, row - 1]
    for block in range(1, len(sums)):
        sums[block] += sums[block - 1, -1]
    return flat[: n + 1]


def _exceeds(false: Floats, fpr: float, k: Indices) -> NDArray[np.bool_]:
    return false[k, np.arange(len(k))] / false[-1] > fpr


def _first(holds: Callable[[Indices], NDArray[np.bool_]], size: int, r: int) -> Indices:
    """Smallest k in ``0..size-1`` at which a condition holds, once and for all, else ``size``; for each replicate."""
    low, high = np.zeros(r, np.intp), np.full(r, size, np.intp)
    for _ in range(size.bit_length()):
        middle = np.minimum((low + high) // 2, size - 1)
        true = holds(middle) | (low == high)
        low, high = np.where(true, low, middle + 1), np.where(true, np.minimum(middle, high), high)
    return low
