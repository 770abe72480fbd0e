"""COCO's instances: polygons, boxes and run lengths in one JSON file."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.annotations.exchange.shapes import (
    EXTRA,
    OTHER,
    assemble,
    bounds,
    by_image,
    details,
    known,
    label_of,
    labelled,
    region_rle,
    size_of,
)
from synthscope.annotations.readers.files import located, parsing, read_json
from synthscope.annotations.records import Row
from synthscope.annotations.rle import encode_counts
from synthscope.annotations.taxonomy import BY_LABEL, CATEGORIES
from synthscope.errors import SynthscopeError, suggest
from synthscope.runtime import whole_file

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
            annotation = {"id": len(annotations) + 1, "image_id": image_id, "category_id": _category_id(row)}
            annotations.append(annotation | {"iscrowd": 0, **_geometry(row), EXTRA: details(row)})
    categories = [{"id": c.number, "name": c.label, "supercategory": c.level} for c in CATEGORIES]
    categories.append({"id": _OTHER_ID, "name": OTHER, "supercategory": OTHER})
    with whole_file(out) as temporary:
        content = {"images": images, "annotations": annotations, "categories": categories}
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def read(root: Path, *, images: str = "") -> Iterator[Row]:
    """Rows of an instances file; images without annotations count as annotated and clean.

    Args:
        root: The JSON file.
        images: Folder that ``file_name`` starts from; default that of the file.
    """
    base = Path(images).expanduser().absolute() if images else root.parent
    with parsing(root, "COCO's images, annotations and categories"):
        content = read_json(root)
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


def _category_id(row: Row) -> int:
    label = label_of(row)
    if label != OTHER and label not in BY_LABEL:
        raise SynthscopeError(
            f"Expected a category of the taxonomy in region {row['region']} of {row['path']}, got {label!r}. "
            f"{suggest(label, BY_LABEL)}"
        )
    return _OTHER_ID if label == OTHER else BY_LABEL[label].number


def _geometry(row: Row) -> Row:
    if row["gt_kind"] == "polygon":
        flat = [[value for point in polygon for value in point] for polygon in row["polygons"]]
        x0, y0, x1, y1 = bounds([point for polygon in row["polygons"] for point in polygon])
        area = sum(_area(polygon) for polygon in row["polygons"])
        return {"segmentation": flat, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": area}
    if row["gt_kind"] == "box":
        x0, y0, x1, y1 = row["box"]
        return {"segmentation": [], "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
    from synthscope.annotations.exchange.pixels import extent
    from synthscope.annotations.rle import decode_rle

    height, width = size_of(row)
    rle = region_rle(row)
    mask = decode_rle(rle, height, width)
    x0, y0, x1, y1 = extent(mask)
    segmentation = {"size": [height, width], "counts": rle}
    return {"segmentation": segmentation, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": int(mask.sum())}


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
