"""The units that a bootstrap draws from the images of all test sets, where these are millions."""

from __future__ import annotations

import numpy as np
import polars as pl

from synthscope.metrics.resampling import FEWEST, Units

CELL = ["label", "subset", "generator"]  # whose numbers of images a replicate keeps


def with_units(items: pl.DataFrame) -> tuple[pl.DataFrame, Units]:
    """Adds ``place``, the row of an image among the units.

    Args:
        items: ``image``, its ``group``, and ``label``, ``subset`` and ``generator``.
    """
    places = items.select("image", *CELL, "group").unique(["image", *CELL]).sort("image", *CELL).with_row_index("place")
    cell = pl.concat_str(pl.col(CELL).cast(pl.String).fill_null("\x00"), separator="\x1f")
    units = units_of_rows(places.select(cell=cell, group="group"))
    joined = items.join(places.drop("group"), on=["image", *CELL], how="left", nulls_equal=True, maintain_order="left")
    return joined, units


def units_of_rows(rows: pl.DataFrame) -> Units:
    """:func:`metrics.resampling.units_of` of the columns ``cell`` and ``group``."""
    homes = rows.group_by("group").agg(pl.col("cell").unique().sort().str.join("\x1e").alias("home"))
    several = pl.col("home").str.contains("\x1e", literal=True) & (pl.len().over("home") < FEWEST)
    homes = homes.with_columns(home=pl.when(several).then(pl.lit("\x1e")).otherwise("home"))
    names = homes.select(pl.col("home").unique().sort()).with_row_index("stratum")
    homes = homes.join(names, on="home").sort("group").with_columns(number=pl.int_range(pl.len()).over("stratum"))
    found = rows.join(homes, on="group", how="left", maintain_order="left")
    sizes = homes.group_by("stratum").len().sort("stratum")["len"].to_list()
    stratum, number = (found[name].to_numpy().astype(np.intp) for name in ("stratum", "number"))
    return Units(stratum, number, names["home"].to_list(), sizes)
