"""Equal numbers of real and AI images, overall, for each class, or pair by pair; chosen by hashing names."""

from __future__ import annotations

import polars as pl

from synthscope.data.manifest import draws, in_every_subset
from synthscope.errors import SynthscopeError, UsageError


def pair_by_class(table: pl.DataFrame, *, per_class: int | None = None, seed: int = 0) -> pl.DataFrame:
    """As many real as AI images of each ImageNet class, in every subset and split, in the order of the table.

    Rows with an ``error`` or without ``class_index`` are left out. :func:`balance` says how shared reals count.

    Args:
        table: A manifest.
        per_class: At most so many images of each label, class, subset and split.
        seed: Chooses the images. A smaller ``per_class`` chooses among those of a larger one.

    Raises:
        UsageError: ``per_class`` below 1.
        SynthscopeError: No class has images of both labels; says what to provide.
    """
    if per_class is not None and per_class < 1:
        raise UsageError(f"Expected at least 1 image a class, got {per_class}. Raise it.")
    usable = table.filter(pl.col("error").is_null())
    classed = usable.filter(pl.col("class_index").is_not_null())
    chosen = balance(classed, ("class_index",), most=per_class, seed=seed)
    if chosen.is_empty():
        real, ai = (classed.filter(label=label)["class_index"].n_unique() for label in (0, 1))
        raise SynthscopeError(
            f"Expected a class with real and AI images, got {real} classes of real and {ai} of AI images in the same "
            f"subsets and splits, and {usable.height - classed.height} images of unknown class. "
            "Index with genimage:PATH?val_labels=FILE if ImageNet's validation images are among them."
        )
    return chosen


LEVELS = ("group", "class_index", "source")


def pair(table: pl.DataFrame, *, seed: int = 0) -> tuple[pl.DataFrame, dict[str, int]]:
    """As many real as AI images in every subset and split, each beside one that is as like it as can be.

    First those of one ``group`` are put beside each other (a photograph and what was made from it or its caption), of
    the rest those of one class, of the rest those of one source. What then has no counterpart is left out, as are rows
    with an ``error``. :func:`balance` says how shared reals count.

    Returns:
        The rows that are kept, in the order of the table; and how many AI images each of ``LEVELS`` has paired.

    Raises:
        SynthscopeError: There are no pairs at all.
    """
    rest = table.filter(pl.col("error").is_null(), pl.col("label").is_not_null()).with_row_index("_number")
    chosen, counts = [rest.clear()], {}
    for level in LEVELS:
        known = rest.filter(pl.col(level).is_not_null())
        chosen.append(balance(known, (level,), seed=seed))
        counts[level] = chosen[-1].filter(label=1).height
        rest = rest.join(chosen[-1].select("_number"), on="_number", how="anti", maintain_order="left")
    pairs = pl.concat(chosen).sort("_number").drop("_number")
    if pairs.is_empty():
        raise SynthscopeError(
            "Expected real and AI images of one group, class or source in the same subsets and splits, got none. "
            "Index the images together, or give them groups."
        )
    return pairs, counts


def balance(table: pl.DataFrame, per: tuple[str, ...] = (), *, most: int | None = None, seed: int = 0) -> pl.DataFrame:
    """As many real as AI images in each cell (subset, split, ``per``), in the order of the table.

    Real images without a subset stand in every subset that has AI images in their split, so the subset with the
    fewest of these bounds them, and where one has none they go; own reals of a subset then fill up its AI images.
    Within a cell, images are drawn by the hash of their names.

    Args:
        table: A manifest.
        per: Further columns that make up a cell, such as ``("class_index",)``.
        most: Images of each label in a cell.
        seed: Of the draw.
    """
    place, cell = ("split", *per), ("subset", "split", *per)
    shared, ai = in_every_subset(), pl.col("label") == 1
    own = ~shared & ~ai
    drawn = table.with_row_index("_row").with_columns(_draw=pl.Series(draws(table, seed))).sort("_draw", "path")
    subsets = pl.col("subset").filter(ai).n_unique()
    counted = drawn.with_columns(
        _rank=pl.int_range(pl.len()).over("label", *cell),
        _shared=shared.sum().cast(pl.Int64).over(place),
        _own=own.sum().cast(pl.Int64).over(cell),
        _ai=pl.min_horizontal(ai.sum().cast(pl.Int64).over(cell), pl.lit(most, pl.Int64)),
        _everywhere=subsets.over(place) == subsets.over("split"),
    )
    fewest = pl.when("_everywhere").then(pl.col("_ai").filter(ai).min().over(place)).fill_null(0)
    counted = counted.with_columns(_shared=pl.min_horizontal("_shared", fewest))
    counted = counted.with_columns(_own=pl.min_horizontal("_own", pl.col("_ai") - pl.col("_shared")))
    kept = pl.when(shared).then("_shared").when(own).then("_own").otherwise(pl.col("_own") + pl.col("_shared"))
    return counted.filter(pl.col("_rank") < kept).sort("_row").select(table.columns)
