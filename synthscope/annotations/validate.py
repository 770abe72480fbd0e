"""Find what is wrong with a table of annotations before it skews a figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import polars as pl

from synthscope.annotations.heatmaps import load_heatmap
from synthscope.annotations.mask_files import read_mask
from synthscope.annotations.records import GT_KINDS, Row
from synthscope.annotations.rle import decode_rle
from synthscope.annotations.taxonomy import BY_LABEL
from synthscope.errors import SynthscopeError, suggest


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    path: str  # of the image
    row: int  # of the table, from 1
    region: int | None
    message: str

    def __str__(self) -> str:
        place = f"region {self.region} of {self.path}" if self.region is not None else self.path
        return f"row {self.row}, {place}: {self.message}"


def validate(table: pl.DataFrame) -> list[Finding]:
    """Everything wrong with the rows of a table with the columns of ``ANNOTATIONS``, in their order.

    Unknown categories and kinds, regions without geometry, polygons of fewer than three points, boxes without area,
    regions that leave the image, masks of another size or unreadable, confidences outside 0..1, and duplicates: a
    region number or a geometry twice, or an image both clean and not, by one annotator in one round.
    """
    findings = []
    seen: dict[Any, int] = {}
    for number, row in enumerate(table.iter_rows(named=True), start=1):
        messages = [*_image(row), *_duplicates(row, number, seen)]
        if row["region"] is not None:
            messages += [*_labels(row), *_geometry(row)]
        findings += [Finding(row["path"], number, row["region"], message) for message in messages]
    return findings


def _image(row: Row) -> Iterator[str]:
    if not row["path"]:
        yield "no path"
    for side in ("width", "height"):
        if row[side] is not None and row[side] < 1:
            yield f"{side} {row[side]}, not a size"


def _duplicates(row: Row, number: int, seen: dict[Any, int]) -> Iterator[str]:
    """``seen`` maps what must be unique to the first row that has it."""
    who = (row["path"], row["annotator"], row["round"])
    clean = row["region"] is None
    if (first := seen.setdefault((*who, "state"), number if clean else -number)) * (1 if clean else -1) < 0:
        yield f"the image is annotated as clean and with regions, see row {abs(first)}"
    if (first := seen.setdefault((*who, "region", row["region"]), number)) != number:
        yield f"{'annotated as clean' if clean else 'the same region number'} as in row {first}"
    if not clean:
        shape = repr([row[name] for name in ("category", "polygons", "box", "rle", "mask_path", "heatmap_path")])
        if (first := seen.setdefault((*who, "shape", shape), number)) != number:
            yield f"the same region as in row {first}"


def _labels(row: Row) -> Iterator[str]:
    if row["category"] is not None and row["category"] not in BY_LABEL:
        yield f"unknown category {row['category']!r}. {suggest(row['category'], BY_LABEL)}"
    if row["confidence"] is not None and not 0 <= row["confidence"] <= 1:
        yield f"confidence {row['confidence']:g}, outside 0 to 1"


def _geometry(row: Row) -> Iterator[str]:
    kind = row["gt_kind"]
    if kind not in GT_KINDS:
        yield f"unknown gt_kind {kind!r}. {suggest(str(kind), GT_KINDS)}"
    elif kind == "polygon":
        yield from _polygons(row)
    elif kind == "box":
        yield from _box(row)
    elif kind == "mask":
        yield from _mask(row)
    elif not row["heatmap_path"]:
        yield "no heatmap_path"
    else:
        yield from _tried(lambda: load_heatmap(row["heatmap_path"]))


def _polygons(row: Row) -> Iterator[str]:
    if not row["polygons"]:
        yield "no polygon"
    for number, points in enumerate(row["polygons"] or [], start=1):
        if any(len(point) != 2 or not _finite(point) for point in points):
            yield f"polygon {number} has a point that is not two numbers"
        elif len(points) < 3:
            yield f"polygon {number} has {len(points)} points, fewer than 3"
        else:
            xs, ys = zip(*points, strict=True)
            yield from _outside(row, f"polygon {number}", (min(xs), min(ys), max(xs), max(ys)))


def _box(row: Row) -> Iterator[str]:
    box = row["box"] or []
    if len(box) != 4 or not _finite(box):
        yield f"box {box} is not [x0, y0, x1, y1]"
    elif not (box[0] < box[2] and box[1] < box[3]):
        yield f"box {box} has no area"
    else:
        yield from _outside(row, "box", box)


def _finite(values: list[float | None]) -> bool:
    return all(value is not None and isfinite(value) for value in values)


def _outside(row: Row, name: str, box: Any) -> Iterator[str]:
    width, height = row["width"] or float("inf"), row["height"] or float("inf")
    if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
        size = f"{row['width'] or '?'} x {row['height'] or '?'}"
        yield f"{name} {[float(value) for value in box]} leaves the image of {size} pixels"


def _mask(row: Row) -> Iterator[str]:
    height, width = row["height"], row["width"]
    if row["rle"] is not None:
        if height and width:
            yield from _tried(lambda: decode_rle(row["rle"], height, width))
    elif row["mask_path"]:
        try:
            shape = read_mask(row["mask_path"], rule="nonzero").shape
        except SynthscopeError as error:
            yield str(error)
        else:
            if shape != (height or shape[0], width or shape[1]):
                yield f"mask {row['mask_path']} of {shape[1]} x {shape[0]} pixels, image of {width} x {height}"
    else:
        yield "no rle and no mask_path"


def _tried(read: Any) -> Iterator[str]:
    try:
        read()
    except SynthscopeError as error:
        yield str(error)
