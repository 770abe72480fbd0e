"""Which images of a manifest are pairs: a photograph and what was made of it, told by their group."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import polars as pl

from synthscope.errors import SynthscopeError
from synthscope.runtime import seed_for
from synthscope.schema import view_name


@dataclass(frozen=True)
class Pairs:
    """By photograph: its row, the rows of what was made of it, and the JPEG quality of its file, None = no JPEG."""

    real: list[int]
    ai: list[list[int]]
    quality: list[int | None]


def pairs_of(table: pl.DataFrame) -> Pairs:
    """Pairs among the rows of ``table``: of one group and view, and of one subset where both have one.

    Raises:
        SynthscopeError: An AI image with several photographs.
    """
    rows = table.with_row_index("row").with_columns(seen=view_name(), key=pl.coalesce("group", "path"))
    chosen = rows.select("row", "key", "seen", "subset", "path", "jpeg_quality", "label")
    real, ai = (chosen.filter(label=label).drop("label") for label in (0, 1))
    both = ai.join(real, on=["key", "seen"], suffix="_real")
    both = both.filter(pl.col("subset").eq(pl.col("subset_real")).fill_null(True)).sort("row_real", "row")
    if len(several := both.filter(pl.col("row").is_duplicated())):
        paths, group = several["path_real"].head(2).to_list(), several["key"][0]
        raise SynthscopeError(
            f"Expected one real image in the group {group} of {several['path'][0]}, got {paths[0]} and {paths[1]}. "
            f"Give every pair a group of its own, or set data.pairs=false."
        )
    found = both.group_by("row_real", maintain_order=True).agg("row", pl.col("jpeg_quality_real").first())
    return Pairs(found["row_real"].to_list(), found["row"].to_list(), found["jpeg_quality_real"].to_list())


def only_pairs(table: pl.DataFrame, *, most: int | None, seed: int) -> pl.DataFrame:
    """The rows of ``table`` that have a partner, of ``most`` photographs at most, drawn by group; says what it leaves.

    Raises:
        SynthscopeError: There is no pair, or an AI image has several photographs.
    """
    pairs = pairs_of(table)
    if not pairs.real:
        raise SynthscopeError(
            f"Expected pairs of a real and an AI image with the same group in the manifest, got none in {table.height} "
            f"images. Make them by synthscope data generate --reconstruct, or set data.pairs=false."
        )
    with_partner = len(pairs.real) + sum(map(len, pairs.ai))
    if with_partner < table.height:
        print(f"{table.height - with_partner} of {table.height} images have no partner: left out", file=sys.stderr)
    groups = table["group"].to_list()
    order = sorted(range(len(pairs.real)), key=lambda n: (seed_for(seed, groups[pairs.real[n]]), pairs.real[n]))
    return table[sorted(row for n in order[:most] for row in (pairs.real[n], *pairs.ai[n]))]
