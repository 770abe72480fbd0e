"""The view ``aligned``: one JPEG compression for every image, the same compressions in both classes, one size a set.

What is a JPEG file stays one and is never compressed again: it is only cropped, on the grid of its blocks. Lossless
images are compressed once, as one of the JPEG files of the other class beside them: quality, chroma subsampling and
quantisation tables. A recipe for both classes would compress photographs for the second time and AI images for the
first, which can be seen ("Fake or JPEG?", Grommelt et al. 2024, on the bias; `data.history` on the traces).

It cannot give images a past that they don't have: photographs that were resized or compressed before they became this
JPEG file keep traces of that. For these, see ``laundered``.
"""

from __future__ import annotations

import polars as pl

from synthscope.data.align.select import LOSSLESS
from synthscope.data.align.sets import CELLS, FREE, LEFT_OUT, SIDE, in_sets, with_side
from synthscope.data.jpeg_header import read_compression
from synthscope.data.manifest import draws
from synthscope.runtime import track

_STEP, _OWN = "_step", "_own"  # the compression an image gets, and the one it has


def aligned(table: pl.DataFrame, *, by: str = "subset", seed: int = 0) -> pl.DataFrame:
    """A view for every image, or why it has none.

    In each test set the compressions of the photographs are the measure (those of the AI images where no photograph is
    a JPEG file; none at all where no image is). A lossless image takes the compression of a place among them by the
    order of its draw, so that full rounds give exactly their distribution. JPEG files of the other class are matched,
    one to one by compression; where there are any, photographs without a partner are left out, too.

    Args:
        table: A manifest as stored and measured.
        by: What makes a test set; see :func:`synthscope.data.align.sets.in_sets`.
        seed: Of the draws, which are keyed by image.

    Returns:
        The manifest, real images once in each of their sets, with ``view`` and the column ``left_out``.
    """
    rows = _with_own(in_sets(table, by=by))
    rows = with_side(rows, by=by).with_row_index("_row")
    rows = rows.with_columns(_draw=pl.Series(draws(rows, seed)))
    free = rows.filter(FREE)
    sets = free.sort("_draw", "path").partition_by(CELLS[by], maintain_order=True)
    steps = [_matched(images) for images in sets]
    empty = pl.DataFrame(schema={"_row": rows.schema["_row"], _STEP: pl.String})
    given = rows.join(pl.concat([empty, *steps]), on="_row", how="left", maintain_order="left")
    kept = given["_row"].is_in(free["_row"].implode())
    alone = pl.when(kept & given[_STEP].is_null()).then(pl.lit("its compression has no partner in the other class"))
    crop = pl.format("crop:size={},grid=16", SIDE)
    view = pl.when(pl.col(_STEP) == "none").then(crop).otherwise(pl.format("{}|{}", _STEP, crop))
    return given.with_columns(
        view=pl.when(kept).then(view).otherwise(pl.lit("none")),
        left_out=alone.otherwise(LEFT_OUT),
    ).drop("_row", "_draw", SIDE, _STEP, _OWN)


def _with_own(table: pl.DataFrame) -> pl.DataFrame:
    """Adds the compression that a JPEG file has, ``"none"`` for lossless files; others are left out."""
    jpeg = pl.col("format").is_in(["JPEG", "MPO"]) & pl.col("error").is_null()
    paths = table.filter(jpeg)["path"].unique(maintain_order=True)
    headers = [read_compression(path) for path in track(paths.to_list(), "reading JPEG headers")]
    found = pl.DataFrame(
        {"path": paths, _OWN: [header.step for header in headers], "_why": [header.reason for header in headers]},
        schema={"path": pl.String, _OWN: pl.String, "_why": pl.String},
    )
    lossless = pl.col("format").is_in(LOSSLESS)
    other = pl.format("stored as {}, neither JPEG nor without loss", pl.col("format"))
    return (
        table.join(found, on="path", how="left", maintain_order="left")
        .with_columns(
            pl.when(lossless).then(pl.lit("none")).otherwise(_OWN).alias(_OWN),
            pl.when(pl.col("error").is_null() & ~lossless & ~jpeg).then(other).otherwise("_why").alias(LEFT_OUT),
        )
        .drop("_why")
    )


def _matched(images: pl.DataFrame) -> pl.DataFrame:
    """``_row`` and the step of each image of one test set that has a place; rows in the order of their draws."""
    classes = [images.filter(pl.col("label") == label) for label in (0, 1)]
    measure = 0 if (classes[0][_OWN] != "none").any() else 1
    places = classes[measure].filter(pl.col(_OWN) != "none")
    if places.is_empty():  # nothing was ever compressed, so nothing need be
        return images.select("_row", pl.lit("none").alias(_STEP))
    others = classes[1 - measure]
    partners, left = _partners(places, others.filter(pl.col(_OWN) != "none"))
    if partners.height:  # then the others have as many of each compression as there are places
        lossless = others.filter(pl.col(_OWN) == "none").head(left.height)
        taken = left.head(lossless.height)
        places = places.filter(pl.col("_row").is_in([*partners["_place"], *taken["_row"]]))
        compressed = _cycle(lossless, taken)
    else:
        compressed = _cycle(others.filter(pl.col(_OWN) == "none"), places)
    if partners.is_empty() and compressed.is_empty():
        return places.head(0).select("_row", pl.lit(None, pl.String).alias(_STEP))
    beside = _cycle(classes[measure].filter(pl.col(_OWN) == "none"), places)
    kept = pl.concat([places.select("_row"), partners.select("_row")]).with_columns(pl.lit("none").alias(_STEP))
    return pl.concat([kept, compressed, beside])


def _partners(places: pl.DataFrame, files: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """JPEG files with a place of their very compression (``_row``, ``_place``), and the places that are left."""
    rank = pl.int_range(pl.len()).over(_OWN).alias("_rank")
    ranked = places.select(_OWN, rank, _place="_row")
    partners = files.select("_row", _OWN, rank).join(ranked, on=[_OWN, "_rank"], maintain_order="left")
    return partners.select("_row", "_place"), places.filter(~pl.col("_row").is_in(partners["_place"].implode()))


def _cycle(lossless: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Compressions of the places in turn, over and over, for the lossless images."""
    if lossless.is_empty() or places.is_empty():
        return lossless.head(0).select("_row", pl.lit(None, pl.String).alias(_STEP))
    turns = pl.int_range(lossless.height, eager=True) % places.height
    return lossless.select("_row").with_columns(places[_OWN].gather(turns).alias(_STEP))
