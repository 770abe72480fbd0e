"""One function for figures: what a table is says which figures there are of it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from synthscope.errors import UsageError, suggest

_FIGURES = "synthscope.report.figures"
# Kinds of what is drawn, the columns that tell them, and their figures, the first of which is drawn unless asked.
KINDS: Mapping[str, tuple[frozenset[str], Mapping[str, str]]] = {
    "scores": (
        frozenset({"metric", "test_set", "value", "ci_low"}),
        {
            "intervals": "scores.interval_figure",
            "matrix": "scores.matrix_figure",
            "degraded": "scores.degradation_figure",
        },
    ),
    "audit": (frozenset({"attributes", "balanced_accuracy"}), {"audit": "scores.audit_figure"}),
    "predictions": (
        frozenset({"detector", "condition", "logit", "label", "p_ai"}),
        {
            "roc": "predictions.roc_figure",
            "reliability": "predictions.reliability_figure",
            "logits": "predictions.logit_histogram",
        },
    ),
    "manifest": (frozenset({"path", "label", "format", "width"}), {"files": "files.files_figure"}),
    "left_out": (frozenset({"part", "test_sets", "value"}), {"left_out": "left_out.left_out_figure"}),
}  # fmt: skip


def plot(shown: pl.DataFrame | str | Path, kind: str | None = None, **options: Any) -> Figure:
    """The figure of a table, or of a run's heatmaps; a notebook shows it after ``%matplotlib inline``.

    Args:
        shown: What ``score``, ``audit``, ``predict`` or ``index`` returned; the ``left_out.parquet`` of a benchmark; or
            the folder of a run of ``explain``, of which one image is drawn under its detectors and explainers.
        kind: Of scores ``intervals`` (if None), ``matrix`` or ``degraded``; of predictions ``roc`` (if None),
            ``reliability`` or ``logits``.
        options: Of that figure's function in ``synthscope.report.figures``, such as ``metric="auroc"``.

    Raises:
        UsageError: A table or kind that has no figure, or an option that the figure does not have.
        SynthscopeError: A folder without heatmaps that can be drawn.
    """
    if not isinstance(shown, pl.DataFrame):
        from synthscope.report.heatmaps.one_image import one_image

        return _called(one_image, Path(shown), options)
    found = [figures for columns, figures in KINDS.values() if columns <= set(shown.columns)]
    if not found:
        raise UsageError(
            f"Expected {', '.join(KINDS)} to draw, got a table with the columns {', '.join(shown.columns[:8])}. "
            f"Draw it with a library for figures."
        )
    name = next(iter(found[0])) if kind is None else kind
    if name not in found[0]:
        raise UsageError(f"Expected a kind of figure, got {name!r}. {suggest(name, list(found[0]))}")
    module, _, function = found[0][name].partition(".")
    return _called(getattr(import_module(f"{_FIGURES}.{module}"), function), shown, options)


def _called(draw: Any, shown: Any, options: Mapping[str, Any]) -> Figure:
    known = list(signature(draw).parameters)[1:]
    if unknown := sorted(options.keys() - set(known)):
        raise UsageError(f"Expected an option of the figure, got {unknown[0]!r}. {suggest(unknown[0], known)}")
    figure: Figure = draw(shown, **options)
    return figure
