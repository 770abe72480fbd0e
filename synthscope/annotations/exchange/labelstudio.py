"""Label Studio's JSON: a task an image, an annotation an annotator, coordinates in percent of the image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import polars as pl

from synthscope.annotations.exchange.brush import decode_brush, encode_brush
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
from synthscope.annotations.files import image_folder, located, parsing
from synthscope.annotations.records import Row, size_of
from synthscope.annotations.rle import encode_rle
from synthscope.runtime.files import read_json, write_json

_LOCAL = "/data/local-files/?d="
_LABELS = {"polygon": "polygonlabels", "box": "rectanglelabels", "mask": "brushlabels"}


def write(table: pl.DataFrame, out: Path) -> None:
    """Write tasks with annotations, for a project with the configuration that ``annotate config`` prints.

    Images are named for Label Studio's local file storage with the root folder as its document root.
    """
    tasks = []
    for image, regions, clean in by_image(table):
        rows = regions + clean
        annotations = []
        for annotator in dict.fromkeys(row["annotator"] for row in rows):
            own = [row for row in rows if row["annotator"] == annotator]
            result = [item for row in own if row["region"] is not None for item in _results(row)]
            empty = [details(row) for row in own if row["region"] is None]
            annotations.append({"result": result, EXTRA: {"clean": empty}})
        size = {name: image[name] for name in ("width", "height") if image[name] is not None}
        data = {"image": _LOCAL + quote(image["path"].removeprefix("/")), EXTRA: known(image) | size}
        tasks.append({"data": data, "annotations": annotations})
    write_json(out, tasks, indent=None)


def read(root: Path, *, images: str = "") -> Iterator[Row]:
    """Rows of an export in the format "JSON"; skipped (cancelled) annotations are left out.

    Args:
        root: The JSON file.
        images: Folder that the names of images start from; default the root folder for local files, else the folder
            of the JSON file.
    """
    with parsing(root, "Label Studio's tasks"):
        for task in read_json(root, advice="Check the path."):
            image = {"path": _path(task["data"]["image"], root, images)} | (task["data"].get(EXTRA) or {})
            annotations = [a for a in task["annotations"] if not a.get("was_cancelled")]
            shapes: list[Row] = []
            clean: list[Row] = []
            for annotation in annotations:
                who = _annotator(annotation.get("completed_by"))
                found = list(_shapes(annotation["result"], who, image))
                shapes += found
                told = (annotation.get(EXTRA) or {}).get("clean") or []
                clean += told or ([] if found else [{"gt_kind": "polygon", "annotator": who}])
            if annotations:
                yield from assemble(image, shapes, clean)


def _path(name: str, root: Path, images: str) -> str:
    local = name.startswith(_LOCAL)
    base = image_folder(images, Path("/") if local else root)
    return located(base, unquote(name.removeprefix(_LOCAL)) if local else name)


def _annotator(completed_by: Any) -> str | None:
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return None if completed_by is None else str(completed_by)


def _results(row: Row) -> Iterator[Row]:
    height, width = size_of(row)
    kind = row["gt_kind"]
    values: list[Row]
    if kind == "polygon":
        values = [{"points": [[x / width * 100, y / height * 100] for x, y in polygon]} for polygon in row["polygons"]]
    elif kind == "box":
        x0, y0, x1, y1 = (v / side * 100 for v, side in zip(row["box"], (width, height, width, height), strict=True))
        values = [{"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0, "rotation": 0}]
    else:
        values = [{"format": "rle", "rle": encode_brush(mask_of(row))}]
    for number, value in enumerate(values):
        yield {
            "id": f"{row['annotator'] or ''}-{row['region']}-{number}",
            "type": _LABELS[kind],
            "from_name": _LABELS[kind],
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": value | {_LABELS[kind]: [label_of(row)]},
            "meta": {EXTRA: details(row)} | ({"text": [row["text"]]} if row["text"] else {}),
        }


def _shapes(results: list[dict[str, Any]], who: str | None, image: Row) -> Iterator[Row]:
    texts = {item.get("id"): " ".join(item["value"]["text"]) for item in results if item.get("type") == "textarea"}
    for item in results:
        kind = next((kind for kind, name in _LABELS.items() if name == item.get("type")), None)
        if kind is None:
            continue
        width, height = item["original_width"], item["original_height"]
        image.setdefault("width", width)
        image.setdefault("height", height)
        told = labelled(next(iter(item["value"].get(_LABELS[kind]) or []), None))
        meta = item.get("meta") or {}
        text = texts.get(item.get("id")) or " ".join(meta.get("text") or []) or told["text"]
        told |= {"text": text, "annotator": who} | (meta.get(EXTRA) or {})
        yield told | {"gt_kind": kind} | _geometry(kind, item["value"], width, height)


def _geometry(kind: str, value: dict[str, Any], width: int, height: int) -> Row:
    if kind == "polygon":
        return {"polygons": [[[_pixels(x, width), _pixels(y, height)] for x, y in value["points"]]]}
    if kind == "box":
        x, y, w, h = (float(value[name]) for name in ("x", "y", "width", "height"))
        return {"box": [_pixels(x, width), _pixels(y, height), _pixels(x + w, width), _pixels(y + h, height)]}
    return {"rle": encode_rle(decode_brush(value["rle"], height, width))}


def _pixels(percent: float, side: int) -> float:
    """Rounded, because masks truncate: 4.999999999 would lose a pixel that 5 has."""
    return round(percent * side / 100, 6)
