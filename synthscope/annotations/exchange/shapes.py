"""Between rows of the annotation table and the shapes of tools.

What a tool has no field for travels as details beside it, so that nothing is lost between export and import.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import cos, radians, sin

import polars as pl

from synthscope.annotations.masks import Mask, region_mask
from synthscope.annotations.records import IMAGE_COLUMNS, Row, size_of
from synthscope.annotations.taxonomy import recognise
from synthscope.errors import SynthscopeError

DETAILS = ("region", "gt_kind", "text", "confidence", "annotator", "round", "revision", "mask_path")
OTHER = "other"  # label of a region without a category
EXTRA = "synthscope"  # key of the details in JSON


def by_image(table: pl.DataFrame) -> Iterator[tuple[Row, list[Row], list[Row]]]:
    """Image columns, regions, and rows that say "annotated, nothing found" of every image, in order."""
    for (_,), rows in table.group_by(["path"], maintain_order=True):
        records = rows.to_dicts()
        image = {name: records[0][name] for name in IMAGE_COLUMNS}
        regions = [row for row in records if row["region"] is not None]
        for row in regions:
            if row["gt_kind"] not in ("polygon", "box", "mask"):
                raise SynthscopeError(
                    f"Expected a polygon, box or mask as region {row['region']} of {row['path']}, got "
                    f"{row['gt_kind']!r}. Filter such regions out."
                )
        yield image, regions, [row for row in records if row["region"] is None]


def details(row: Row) -> Row:
    """What tools have no field for."""
    return {name: row[name] for name in DETAILS if row.get(name) is not None}


def known(image: Row) -> Row:
    """Image columns that aren't null, but for its size."""
    return {name: image[name] for name in ("path", "sha256", "uid", "generator") if image[name] is not None}


def label_of(row: Row) -> str:
    """The category, or ``OTHER``."""
    return row["category"] or OTHER


def labelled(label: str | None) -> Row:
    """Category and text of a tool's label."""
    category, text = recognise(None if label == OTHER else label)
    return {"category": category, "text": text}


def mask_of(row: Row) -> Mask:
    """The mask ``(H, W)`` of a region of an image whose size is known."""
    return region_mask(row, *size_of(row))


def turned(box: tuple[float, ...], around: tuple[float, float], degrees: float) -> list[list[float]]:
    """Corners of a box ``(x0, y0, x1, y1)`` that was turned clockwise around a point.

    >>> turned((2, 2, 4, 3), (2, 2), 90)
    [[2.0, 2.0], [2.0, 4.0], [1.0, 4.0], [1.0, 2.0]]
    """
    (x0, y0, x1, y1), (x, y) = box, around
    c, s = cos(radians(degrees)), sin(radians(degrees))
    corners = ((u - x, v - y) for u, v in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
    return [[round(x + u * c - v * s, 6), round(y + u * s + v * c, 6)] for u, v in corners]


def assemble(image: Row, shapes: Iterable[Row], clean: Iterable[Row]) -> Iterator[Row]:
    """Rows of an image: polygons with the same annotator and region number are one region, others get new numbers.

    Args:
        image: Image columns.
        shapes: Each with ``gt_kind``, its geometry, and what of ``DETAILS`` is known.
        clean: Details of "annotated, nothing found"; without them and without shapes, one such row is made.
    """
    regions: list[Row] = []
    numbered: dict[tuple[str | None, int], Row] = {}
    for shape in shapes:
        number = shape.pop("region", None)
        key = (shape.get("annotator"), number)
        twin = numbered.get(key) if number is not None else None
        if twin and twin["gt_kind"] == shape["gt_kind"] == "polygon":
            twin["polygons"] += shape["polygons"]
            continue
        if number is not None and twin is None:
            numbered[key] = shape
            shape["region"] = number
        regions.append(shape)
    following = max((row["region"] for row in regions if "region" in row), default=0)
    for row in regions:
        if "region" not in row:
            following += 1
            row["region"] = following
    empty = [dict(row) for row in clean] or ([] if regions else [{"gt_kind": "polygon"}])
    yield from (image | row for row in regions + empty)
