"""What a reference set is worth: which logits are evidence at each level, and how many AI images are missed there."""

from __future__ import annotations

import polars as pl

from synthscope.inspection.reference import ReferenceSet
from synthscope.inspection.verdict import percent
from synthscope.inspection.wording import costs
from synthscope.metrics.conformal import critical_score, missed
from synthscope.metrics.intervals import wilson
from synthscope.tables.render import plain_text

LEVELS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def levels(reference: ReferenceSet) -> pl.DataFrame:
    """One row a level that the photographs can give.

    Returns:
        ``level``, ``logit`` above which p-values are at most that, ``miss_rate`` of the AI images with ``ci_low`` and
        ``ci_high`` (Wilson, 95 %; null without AI images), and ``n_ai``.
    """
    rows = []
    for level in (level for level in LEVELS if level >= 1 / (len(reference.photographs) + 1)):
        count, n = int(missed(reference.photographs, reference.ai, level).sum()), len(reference.ai)
        low, high = wilson(count, n) if n else (None, None)
        rows.append((level, critical_score(reference.photographs, level), count / n if n else None, low, high, n))
    names = ("level", "logit", "miss_rate", "ci_low", "ci_high")
    return pl.DataFrame(rows, dict.fromkeys(names, pl.Float64) | {"n_ai": pl.Int64}, orient="row")


def levels_text(reference: ReferenceSet) -> str:
    """:func:`levels` for the terminal, and what likelihood ratios cost."""
    table = levels(reference).select(
        level=_percent("level"),
        logit_above=pl.col("logit").round(4),
        ai_images_missed=pl.when(pl.col("n_ai") > 0).then(
            pl.format("{} [{}, {}]", *(_percent(name) for name in ("miss_rate", "ci_low", "ci_high")))
        ),
    )
    n, n_ai = len(reference.photographs), len(reference.ai)
    lines = [f"{n:,} reference photographs, {n_ai:,} AI images", "", plain_text(table)]
    if line := costs(reference.shown()):
        lines += ["", line]
    return "\n".join(lines)


def _percent(column: str) -> pl.Expr:
    return pl.col(column).map_elements(percent, return_dtype=pl.String)
