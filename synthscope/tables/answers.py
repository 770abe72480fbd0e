"""What detectors say of each image, as a table for a spreadsheet."""

from __future__ import annotations

import polars as pl

from synthscope.schema import view_name


def answers(predictions: pl.DataFrame) -> pl.DataFrame:
    """A row for each row of ``schema.PREDICTIONS``, in its order.

    Returns:
        Columns ``path``, ``label`` (0 or 1, null where it is unknown), ``detector``, ``view`` (a protocol or a recipe),
        ``condition``, ``logit``, ``p_ai`` and ``answer``: ``AI`` where the logit lies above the detector's threshold,
        else ``real``, or ``error`` where the image could not be scored.
    """
    return predictions.select(
        "path", "label", "detector", view_name(), "condition", "logit", "p_ai", answer().alias("answer")
    )


def answer() -> pl.Expr:
    """What is said of each row with ``logit``, ``threshold`` and ``error``; see :func:`answers`."""
    above = pl.col("logit") > pl.col("threshold").fill_null(0.0)
    failed = pl.col("error").is_not_null() | pl.col("logit").is_null()
    return pl.when(failed).then(pl.lit("error")).when(above).then(pl.lit("AI")).otherwise(pl.lit("real"))
