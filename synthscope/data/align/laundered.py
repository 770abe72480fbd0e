"""The view ``laundered``: both classes through one random downscale, one crop, one compression.

For collections of mixed history (photographs that were compressed twice, galleries that recompress, WebP): a smaller
picture keeps less of what happened to the larger one. It keeps some, and takes away part of what detectors may rightly
look for; ``aligned`` is the stronger comparison wherever it can be had.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from synthscope.data.align.sets import FREE, SIDE, in_sets, with_side
from synthscope.data.manifest import draws
from synthscope.runtime import seed_for

SCALES = 0.5, 0.8
QUALITIES = 75, 95  # what web sites commonly write; chroma 4:2:0


def laundered(table: pl.DataFrame, *, by: str = "subset", seed: int = 0) -> pl.DataFrame:
    """A view for every image, or why it has none: ``resize``, then ``crop`` to one size a test set, then ``jpeg``.

    Scale and quality are drawn alike for both classes, by image. The crop is what the smallest scale leaves of the
    size that nine tenths of both classes have.

    Args:
        table: A manifest as stored and measured.
        by: What makes a test set; see :func:`synthscope.data.align.sets.in_sets`.
        seed: Of the draws, which are keyed by image.

    Returns:
        The manifest, real images once in each of their sets, with ``view`` and the column ``left_out``.
    """
    rows = with_side(in_sets(table, by=by), by=by)
    rngs = (np.random.default_rng(seed_for("laundered", draw)) for draw in draws(rows, seed))
    drawn = [(round(rng.uniform(*SCALES), 2), int(rng.integers(QUALITIES[0], QUALITIES[1] + 1))) for rng in rngs]
    side = (pl.col(SIDE) * SCALES[0]).floor().cast(pl.Int64)
    scale, quality = pl.Series([scale for scale, _ in drawn]), pl.Series([quality for _, quality in drawn])
    view = pl.format("resize:scale={}|crop:size={}|jpeg:q={}", scale, side, quality)
    return rows.with_columns(view=pl.when(FREE).then(view).otherwise(pl.lit("none"))).drop(SIDE)
