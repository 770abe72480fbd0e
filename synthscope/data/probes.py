"""Small classifiers that say how well numbers tell the label, and by what, in cross-validation.

A depth-2 tree for attributes of files, whose rule can be read; a linear classifier for traces in pixels, where many
weak ones count together. Images that belong together stay in one fold.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from synthscope.metrics.detection import auroc
from synthscope.metrics.intervals import effective, grouped_rates_interval
from synthscope.schema import with_group

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin
    from sklearn.tree import DecisionTreeClassifier


class Folds(NamedTuple):
    """How a table is divided for cross-validation."""

    splits: list[tuple[np.ndarray, np.ndarray]]  # rows to learn from, rows to judge
    groups: np.ndarray  # (n,) numbers of what stays in one fold


class Verdict(NamedTuple):
    """What one probe found; the columns of an audit table."""

    balanced_accuracy: float | None  # None where there are too few images, or too few that are independent
    ci_low: float | None
    ci_high: float | None
    n_real: int
    n_ai: int
    rule: str | None


def folds(table: pl.DataFrame, seed: int) -> Folds | None:
    """Up to five stratified folds that keep images together which are not independent.

    Those are rows of the same ``group``; without one, of the same bytes (``sha256``); without that, of the same file.

    Returns:
        None where no two folds leave both classes to learn from.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rows = with_group(table).select("label", member=pl.col("group").rank("dense").cast(pl.Int64))
    labels, members = rows["label"].to_numpy(), rows["member"].to_numpy()
    most = [rows.filter(label=label)["member"].n_unique() for label in (0, 1)]
    for k in range(min(5, *most), 1, -1):
        if rows["member"].n_unique() == rows.height:  # the same, but many times faster
            return Folds(list(StratifiedKFold(k, shuffle=True, random_state=seed).split(labels, labels)), members)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class in fewer groups than folds is looked for below
            found = list(StratifiedGroupKFold(k, shuffle=True, random_state=seed).split(labels, labels, members))
        if all(len(test) and len(set(labels[train])) == 2 for train, test in found):
            return Folds(found, members)
    return None


def judge_files(features: dict[str, np.ndarray], labels: np.ndarray, folds: Folds | None, seed: int) -> Verdict:
    """Balanced accuracy of a tree on attributes of files, and the rule it learns from all of them.

    Args:
        features: Name -> float64 ``(n,)``; see :func:`synthscope.data.audit.file_features`.
        labels: ``(n,)``, 1 = AI.
        folds: Of :func:`folds`.
        seed: Of the tree.
    """

    def rule(matrix: np.ndarray) -> str:
        return _rule(_tree(seed).fit(matrix, labels), list(features))

    return _judged(_tree(seed), features, labels, folds, rule)


def judge_history(features: dict[str, np.ndarray], labels: np.ndarray, folds: Folds | None) -> Verdict:
    """Balanced accuracy of a linear classifier on traces in pixels, and the trace that tells most by itself.

    Args:
        features: Name -> float64 ``(n,)``; see :func:`synthscope.data.history.history_features`.
        labels: ``(n,)``, 1 = AI.
        folds: Of :func:`folds`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Shrunk, because there are often fewer images than traces. Forests find no more and stand at chance as well.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))

    def rule(matrix: np.ndarray) -> str:
        alone = {name: auroc(labels, values) for name, values in zip(features, matrix.T, strict=True)}
        best = max(alone, key=lambda name: abs(alone[name] - 0.5))
        more = alone[best] >= 0.5
        return f"{best} ({'more' if more else 'less'} in AI, AUROC {alone[best] if more else 1 - alone[best]:.2f})"

    return _judged(model, features, labels, folds, rule)


def _judged(
    model: ClassifierMixin,
    features: dict[str, np.ndarray],
    labels: np.ndarray,
    folds: Folds | None,
    rule: Callable[[np.ndarray], str],
) -> Verdict:
    from sklearn.model_selection import cross_val_predict

    n_real, n_ai = int((labels == 0).sum()), int((labels == 1).sum())
    if folds is None:
        return Verdict(None, None, None, n_real, n_ai, None)
    matrix = np.column_stack(list(features.values()))
    correct = cross_val_predict(model, matrix, labels, cv=folds.splits) == labels
    right = [correct[labels == label] for label in (0, 1)]
    value = float(right[0].mean() + right[1].mean()) / 2
    worth = effective(right, [folds.groups[labels == label] for label in (0, 1)])
    low, high = grouped_rates_interval(right, worth, (0.5, 0.5))
    return Verdict(value, low, high, n_real, n_ai, rule(matrix))


def _tree(seed: int) -> DecisionTreeClassifier:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=2, class_weight="balanced", random_state=seed)


def _rule(tree: DecisionTreeClassifier, names: list[str]) -> str:
    """The ranges of attributes that the tree calls AI, in words."""
    ranges = _ai_ranges(tree.tree_, 0, {})
    if ranges in ([], [{}]):
        return "everything is AI" if ranges else "everything is real"
    return " or ".join(" and ".join(_say(names[f], *r) for f, r in each.items()) for each in ranges) + " -> AI"


def _ai_ranges(tree: Any, node: int, here: dict[int, tuple[float, float]]) -> list[dict[int, tuple[float, float]]]:
    """For each leaf below ``node`` that says AI: feature -> (low, high], within ``here``; leaves that agree are one."""
    leaves = _classes(tree, node)
    if len(leaves) == 1:
        return [here] if 1 in leaves else []
    feature, threshold = tree.feature[node], float(tree.threshold[node])
    low, high = here.get(feature, (-np.inf, np.inf))
    below = _ai_ranges(tree, tree.children_left[node], here | {feature: (low, threshold)})
    return below + _ai_ranges(tree, tree.children_right[node], here | {feature: (threshold, high)})


def _classes(tree: Any, node: int) -> set[int]:
    if tree.children_left[node] == -1:
        return {int(tree.value[node][0].argmax())}
    return _classes(tree, tree.children_left[node]) | _classes(tree, tree.children_right[node])


def _say(name: str, low: float, high: float) -> str:
    attribute, _, value = name.partition("=")
    if attribute == "format":
        return f"format is {value}" if low > 0 else f"format is not {value}"
    if attribute == "jpeg_quality" and low == -np.inf:
        return f"not a JPEG of quality above {high:g}"
    words = {"size": "width x height", "aspect": "width / height"}.get(attribute, attribute.replace("_", " "))
    low_text, high_text = (f"{limit:.0f}" if attribute == "size" else f"{limit:.4g}" for limit in (low, high))
    if low == -np.inf:
        return f"{words} <= {high_text}"
    return f"{words} > {low_text}" if high == np.inf else f"{low_text} < {words} <= {high_text}"
