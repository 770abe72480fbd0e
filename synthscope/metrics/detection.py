"""Detection metrics over labels (1 = AI, 0 = real) and logits (> threshold = AI), and the table of their names.

Every function takes the whole test set at once, so a result cannot depend on batches, workers or row order. Ranking
happens on float64 logits, never on probabilities, which saturate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.metrics.calibration import binary, both_classes, ece, probabilities

Floats = NDArray[np.float64]


def accuracy(labels: ArrayLike, logits: ArrayLike, *, threshold: float = 0.0) -> float:
    """Share of right verdicts, both classes pooled.

    >>> accuracy([1, 1, 0, 0], [2.0, -1.0, -3.0, -0.5])
    0.75
    """
    y, z = binary(labels, logits)
    return float(np.mean((z > threshold) == y))


def real_accuracy(labels: ArrayLike, logits: ArrayLike, *, threshold: float = 0.0) -> float:
    """Share of real images called real. Raises ``SynthscopeError`` without real images."""
    return _class_accuracy(labels, logits, 0, threshold)


def ai_accuracy(labels: ArrayLike, logits: ArrayLike, *, threshold: float = 0.0) -> float:
    """Share of AI images called AI. Raises ``SynthscopeError`` without AI images."""
    return _class_accuracy(labels, logits, 1, threshold)


def _class_accuracy(labels: ArrayLike, logits: ArrayLike, which: int, threshold: float) -> float:
    y, z = binary(labels, logits)
    if not (y == which).any():
        raise SynthscopeError(f"Expected images with label {which}, got none. Add some, or ask for another metric.")
    return float(np.mean((z[y == which] > threshold) == bool(which)))


def balanced_accuracy(labels: ArrayLike, logits: ArrayLike, *, threshold: float = 0.0) -> float:
    """Mean of :func:`real_accuracy` and :func:`ai_accuracy`."""
    y, z = both_classes(labels, logits)
    return (_class_accuracy(y, z, 0, threshold) + _class_accuracy(y, z, 1, threshold)) / 2


def precision(labels: ArrayLike, logits: ArrayLike, *, threshold: float = 0.0) -> float:
    """Share of AI images among those called AI; 0 when none is. Depends on the ratio of the classes."""
    y, z = both_classes(labels, logits)
    called = z > threshold
    return float(np.mean(y[called])) if called.any() else 0.0


def recall(labels: ArrayLike, logits: ArrayLike, *, threshold: float = 0.0) -> float:
    """Share of AI images called AI: :func:`ai_accuracy` under its other name."""
    return ai_accuracy(labels, logits, threshold=threshold)


def f1(labels: ArrayLike, logits: ArrayLike, *, threshold: float = 0.0) -> float:
    """Harmonic mean of precision and recall, AI being the positive class. Depends on the ratio of the classes."""
    y, z = both_classes(labels, logits)
    called = z > threshold
    return float(2 * np.sum(called & y) / (np.sum(called) + np.sum(y)))


def roc_counts(labels: ArrayLike, logits: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Counts behind the ROC curve, one point for each distinct logit in falling order, after the point (0, 0).

    Returns:
        Real images and AI images at or above each logit, and the logit: three float64 ``(k + 1,)``; ``logit[0]`` = inf.
    """
    y, z = both_classes(labels, logits)
    order = np.argsort(-z, kind="stable")
    last = np.append(np.flatnonzero(np.diff(z[order])), len(z) - 1)  # of each group of equal logits
    true = np.cumsum(y[order])[last].astype(np.float64)
    fpr, tpr = np.append(0.0, last + 1 - true), np.append(0.0, true)
    return fpr, tpr, np.append(np.inf, z[order][last])


def average_precision(labels: ArrayLike, logits: ArrayLike) -> float:
    """Step-wise sum of (R_k - R_{k-1}) P_k, without interpolation. Depends on the ratio of the classes.

    >>> average_precision([1, 0, 1], [3.0, 2.0, 1.0])
    0.8333333333333333
    """
    false, true, _ = roc_counts(labels, logits)
    return float(np.sum(np.diff(true) * true[1:] / (true[1:] + false[1:])) / true[-1])


def auroc(labels: ArrayLike, logits: ArrayLike) -> float:
    """Probability that an AI image has a higher logit than a real one; ties count one half.

    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    false, true, _ = roc_counts(labels, logits)
    return float(np.sum(np.diff(false) * (true[1:] + true[:-1])) / (2 * true[-1] * false[-1]))


def tpr_at_fpr(labels: ArrayLike, logits: ArrayLike, *, fpr: float) -> tuple[float, float]:
    """Largest true positive rate whose false positive rate is at most ``fpr``, without interpolation.

    Returns:
        The rate, and the threshold that attains it (``logit > threshold`` = AI): the highest logit left out.

    >>> tpr_at_fpr([0, 0, 1, 1, 1], [0.0, 2.0, 1.0, 3.0, 4.0], fpr=0.1)
    (0.6666666666666666, 2.0)
    """
    if not 0 <= fpr <= 1:
        raise SynthscopeError(f"Expected a false positive rate in 0..1, got {fpr}. Give a fraction, not percent.")
    false, true, logit = roc_counts(labels, logits)
    last = int(np.flatnonzero(false / false[-1] <= fpr)[-1])
    return float(true[last] / true[-1]), float(logit[last + 1]) if last + 1 < len(logit) else -np.inf


def eer(labels: ArrayLike, logits: ArrayLike) -> float:
    """Equal error rate: where the ROC polygon, linear between its points, has FPR = FNR.

    >>> eer([0, 0, 1, 1], [0.0, 2.0, 1.0, 3.0])
    0.5
    """
    false, true, _ = roc_counts(labels, logits)
    fpr, gap = false / false[-1], true[-1] * false[-1] - true * false[-1] - false * true[-1]  # gap ~ FNR - FPR, exact
    k = int(np.flatnonzero(gap <= 0)[0])
    share = gap[k - 1] / (gap[k - 1] - gap[k])
    return float(fpr[k - 1] + share * (fpr[k] - fpr[k - 1]))


def nll_bits(labels: ArrayLike, logits: ArrayLike) -> float:
    """Class-balanced log loss in bits (Cllr of Bruemmer and du Preez, 2006); 1 for logits that are all 0.

    It judges the logits as they are, not a stored calibration.
    """
    y, z = both_classes(labels, logits)
    loss = np.logaddexp(0, np.where(y, -z, z)) / np.log(2)
    return float((loss[y].mean() + loss[~y].mean()) / 2)


def brier(labels: ArrayLike, p: ArrayLike) -> float:
    """Mean of (p - label) squared, p being the probability of AI."""
    y, q = binary(labels, p)
    return float(np.mean((q - y) ** 2))


@dataclass(frozen=True)
class Metric:
    """A metric under its name: what it reads, which way is better, which classes it needs."""

    function: Callable[..., float]
    title: str
    higher_is_better: bool
    reads: Literal["verdicts", "ranks", "logits", "probabilities"]
    needs: tuple[int, ...] = (0, 1)  # labels that must occur
    fpr: float | None = None  # of a TPR at a given FPR

    def __call__(self, labels: ArrayLike, logits: ArrayLike, *, p: ArrayLike | None, threshold: float) -> float:
        """Value of the metric; ``p`` defaults to the sigmoid of the logits."""
        if self.reads == "verdicts":
            return self.function(labels, logits, threshold=threshold)
        if self.reads == "probabilities":
            return self.function(labels, probabilities(logits) if p is None else p)
        return self.function(labels, logits)


def _tpr(fpr: float) -> Callable[[ArrayLike, ArrayLike], float]:
    return lambda labels, logits: tpr_at_fpr(labels, logits, fpr=fpr)[0]


METRICS: dict[str, Metric] = {
    "accuracy": Metric(accuracy, "Accuracy", True, "verdicts", ()),
    "balanced_accuracy": Metric(balanced_accuracy, "Balanced accuracy", True, "verdicts"),
    "real_accuracy": Metric(real_accuracy, "Accuracy on real", True, "verdicts", (0,)),
    "ai_accuracy": Metric(ai_accuracy, "Accuracy on AI", True, "verdicts", (1,)),
    "precision": Metric(precision, "Precision", True, "verdicts"),
    "recall": Metric(recall, "Recall", True, "verdicts", (1,)),
    "f1": Metric(f1, "F1", True, "verdicts"),
    "average_precision": Metric(average_precision, "AP", True, "ranks"),
    "auroc": Metric(auroc, "AUROC", True, "ranks"),
    "tpr_at_fpr_1pct": Metric(_tpr(0.01), "TPR at 1 % FPR", True, "ranks", fpr=0.01),
    "tpr_at_fpr_5pct": Metric(_tpr(0.05), "TPR at 5 % FPR", True, "ranks", fpr=0.05),
    "tpr_at_fpr_10pct": Metric(_tpr(0.1), "TPR at 10 % FPR", True, "ranks", fpr=0.1),
    "eer": Metric(eer, "EER", False, "ranks"),
    "nll_bits": Metric(nll_bits, "Cllr (bits)", False, "logits"),
    "brier": Metric(brier, "Brier", False, "probabilities", ()),
    "ece": Metric(ece, "ECE", False, "probabilities", ()),
}


def metric_named(name: str) -> Metric:
    """An entry of ``METRICS``. Raises ``UsageError`` with a suggestion for an unknown name."""
    if name not in METRICS:
        raise UsageError(f"Expected the name of a metric, got {name!r}. {suggest(name, METRICS)}")
    return METRICS[name]
