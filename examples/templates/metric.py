"""A metric in one file: Youden's J, the sum of both class accuracies less one.

File: a function in ``synthscope/metrics/detection.py``. Test: ``tests/metrics/test_detection.py``. Row of ``METRICS``
in the same file:

    METRICS["youden_j"] = Metric(youden_j, "Youden's J", True, "verdicts")

Its interval comes from counts, so that 2,000 resamples sort nothing: in ``synthscope/metrics/replicates.py`` the
dictionary of ``_means`` gets ``"youden_j": specificity + recall - 1``.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from synthscope.metrics.detection import balanced_accuracy


def youden_j(labels: ArrayLike, logits: ArrayLike, *, threshold: float = 0.0) -> float:
    """Share of AI images called AI less that of real images (Youden, Cancer 1950); 0 = guessing, 1 = perfect.

    >>> youden_j([1, 1, 0, 0], [2.0, -1.0, -3.0, -0.5])
    0.5
    """
    return 2 * balanced_accuracy(labels, logits, threshold=threshold) - 1
