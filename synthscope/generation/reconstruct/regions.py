"""Masks of local fakes as a table of annotations."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthscope.annotations.mask_files import read_mask
from synthscope.annotations.records import Row, image_rows, save_annotations, to_table
from synthscope.annotations.rle import encode_rle
from synthscope.data.images import read_file
from synthscope.data.layouts.source import absolute
from synthscope.runtime import track
from synthscope.schema import read_table

REGIONS = "annotations.parquet"


def write_regions(out: Path) -> Path | None:
    """Write ``annotations.parquet`` of a finished run: one region an inpainted image, with its mask.

    Returns:
        The file; None where there are no masks.
    """
    prompts = read_table(out / "prompts.parquet")
    masked = prompts.filter(pl.col("mask").is_not_null(), pl.col("path").is_not_null())
    root = absolute(str(out))
    rows: list[Row] = []
    for row in track(masked.to_dicts(), "writing regions"):
        image, mask = root / row["path"], root / row["mask"]
        known = {name: row[name] for name in ("uid", "generator", "width", "height")}
        known |= {"path": image.as_posix(), "sha256": read_file(image)[1]}
        region = {
            "rle": encode_rle(read_mask(mask, rule="nonzero")), "mask_path": mask.as_posix(),
            "text": row["prompt"] or None, "confidence": 1.0, "annotator": row["generator"],
        }  # fmt: skip
        rows += image_rows(known, [region], kind="mask")
    if not rows:
        return None
    save_annotations(to_table(rows, out / "prompts.parquet"), out / REGIONS)
    return out / REGIONS
