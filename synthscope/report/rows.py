"""Which rows of a table of scores a grid or a figure shows, and what tells its rows apart."""

from __future__ import annotations

import polars as pl

from synthscope.scoring.columns import MEAN


def chosen(scores: pl.DataFrame, metric: str, view: str) -> pl.DataFrame:
    """Rows of one metric in one view of the test images."""
    return scores.filter(pl.col("metric") == metric, pl.col("view").fill_null("none") == view)


def comparable(table: pl.DataFrame) -> pl.DataFrame:
    """Rows of ``schema.SCORES`` on which clean and degraded images can be compared, for every detector.

    A mean over eight clean test sets must not stand beside a mean over the one that was degraded: detectors whose
    test sets were all degraded keep their mean, others the degraded test sets by themselves.
    """
    kept = []
    for _, rows in table.group_by("detector", maintain_order=True):
        single = rows.filter(pl.col("test_set") != MEAN)
        degraded = single.filter(pl.col("condition") != "none")["test_set"].unique().to_list()
        clean = single.filter(condition="none")["test_set"].unique().to_list()
        if degraded:
            whole = set(clean) == set(degraded) and MEAN in rows["test_set"]
            kept.append(rows.filter(pl.col("test_set").is_in([MEAN] if whole else degraded)))
    return pl.concat(kept) if kept else table.clear()


def keys_of(table: pl.DataFrame, across: str) -> list[str]:
    """``detector``, and the other text columns that differ between rows."""
    texts = [name for name, kind in table.schema.items() if kind == pl.String and name not in ("detector", across)]
    return ["detector", *(name for name in texts if name != "metric" and table[name].n_unique() > 1)]
