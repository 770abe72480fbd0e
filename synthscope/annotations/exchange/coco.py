"""COCO's instances: polygons, boxes and run lengths in one JSON file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.annotations.exchange.pixels import extent
from synthscope.annotations.exchange.shapes import (
    EXTRA,
    OTHER,
    assemble,
    by_image,
    details,
    known,
    label_of,
    labelled,
    mask_of,
)
from synthscope.annotations.files import image_folder, located, parsing
from synthscope.annotations.masks import category_number
from synthscope.annotations.records import Row
from synthscope.annotations.rle import encode_counts, encode_rle
from synthscope.annotations.taxonomy import CATEGORIES
from synthscope.errors import SynthscopeError
from synthscope.runtime.files import read_json, write_json

_OTHER_ID = len(CATEGORIES) + 1


def write(table: pl.DataFrame, out: Path) -> None:
    """Write one JSON file; category ids are the numbers of the taxonomy, file names are absolute paths."""
    images: list[Row] = []
    annotations: list[Row] = []
    for image_id, (image, regions, clean) in enumerate(by_image(table), start=1):
        size = {"width": image["width"], "height": image["height"]}
        extra = known(image) | {"clean": [details(row) for row in clean]}
        images.append({"id": image_id, "file_name": image["path"], **size, EXTRA: extra})
        for row in regions:
            category = _OTHER_ID if label_of(row) == OTHER else category_number(row)
            annotation = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category}
            annotations.append(annotation | {"iscrowd": 0, **_geometry(row), EXTRA: details(row)})
    categories = [{"id": c.number, "name": c.label, "supercategory": c.level} for c in CATEGORIES]
    categories.append({"id": _OTHER_ID, "name": OTHER, "supercategory": OTHER})
    write_json(out, {"images": images, "annotations": annotations, "categories": categories}, indent=None)


def read(root: Path, *, images: str = "") -> Iterator[Row]:
    """Rows of an instances file; images without annotations count as annotated and clean.

    Args:
        root: The JSON file.
        images: Folder that ``file_name`` starts from; default that of the file.
    """
    base = image_folder(images, root)
    with parsing(root, "COCO's images, annotations and categories"):
        content = read_json(root, advice="Check the path.")
        names = {category["id"]: category["name"] for category in content["categories"]}
        shapes: dict[Any, list[Row]] = defaultdict(list)
        for annotation in content["annotations"]:
            shapes[annotation["image_id"]].append(_shape(annotation, names))
        for image in content["images"]:
            extra = image.get(EXTRA) or {}
            clean = extra.pop("clean", [])
            told = {
                "path": located(base, image["file_name"]),
                "width": image.get("width"),
                "height": image.get("height"),
            }
            yield from assemble(told | extra, shapes.pop(image["id"], []), clean)
        if shapes:
            raise SynthscopeError(
                f"Expected the images of all annotations in {root}, got none with id {next(iter(shapes))!r}. Add it."
            )


def _geometry(row: Row) -> Row:
    segmentation: Any
    box: Any
    if row["gt_kind"] == "polygon":
        segmentation = [[value for point in polygon for value in point] for polygon in row["polygons"]]
        xs, ys = zip(*(point for polygon in row["polygons"] for point in polygon), strict=True)
        box, area = (min(xs), min(ys), max(xs), max(ys)), sum(map(_area, row["polygons"]))
    elif row["gt_kind"] == "box":
        segmentation, box = [], row["box"]
        area = (box[2] - box[0]) * (box[3] - box[1])
    else:
        mask = mask_of(row)
        segmentation = {"size": mask.shape, "counts": encode_rle(mask) if row["rle"] is None else row["rle"]}
        box, area = extent(mask), int(mask.sum())
    x0, y0, x1, y1 = box
    return {"segmentation": segmentation, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": area}


def _area(polygon: list[list[float]]) -> float:
    """Shoelace formula."""
    pairs = zip(polygon, [*polygon[1:], polygon[0]], strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


def _shape(annotation: dict[str, Any], names: dict[Any, str]) -> Row:
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        text = counts if isinstance(counts, str) else encode_counts([int(count) for count in counts])
        shape: Row = {"gt_kind": "mask", "rle": text}
    elif segmentation:
        polygons = [[[float(x), float(y)] for x, y in zip(p[::2], p[1::2], strict=True)] for p in segmentation]
        shape = {"gt_kind": "polygon", "polygons": polygons}
    else:
        x, y, width, height = annotation["bbox"]
        box = [float(x), float(y), round(x + width, 6), round(y + height, 6)]
        shape = {"gt_kind": "box", "box": box}
    score = {"confidence": annotation.get("score")}
    return shape | labelled(names[annotation["category_id"]]) | score | (annotation.get(EXTRA) or {})
