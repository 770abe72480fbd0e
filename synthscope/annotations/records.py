"""The table of annotations: one row a region, and one row without a region for an image that was found clean.

Coordinates are pixels of the image as displayed (EXIF orientation applied), x to the right, y down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.data.images import read_file, read_rgb
from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.runtime import track
from synthscope.schema import conform, write_parquet

Row = dict[str, Any]
_POLYGONS: Any = pl.List(pl.List(pl.List(pl.Float64)))
_BOX: Any = pl.List(pl.Float64)
ANNOTATIONS = pl.Schema(
    {
        "path": pl.String,  # as in the manifest
        "sha256": pl.String,  # of the image file
        "uid": pl.String,  # the data set's name of the image or of its prompt
        "generator": pl.String,
        "width": pl.Int32,  # pixels of the image that was annotated
        "height": pl.Int32,
        "region": pl.Int32,  # number within the image; null = annotated, nothing found
        "category": pl.String,  # official label; null = not given, or of another taxonomy
        "gt_kind": pl.String,  # polygon | box | mask | heatmap
        "polygons": _POLYGONS,  # polygons of points [x, y]; a region is their union
        "box": _BOX,  # [x0, y0, x1, y1], half-open
        "rle": pl.String,  # COCO's compressed counts
        "mask_path": pl.String,  # image file, any value above 0 belongs to the region; the rle, if any, goes first
        "heatmap_path": pl.String,  # .npy, image, or FILE.tfrecord#OFFSET; values 0..1
        "text": pl.String,  # explanation, or the label of another taxonomy
        "confidence": pl.Float64,  # 0..1
        "annotator": pl.String,
        "round": pl.Int32,  # 1 = saw nobody's marks, from 2 on those of the round before; null = not known, as 1
        "revision": pl.String,  # of the data set
    }
)
IMAGE_COLUMNS = ("path", "sha256", "uid", "generator", "width", "height")
GT_KINDS = ("polygon", "box", "mask", "heatmap")


def rows_by_image(table: pl.DataFrame) -> dict[str | None, pl.DataFrame]:
    """Rows of every image, under its path and under its sha256.

    >>> table = pl.DataFrame({"path": ["a.png", "a.png"], "sha256": ["0f", "0f"]})
    >>> {name: rows.height for name, rows in rows_by_image(table).items()}
    {'0f': 2, 'a.png': 2}
    """
    found: dict[str | None, pl.DataFrame] = {}
    for column in ("sha256", "path"):
        groups = table.filter(pl.col(column).is_not_null()).partition_by(column, as_dict=True)
        found |= {str(key[0]): rows for key, rows in groups.items()}
    return found


def save_annotations(table: pl.DataFrame, path: str | Path) -> None:
    """Write annotations (Parquet, exactly the columns of ``ANNOTATIONS``), whole or not at all."""
    write_parquet(conform(table, ANNOTATIONS, str(path)), path)


def to_table(rows: Iterable[Row], source: str | Path) -> pl.DataFrame:
    """Rows (missing keys are null) as a table; ``source`` is what errors call them."""
    try:
        table = pl.DataFrame(list(rows), schema=ANNOTATIONS)
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise SynthscopeError(
            f"Expected annotations in {source}, got: {str(error).partition(';')[0]}. Correct the values."
        ) from error
    if table.is_empty():
        raise SynthscopeError(f"Expected annotated images in {source}, got none. Check the path and the format.")
    return table


def image_rows(image: Row, regions: Sequence[Row], *, kind: str) -> Iterator[Row]:
    """Rows of one annotated image, numbered from 1; one row without a region where nothing was found.

    >>> [row["region"] for row in image_rows({"path": "a.png"}, [{}, {}], kind="box")]
    [1, 2]
    """
    if not regions:
        yield image | {"region": None, "gt_kind": kind}
    for number, region in enumerate(regions, start=1):
        yield image | {"region": number, "gt_kind": kind} | region


def size_of(row: Row) -> tuple[int, int]:
    """Height and width of the image. Raises ``SynthscopeError`` where they aren't known."""
    if not row["width"] or not row["height"]:
        raise SynthscopeError(
            f"Expected the width and height of {row['path']}, got none. Run `synthscope annotate import` on the table "
            "where the images are."
        )
    return row["height"], row["width"]


def fill_in_files(table: pl.DataFrame) -> pl.DataFrame:
    """``table`` with ``sha256``, ``width`` and ``height`` (as displayed) where they were null and the image exists."""
    wanted = pl.any_horizontal(pl.col("sha256", "width", "height").is_null())
    paths = table.filter(wanted)["path"].unique(maintain_order=True)
    facts = [_fact(path) for path in track([path for path in paths if Path(path).is_file()], "hashing")]
    schema = {"path": pl.String, "_sha256": pl.String, "_height": pl.Int32, "_width": pl.Int32}
    joined = table.join(pl.DataFrame(facts, schema, orient="row"), on="path", how="left", maintain_order="left")
    filled = [pl.coalesce(column, f"_{column}") for column in ("sha256", "width", "height")]
    return joined.with_columns(filled).select(table.columns)


def _fact(path: str) -> tuple[str, str | None, int | None, int | None]:
    try:
        data, sha256 = read_file(path)
        height, width, _ = read_rgb(data, name=path).shape
    except UnreadableImageError:
        return path, None, None, None
    return path, sha256, height, width
