"""The images of each test set side by side: shared real images in every one, and one size of crop for both classes."""

from __future__ import annotations

import polars as pl

from synthscope.data.manifest import in_every_subset
from synthscope.errors import SynthscopeError, UsageError, suggest

SHARE = 0.9  # of the images of each class are at least as large as the crop
LEFT_OUT = "left_out"  # column of reasons
SIDE = "_side"  # column: crop of the set in pixels
CELLS = {"subset": ["subset", "split"], "split": ["split"]}  # what makes a test set -> columns that name it
FREE = pl.col(LEFT_OUT).is_null() & pl.col("error").is_null()  # rows that nothing speaks against yet


def in_sets(table: pl.DataFrame, *, by: str) -> pl.DataFrame:
    """Rows as stored, a real image that stands in several test sets once in each, with a column ``LEFT_OUT``.

    Args:
        table: A manifest; rows with an ``error`` keep it.
        by: ``subset``, or ``split`` where all the images of a split are one test set.

    Raises:
        UsageError: ``by`` is neither.
        SynthscopeError: Images that have a view already, or that nobody has measured.
    """
    if by not in CELLS:
        raise UsageError(f"Expected test sets by subset or split for this view, got {by!r}. {suggest(by, CELLS)}")
    usable = table.filter(pl.col("error").is_null())
    seen = usable.filter((pl.col("view").fill_null("none") != "none") | pl.col("protocol").is_not_null())
    if seen.height:
        raise SynthscopeError(
            f"Expected images as stored, got the view {seen['view'][0]} of {seen['path'][0]}. Align a manifest that "
            "`data index` wrote."
        )
    unknown = usable.filter(pl.any_horizontal(pl.col("width", "height", "format").is_null()))
    if unknown.height:
        raise SynthscopeError(
            f"Expected measured images, got no size or format of {unknown['path'][0]}. Run `synthscope data verify`."
        )
    if by == "split":
        return table.with_columns(pl.lit(None, pl.String).alias(LEFT_OUT))
    sets = table.filter(pl.col("label") == 1, pl.col("subset").is_not_null()).select("split", "subset").unique()
    shared = table.with_row_index("_row").filter(in_every_subset())
    copies = shared.drop("subset").join(sets, on="split", nulls_equal=True).select("_row", *table.columns)
    placed = table.with_row_index("_row").filter(~pl.col("_row").is_in(copies["_row"].implode()))
    return (
        pl.concat([placed, copies])
        .sort("_row", "subset", maintain_order=True)
        .drop("_row")
        .with_columns(pl.lit(None, pl.String).alias(LEFT_OUT))
    )


def with_side(table: pl.DataFrame, *, by: str) -> pl.DataFrame:
    """Adds ``SIDE``, the smaller of the sizes that ``SHARE`` of each class reach; smaller images are left out.

    A set without usable images of both classes is left out whole.
    """
    cell, usable = CELLS[by], table.filter(FREE)
    short = pl.min_horizontal("width", "height")
    reached = usable.group_by(*cell, "label").agg(reached=short.sort(descending=True).get(_last(pl.len())))
    sizes = reached.group_by(cell).agg(
        pl.when(pl.col("label").n_unique() == 2).then(pl.col("reached").min()).alias(SIDE)
    )
    sized = table.join(sizes, on=cell, how="left", maintain_order="left", nulls_equal=True)
    reason = (
        pl.when(FREE & pl.col(SIDE).is_null())
        .then(pl.lit("no comparable image of the other class beside it"))
        .when(FREE & (short < pl.col(SIDE)))
        .then(pl.lit("smaller than the crop of its test set"))
        .otherwise(LEFT_OUT)
    )
    return sized.with_columns(reason.alias(LEFT_OUT))


def _last(n: pl.Expr) -> pl.Expr:
    """Index of the smallest of the largest ``SHARE`` of n."""
    return (n * SHARE).ceil().cast(pl.Int64) - 1
