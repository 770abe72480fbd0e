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
    turned,
)
from synthscope.annotations.files import image_folder, located, parsing
from synthscope.annotations.records import Row, size_of
from synthscope.annotations.rle import encode_rle
from synthscope.annotations.taxonomy import confidence_of, confidence_word
from synthscope.runtime.files import read_json, write_json

LOCAL = "/data/local-files/?d="
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
            result = [item for row in own if row["region"] is not None for item in results(row)]
            empty = [details(row) for row in own if row["region"] is None]
            annotations.append({"result": result, EXTRA: {"clean": empty}})
        size = {name: image[name] for name in ("width", "height") if image[name] is not None}
        data = {"image": LOCAL + quote(image["path"].removeprefix("/")), EXTRA: known(image) | size}
        tasks.append({"data": data, "annotations": annotations})
    write_json(out, tasks, indent=None)


def read(root: Path, *, images: str = "") -> Iterator[Row]:
    """Rows of an export in the format "JSON"; skipped (cancelled) annotations are left out.

    Of several annotations that one person submitted of an image, the last counts. A box that was turned is a polygon.

    Args:
        root: The JSON file.
        images: Folder that the names of images start from; default the root folder for local files, else the folder
            of the JSON file.
    """
    with parsing(root, "Label Studio's tasks"):
        for task in read_json(root, advice="Check the path."):
            image = {"path": _path(task["data"]["image"], root, images)} | (task["data"].get(EXTRA) or {})
            annotations = _last([a for a in task["annotations"] if not a.get("was_cancelled")])
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
    local = name.startswith(LOCAL)
    base = image_folder(images, Path("/") if local else root)
    return located(base, unquote(name.removeprefix(LOCAL)) if local else name)


def _annotator(completed_by: Any) -> str | None:
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return None if completed_by is None else str(completed_by)


def results(row: Row) -> Iterator[Row]:
    """Label Studio's items of a region: its shapes, the reason and the confidence, tied together by their id."""
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
    word = confidence_word(row["confidence"])
    own = {
        name: value for name, value in details(row).items() if name != "text" and not (name == "confidence" and word)
    }
    size = {"to_name": "image", "original_width": width, "original_height": height, "image_rotation": 0}
    for number, value in enumerate(values):
        item = {"id": f"{row['annotator'] or ''}-{row['region']}-{number}"} | size
        shape = {"type": _LABELS[kind], "from_name": _LABELS[kind], "value": value | {_LABELS[kind]: [label_of(row)]}}
        yield item | shape | {"meta": {EXTRA: own}}
        if row["text"]:
            yield item | {"type": "textarea", "from_name": "reason", "value": value | {"text": [row["text"]]}}
        if word:
            yield item | {"type": "choices", "from_name": "confidence", "value": value | {"choices": [word]}}


def _last(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last annotation of every person who is named, and all of nobody."""
    last = {_annotator(a.get("completed_by")): a for a in sorted(annotations, key=lambda a: a.get("updated_at") or "")}
    return [a for a in annotations if (who := _annotator(a.get("completed_by"))) is None or last[who] is a]


def _shapes(items: list[dict[str, Any]], who: str | None, image: Row) -> Iterator[Row]:
    texts = {item.get("id"): " ".join(item["value"]["text"]) for item in items if item.get("type") == "textarea"}
    chosen = {item.get("id"): item["value"]["choices"][0] for item in items if item.get("from_name") == "confidence"}
    for item in items:
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
        if item.get("id") in chosen:
            told["confidence"] = confidence_of(chosen[item["id"]])
        yield told | _geometry(kind, item["value"], width, height)


def _geometry(kind: str, value: dict[str, Any], width: int, height: int) -> Row:
    if kind == "polygon":
        points = [[_pixels(x, width), _pixels(y, height)] for x, y in value["points"]]
        return {"gt_kind": kind, "polygons": [points]}
    if kind == "box":
        x, y, w, h = (float(value[name]) for name in ("x", "y", "width", "height"))
        if turn := float(value.get("rotation") or 0):
            left, top = x * width / 100, y * height / 100
            corners = turned((left, top, left + w * width / 100, top + h * height / 100), (left, top), turn)
            return {"gt_kind": "polygon", "polygons": [corners]}
        box = [_pixels(x, width), _pixels(y, height), _pixels(x + w, width), _pixels(y + h, height)]
        return {"gt_kind": kind, "box": box}
    return {"gt_kind": kind, "rle": encode_rle(decode_brush(value["rle"], height, width))}


def _pixels(percent: float, side: int) -> float:
    """Rounded, because masks truncate: 4.999999999 would lose a pixel that 5 has."""
    return round(percent * side / 100, 6)
