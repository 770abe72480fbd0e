"""labelme: one JSON file an image, in the folders of the images below their common one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.annotations.exchange.pixels import extent, from_png, paste, to_png
from synthscope.annotations.exchange.shapes import (
    EXTRA,
    assemble,
    by_image,
    details,
    known,
    label_of,
    labelled,
    mask_of,
)
from synthscope.annotations.files import located, parsing
from synthscope.annotations.records import Row
from synthscope.annotations.rle import encode_rle
from synthscope.annotations.taxonomy import CONFIDENCE, confidence_word
from synthscope.errors import SynthscopeError
from synthscope.runtime.files import read_json, write_json


def write(table: pl.DataFrame, out: Path) -> None:
    """Write ``{image}.json`` files below the folder ``out``; polygons of one region share a ``group_id``."""
    common = os.path.commonpath([os.path.dirname(os.path.normpath(path)) for path in table["path"]])  # noqa: PTH120
    for image, regions, clean in by_image(table):
        content = document(image, regions)
        content[EXTRA] = known(image) | {"clean": [details(row) for row in clean]}
        place = Path(os.path.normpath(image["path"])).relative_to(common)
        write_json(out / place.with_name(f"{place.name}.json"), content, indent=1)


def document(image: Row, regions: list[Row]) -> Row:
    """labelme's JSON of one image."""
    shapes = [shape for row in regions for shape in _shapes(row)]
    content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": image["path"], "imageData": None}
    return content | {"imageHeight": image["height"], "imageWidth": image["width"]}


def read(root: Path, *, flag: str = "") -> Iterator[Row]:
    """Rows of every ``.json`` file in or below ``root``, or of one; a file without ``shapes`` is not labelme's.

    Args:
        root: A folder, or one file.
        flag: Leave out images without this flag, such as those that nobody has looked at yet.
    """
    files = [root] if root.is_file() else sorted(root.rglob("*.json"))
    for file in files:
        content = read_json(file, advice="Check the path.")
        if not isinstance(content, dict) or "shapes" not in content:
            continue
        if flag and not (content.get("flags") or {}).get(flag):
            continue
        with parsing(file, "labelme's shapes and imagePath"):
            size = content.get("imageWidth"), content.get("imageHeight")
            extra = content.get(EXTRA) or {}
            clean = extra.pop("clean", [])
            path = located(file.parent, content["imagePath"].replace("\\", "/"))
            image = {"path": os.path.normpath(path), "width": size[0], "height": size[1]} | extra
            yield from assemble(image, [_shape(shape, size, file) for shape in content["shapes"]], clean)


def _shapes(row: Row) -> Iterator[Row]:
    common = {"label": label_of(row), "group_id": row["region"], "description": row["text"] or "", "flags": {}}
    if word := confidence_word(row["confidence"]):
        common["flags"] = {name: name == word for name in CONFIDENCE}
    common[EXTRA] = details(row)
    if row["gt_kind"] == "polygon":
        for polygon in row["polygons"]:
            yield common | {"shape_type": "polygon", "points": polygon}
    elif row["gt_kind"] == "box":
        x0, y0, x1, y1 = row["box"]
        yield common | {"shape_type": "rectangle", "points": [[x0, y0], [x1, y1]]}
    else:
        mask = mask_of(row)
        x0, y0, x1, y1 = extent(mask)
        crop = mask[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
        corners = [[x0, y0], [x0 + crop.shape[1] - 1, y0 + crop.shape[0] - 1]]  # labelme's are inclusive
        yield common | {"shape_type": "mask", "points": corners, "mask": to_png(crop)}


def _shape(shape: dict[str, Any], size: tuple[Any, Any], file: Path) -> Row:
    kind, points = shape.get("shape_type") or "polygon", shape["points"]
    told = labelled(shape["label"])
    told |= {"region": shape.get("group_id"), "text": shape.get("description") or told["text"]}
    told |= {name: value for name, value in (shape.get(EXTRA) or {}).items() if name not in ("text", "confidence")}
    flags = [word for word, chosen in (shape.get("flags") or {}).items() if chosen and word in CONFIDENCE]
    told["confidence"] = CONFIDENCE[flags[-1]] if flags else (shape.get(EXTRA) or {}).get("confidence")
    if kind == "polygon":
        return told | {"gt_kind": "polygon", "polygons": [[[float(x), float(y)] for x, y in points]]}
    if kind == "rectangle":
        (xa, ya), (xb, yb) = points[0], points[1]
        box = [float(value) for value in (min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb))]
        return told | {"gt_kind": "box", "box": box}
    if kind == "mask":
        crop = from_png(shape["mask"], f"a mask of {file}")
        left, top = (int(value) for value in points[0])
        return told | {"gt_kind": "mask", "rle": encode_rle(paste(crop, left, top, size[1], size[0], str(file)))}
    raise SynthscopeError(
        f"Expected polygons, rectangles and masks in {file}, got a shape of type {kind!r}. Draw it as a polygon."
    )
