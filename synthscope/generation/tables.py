"""A finished folder of generated images as tables: every prompt, and the manifest with pairs by uid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from synthscope.data.index import index
from synthscope.data.layouts.source import absolute
from synthscope.data.manifest import save_manifest
from synthscope.generation.contract import Order
from synthscope.generation.record import read_lines
from synthscope.runtime.files import read_json
from synthscope.schema import write_parquet


def write_tables(out: Path, orders: Sequence[Order]) -> tuple[int, int, int]:
    """``prompts.parquet`` and ``manifest.parquet``, once every generator of the folder is done with every order.

    Returns:
        How many fakes are there, failed, and are missing.
    """
    generators = list(read_json(out / "generate.json", dict)["generators"])
    place = pl.DataFrame({"uid": [order.uid for order in orders]}).with_row_index("_place")
    order = pl.DataFrame({"generator": generators}).with_row_index("_generator")
    lines = read_lines(out).join(place, on="uid").join(order, on="generator").sort("_generator", "_place")
    prompts = lines.drop("_generator", "_place")
    failed = prompts["error"].count()
    made, missing = prompts.height - failed, len(orders) * len(generators) - prompts.height
    if not missing:
        write_parquet(prompts, out / "prompts.parquet")
        if made:
            save_manifest(manifest_of(out, prompts), out / "manifest.parquet")
    return made, failed, missing


def manifest_of(out: Path, prompts: pl.DataFrame) -> pl.DataFrame:
    """The images that ``prompts`` names, read as ``genimage:``; ``group`` is the uid, so that pairs stay together."""
    root = absolute(str(out)).as_posix()
    known = ("uid", "class_index", "synset")
    named = [prompts.drop_nulls(one).select(*known, path=one) for one in ("path", "real")]
    facts = pl.concat(named).with_columns(path=pl.lit(f"{root}/") + pl.col("path")).rename({"uid": "group"})
    images = index(f"genimage:{root}").drop("group", "class_index", "synset")
    return images.join(facts, on="path", how="inner", maintain_order="left")
