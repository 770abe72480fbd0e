"""The resumable memory of counted masks: pixels of every image by kind of artifact, keyed by what decides a mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from synthscope.annotations.taxonomy import CATEGORIES
from synthscope.inference.parts import each_part

BINS = 256  # of the log-odds of a pixel, 1/8 wide
KINDS = (None, *(category.label for category in CATEGORIES))  # rows of an image: any artifact, then each category
KEY = ["sha256", "view", "detector", "preprocessing", "annotation", "seed"]
HISTOGRAMS = ["annotated", "background"]  # pixels of either kind by bin, rising: (BINS,)
COUNTS = pl.Schema(
    dict.fromkeys(KEY[:-1], pl.String)  # annotation: hash of the image's regions
    | {"seed": pl.Int64}  # of random views
    | {"category": pl.String}  # null = any artifact
    | dict.fromkeys(["pixels", "unseen"], pl.Int64)  # of the image; of them, what the detector does not see
    | dict.fromkeys(["tp", "fp", "fn"], pl.Int64)  # of the pixels that it sees, as are the histograms
    | {"unseen_annotated": pl.Int64}
    | dict.fromkeys(HISTOGRAMS, pl.List(pl.UInt32))
)
COUNTED = [name for name in COUNTS if name not in HISTOGRAMS]


def read_counts(folder: Path, columns: Sequence[str], *, detector: str | None = None) -> pl.DataFrame:
    """Columns of ``COUNTS`` in the store, the oldest row of a key and category, of one detector or of all.

    Parts that cannot be read are named on stderr and set aside.
    """

    def narrow(rows: pl.LazyFrame) -> pl.LazyFrame:
        return (rows if detector is None else rows.filter(pl.col("detector") == detector)).select(columns)

    unique = [name for name in (*KEY, "category") if name in columns]
    parts = each_part(folder, COUNTS, of="mask counts", narrow=narrow)
    return pl.concat(parts).unique(unique, keep="first", maintain_order=True)
