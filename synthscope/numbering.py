"""Texts to numbers, one number a text, however many tables they come in."""

from __future__ import annotations

import polars as pl


class Numbering:
    """Numbers from 0 on, in about the order in which texts come.

    >>> number, column = Numbering(), pl.col("path")
    >>> [pl.DataFrame({"path": p}).select(number(column)).to_series().to_list() for p in (["b", "a"], ["a", "c"])]
    [[0, 1], [1, 2]]
    """

    def __init__(self) -> None:
        self._dtype = pl.Categorical(pl.Categories.random())
        self._alive = pl.Series(dtype=self._dtype)  # polars forgets categories that no column has

    def __call__(self, text: pl.Expr) -> pl.Expr:
        """An expression of type UInt32; null where the text is."""
        return text.cast(self._dtype).to_physical()
