"""How much more likely a score is among AI images than among photographs, and what such ratios are worth.

Logistic calibration with both classes weighted alike (Morrison, Australian Journal of Forensic Sciences, 2013); cost of
log likelihood ratios in bits, and its least value under any monotone calibration, by isotonic regression (Brümmer and
du Preez, Computer Speech and Language, 2006, eq. 11 and 6.2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from synthscope.metrics.calibration import both_classes, fit_temperature

Floats = NDArray[np.float64]
FOLDS = 10
SCALE = (  # words of ENFSI, Guideline for Evaluative Reporting in Forensic Science, 2015; published scales differ
    (1, "no support"),
    (2, "weak support"),
    (10, "moderate support"),
    (100, "moderately strong support"),
    (1_000, "strong support"),
    (10_000, "very strong support"),
    (1_000_000, "extremely strong support"),
)


class LogRatios(NamedTuple):
    """``log LR = score / temperature + bias``, in nats, kept within what the numbers of images can say."""

    temperature: float
    bias: float
    low: float
    high: float

    def of(self, scores: ArrayLike) -> Floats:
        """Natural logarithms of the likelihood ratios of scores, any shape."""
        return np.clip(np.asarray(scores, np.float64) / self.temperature + self.bias, self.low, self.high)


def fit_log_ratios(labels: ArrayLike, scores: ArrayLike) -> LogRatios:
    """Calibrate on scores ``(n,)`` with labels ``(n,)``, 1 = AI.

    No ratio leaves ``1 / (n_ai + 1)`` to ``n_real + 1``: more than that, so many images cannot tell.
    """
    y, z = both_classes(labels, scores)
    return LogRatios(*fit_temperature(y, z, prior=0.5), -float(np.log1p(y.sum())), float(np.log1p((~y).sum())))


def cllr(labels: ArrayLike, log_ratios: ArrayLike) -> float:
    """Cost in bits of log likelihood ratios ``(n,)``, in nats: 0 = perfect, 1 = says nothing.

    >>> cllr([0, 1], [0.0, 0.0])
    1.0
    """
    return _cost(*both_classes(labels, log_ratios))


def _cost(y: NDArray[np.bool_], r: Floats) -> float:
    return float((np.logaddexp(0, -r[y]).mean() + np.logaddexp(0, r[~y]).mean()) / (2 * np.log(2)))


def cllr_min(labels: ArrayLike, scores: ArrayLike) -> float:
    """:func:`cllr` of the best monotone calibration of scores ``(n,)``: what is lost by their order alone.

    >>> cllr_min([0, 0, 1, 1], [-2.0, -1.0, 1.0, 5.0])
    0.0
    """
    y, z = both_classes(labels, scores)
    group = np.unique(z, return_inverse=True)[1]
    ai, real = (np.bincount(group, kind) for kind in (y, ~y))
    share = isotonic_regression(ai / (ai + real), weights=ai + real).x
    with np.errstate(divide="ignore"):  # scores that only one class has
        odds = np.log(share) - np.log(1 - share)
    return _cost(y, odds[group] - np.log(y.sum() / (~y).sum()))


def crossfitted_cllr(labels: ArrayLike, scores: ArrayLike, *, seed: int = 0) -> float | None:
    """:func:`cllr` of images that their calibration was not fitted on, ``FOLDS`` folds of each class.

    None with fewer than two images of a class a fold.
    """
    y, z = both_classes(labels, scores)
    if min(y.sum(), (~y).sum()) < 2 * FOLDS:
        return None
    fold = np.empty(len(y), np.intp)
    rng = np.random.default_rng(seed)
    for kind in (y, ~y):
        fold[kind] = rng.permutation(np.arange(kind.sum()) % FOLDS)
    ratios = np.empty(len(y))
    for number in range(FOLDS):
        held = fold == number
        ratios[held] = fit_log_ratios(y[~held], z[~held]).of(z[held])
    return cllr(y, ratios)


def in_words(ratio: float) -> str:
    """What a likelihood ratio is called on ``SCALE``, for the hypothesis that it supports.

    >>> in_words(35.0), in_words(1 / 35), in_words(1.4)
    ('moderate support for AI generation', 'moderate support for a photograph', 'no support')
    """
    size = max(ratio, 1 / ratio)
    word = [word for least, word in SCALE if size >= least][-1]
    if size < SCALE[1][0]:
        return word
    return f"{word} for {'AI generation' if ratio > 1 else 'a photograph'}"
