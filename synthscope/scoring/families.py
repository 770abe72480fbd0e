"""p-values adjusted within families of comparisons, as columns of a table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from synthscope.metrics.multiplicity import Floats, benjamini_hochberg, holm


def with_adjusted(table: pl.DataFrame, families: pl.Series) -> pl.DataFrame:
    """``table`` with ``p_holm`` and ``q_bh`` from ``p_value``.

    Args:
        table: Rows without a p-value are no comparisons.
        families: Name of the family of each row; rows without one are not adjusted.
    """
    named = table.with_columns(family=families, place=pl.int_range(pl.len()))
    parts = [
        part.with_columns(p_holm=_adjusted(holm, part), q_bh=_adjusted(benjamini_hochberg, part))
        for part in named.drop_nulls("family").partition_by("family", maintain_order=True)
    ]
    unknown = pl.lit(None, pl.Float64)
    rest = named.filter(pl.col("family").is_null()).with_columns(p_holm=unknown, q_bh=unknown)
    return pl.concat([rest, *parts]).sort("place").select(table.columns)


def _adjusted(method: Callable[[ArrayLike], Floats], part: pl.DataFrame) -> pl.Series:
    return pl.Series(method(part["p_value"].fill_null(np.nan).to_numpy())).fill_nan(None)
