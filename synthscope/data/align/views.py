"""Views by name: what a data set is, in training and in testing. A recipe does the same to every image; a protocol
looks at the images of a test set first, and chooses for each what makes the classes comparable.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from synthscope.data.align import protocols as published
from synthscope.data.align.laundered import laundered
from synthscope.data.align.one_compression import aligned
from synthscope.data.align.select import align
from synthscope.data.align.sets import LEFT_OUT
from synthscope.data.degrade import DEGRADATIONS
from synthscope.data.degrade.chains import NAMED
from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.manifest import check_labels, with_view
from synthscope.errors import SynthscopeError, UsageError, suggest

RAW = "none"
CLASSES = {0: "real", 1: "AI"}
TREATMENTS = pl.Schema(
    {
        "view": pl.String,
        "subset": pl.String,
        "split": pl.String,
        "label": pl.Int8,
        "treatment": pl.String,  # what was done to the images, or why they were left out
        "kept": pl.Boolean,
        "side": pl.Int32,  # of the crop, in pixels
        "n": pl.Int64,
    }
)


class Protocol(NamedTuple):
    """One way to make the classes comparable, and what a reader has to know of it."""

    apply: Callable[..., pl.DataFrame]  # manifest, by, seed -> with views and ``left_out``
    says: str
    costs: str  # a recipe that takes as long


def _as_published(name: str) -> Protocol:
    def apply(table: pl.DataFrame, *, by: str, seed: int) -> pl.DataFrame:
        chosen = align(table, published.PROTOCOLS[name], seed=seed).with_columns(left_out=pl.lit(None, pl.String))
        rest = table.join(chosen, on="path", how="anti").with_columns(
            left_out=pl.lit("not comparable, or one too many")
        )
        return pl.concat([chosen, rest])

    says = "chosen by size, JPEG quality and ImageNet class, AI images compressed once, as in arXiv 2403.17608"
    return Protocol(apply, says, "jpeg:q=96|crop:frac=0.9")


PROTOCOLS = {
    "aligned": Protocol(
        aligned,
        "JPEG files are cropped on their block grid and never compressed again, lossless images compressed once, with "
        "the tables and chroma subsampling of a photograph beside them; one crop size a test set, nothing resampled",
        "jpeg:q=96|crop:frac=0.9",
    ),
    "laundered": Protocol(
        laundered,
        "both classes scaled down by the same random factors of 0.5 to 0.8, cropped to one size a test set, and "
        "compressed once with JPEG qualities of 75 to 95; weaker than aligned, for files of mixed history",
        "resize:scale=0.65|crop:frac=0.9|jpeg:q=85",
    ),
    **{name: _as_published(name) for name in published.PROTOCOLS},
}


def view_id(text: str) -> str:
    """The name under which tables hold a view: a protocol, or a recipe as it is written; ``raw`` is ``none``.

    >>> view_id("raw"), view_id("aligned"), view_id(" jpeg:subsampling=420,q=65 ")
    ('none', 'aligned', 'jpeg:q=65')

    Raises:
        UsageError: Neither.
    """
    name = text.strip()
    if name in PROTOCOLS:
        return name
    if name == "raw":
        return RAW
    if name.isidentifier() and name not in DEGRADATIONS and name not in NAMED and name != RAW:
        raise UsageError(
            f"Expected a view, got {name!r}. {suggest(name, ['raw', *PROTOCOLS])} Or write a recipe, such as jpeg:q=96."
        )
    return str(parse_recipe(name))


def seen_through(
    table: pl.DataFrame, view: str, *, by: str = "subset", seed: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Images as a view shows them, and what it did.

    Args:
        table: A manifest as stored.
        view: ``raw`` or ``none``, a protocol, or a recipe.
        by: What makes a test set for a protocol: ``subset``, or ``split`` (all images of a split together).
        seed: Of a protocol's draws.

    Returns:
        The manifest with ``view`` and ``protocol``, without images that the view cannot compare; and ``TREATMENTS``,
        which counts those too. For a recipe these are empty.

    Raises:
        UsageError: An unknown view.
        SynthscopeError: Images without a label, with a view already or never measured, or nothing left of a class.
    """
    name = view_id(view)
    if name not in PROTOCOLS:
        return with_view(table, name), pl.DataFrame(schema=TREATMENTS)
    check_labels(table, f"the view {name}")
    marked = PROTOCOLS[name].apply(table, by=by, seed=seed)
    treatments = _treatments(marked, name)
    kept = marked.filter(pl.col(LEFT_OUT).is_null())
    seen = kept.with_columns(protocol=pl.lit(name)).select(table.columns)
    good = seen.filter(pl.col("error").is_null())
    if good["label"].n_unique() < 2:
        found = ", ".join(f"{row['n']} {CLASSES[row['label']]}: {row['treatment']}" for row in treatments.to_dicts())
        raise SynthscopeError(
            f"Expected comparable images of both classes for the view {name}, got none of one "
            f"({found or 'no images'}). Add images of the same formats and sizes, or look at the view laundered."
        )
    return seen, treatments


def tell_treatments(treatments: pl.DataFrame) -> None:
    """One line on stderr: how many images a protocol keeps and leaves out."""
    for (view,), rows in treatments.group_by("view", maintain_order=True):
        kept, left = ([rows.filter(kept=kept, label=label)["n"].sum() for label in (0, 1)] for kept in (True, False))
        line = f"{kept[0]} real and {kept[1]} AI images kept, {left[0]} and {left[1]} left out"
        print(f"view {view}: {line}", file=sys.stderr)


def _treatments(marked: pl.DataFrame, name: str) -> pl.DataFrame:
    usable = marked.filter(pl.col("error").is_null())
    kept = pl.col(LEFT_OUT).is_null()
    compressed = pl.col("view").str.contains("jpeg", literal=True)
    done = (
        pl.when(pl.col("view").str.starts_with("resize"))
        .then(pl.lit("scaled down, cropped, compressed once"))
        .when(compressed)
        .then(pl.lit("compressed once, cropped"))
        .otherwise(pl.lit("as stored, cropped"))
    )
    side = pl.col("view").str.extract(r"crop:size=(\d+)").cast(pl.Int32)
    counted = usable.group_by(
        "subset", "split", "label", kept=kept, treatment=pl.when(kept).then(done).otherwise(LEFT_OUT),
        side=pl.when(kept).then(side),
    ).agg(n=pl.len().cast(pl.Int64))  # fmt: skip
    order = ["subset", "split", "label", "kept", "treatment"]
    counted = counted.sort(order, descending=[False, False, False, True, False], nulls_last=True)
    return counted.with_columns(view=pl.lit(name)).select(TREATMENTS.names()).cast(TREATMENTS)
