"""Which images to train on, and which to hold out of them: the manifest's rows, filtered, sampled, split by group."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from typing import Any

import polars as pl

from synthscope.data.manifest import check_two_classes, in_every_subset, sample, split_by_group
from synthscope.schema import MANIFEST, conform, view_name
from synthscope.training.config import Data
from synthscope.training.pairs import only_pairs

LEAST_GROUPS = 20  # of a class, in each half of the held-out images


@dataclass(frozen=True)
class Rows:
    """Images of one part of the manifest, as plain lists: tables don't survive a fork."""

    paths: list[str]
    keys: list[str]  # what random draws are seeded by; they don't depend on where the images lie
    labels: list[int]
    views: list[str]
    regions: list[list[dict[str, Any]] | None] | None = None  # annotated artifacts; None = not annotated


def choose(manifest: pl.DataFrame, data: Data) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows to train on and rows held out of them, in an order of their own, with a column ``key``; no shared group.

    A collection in which no row has a split is one training set.

    Raises:
        SynthscopeError: An image has no label, a class has no images, or too few to hold any out; no pairs where they
            are asked for.
    """
    tail = pl.col("path").str.split("/").list.tail(3).list.join("/")
    table = conform(manifest, MANIFEST, "the manifest").with_columns(
        pl.coalesce("sha256", tail).alias("key"),
        pl.col("view").fill_null("none"),
        pl.coalesce("group", "sha256").alias("group"),  # copies of one file must not stand on both sides
    )
    unsplit = data.split == "train" and bool(table["split"].is_null().all())
    table = table.filter(pl.lit(unsplit) | (pl.col("split") == data.split))
    if data.subsets is not None:
        table = table.filter(pl.col("subset").is_in(data.subsets) | in_every_subset())
    if data.view is not None:
        table = table.filter(view_name() == data.view)
    if bad := table.filter(pl.col("error").is_not_null()).height:
        print(f"warning: {bad} of {table.height} images are left out: their rows have an error", file=sys.stderr)
    table = table.filter(pl.col("error").is_null()).unique(["path", "view"], keep="first").sort("key", "path", "view")
    split = "no split" if unsplit else f"split {data.split!r}"
    chosen = f"{split}, subsets {'+'.join(data.subsets or ()) or 'all'}, view {data.view or 'any'}"
    check_two_classes(table, chosen)
    if data.pairs:
        table = only_pairs(table, most=data.max_per_class, seed=data.seed)
    elif data.max_per_class is not None:
        table = sample(table, ("label",), n=data.max_per_class, seed=data.seed)
    train, held_out = split_by_group(table, data.holdout, seed=data.seed)
    check_two_classes(train, f"the images to train on of {chosen} with data.holdout={data.holdout:g}")
    check_two_classes(held_out, f"the images held out of {chosen} with data.holdout={data.holdout:g}")
    if unsplit:
        print(
            f"no image has a split: {train.height} are trained on, {held_out.height} are held out by group "
            f"(data.holdout={data.holdout:g})",
            file=sys.stderr,
        )
    return train, held_out


def divide(held_out: pl.DataFrame, *, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Held-out rows to choose the epoch by, and others to calibrate on, half each by group, label and subset.

    Where a half would have fewer than ``LEAST_GROUPS`` independent groups of a class, both are ``held_out`` itself.
    """
    halves = split_by_group(held_out, 0.5, seed=seed)
    member = pl.coalesce("group", "path")
    groups = [half.filter(label=label).select(member).n_unique() for half in halves for label in (0, 1)]
    return halves if min(groups) >= LEAST_GROUPS else (held_out, held_out)


def rows_of(table: pl.DataFrame) -> Rows:
    """Lists of the columns that training needs."""
    columns = ("path", "key", "label", "view", *(("regions",) if "regions" in table.columns else ()))
    return Rows(*(table[column].to_list() for column in columns))


def manifest_digest(*tables: pl.DataFrame) -> str:
    """SHA-256 of the rows that decide a run; where the images lie is not part of it."""
    digest = hashlib.sha256()
    for table in tables:
        for part in table.select("key", "label", "subset", "view", "group").iter_slices(100_000):
            digest.update(part.write_csv(include_header=False).encode())
        if "regions" in table.columns:
            moved = table["regions"].list.eval(pl.element().struct.with_fields(path=pl.lit(None)))
            digest.update(json.dumps(moved.to_list()).encode())
        digest.update(b"\0")
    return digest.hexdigest()
