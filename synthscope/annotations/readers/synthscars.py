"""SynthScars (LEGION, ``opendatalab/LEGION``): flat COCO polygons and explanations in one JSON file a split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthscope.annotations.files import located, parsing
from synthscope.annotations.records import Row, image_rows
from synthscope.errors import SynthscopeError
from synthscope.runtime.files import read_json


def read(root: Path, *, split: str = "") -> Iterator[Row]:
    """Rows of ``{train,test}/annotations/{train,test}.json`` and ``{train,test}/images/*.jpg``.

    A reference is a region; its polygons of fewer than six numbers are skipped, and so is a reference that has no
    others, as in the official code. Regions of an image that several entries describe are numbered on. The classes
    of the data set have no equal in the taxonomy: categories are null, explanations are in ``text``.

    Args:
        root: The data set's folder.
        split: ``train`` or ``test``; default both.
    """
    splits = [name for name in split.split(",") if name] or ["train", "test"]
    files = [path for name in splits if (path := root / name / "annotations" / f"{name}.json").is_file()]
    if not files:
        raise SynthscopeError(
            f"Expected {'/annotations/….json and '.join(splits)}/annotations/….json in {root}, got neither. "
            "Check the path."
        )
    for file in files:
        images: dict[str, list[Row]] = {}
        uids: dict[str, str] = {}
        with parsing(file, "SynthScars' list of {uid: {img_file_name, refs}}"):
            for entry in read_json(file, advice="Check the path."):
                for uid, item in entry.items():
                    name = item["img_file_name"]
                    uids.setdefault(name, str(uid))
                    images.setdefault(name, []).extend(region for ref in item["refs"] if (region := _region(ref)))
        for name, regions in images.items():
            image = {"path": located(file.parent.parent / "images", name), "uid": uids[name]}
            yield from image_rows(image, regions, kind="polygon")


def _region(ref: dict[str, Any]) -> Row | None:
    flat = [[float(value) for value in polygon] for polygon in ref["segmentation"] if len(polygon) >= 6]
    polygons = [[list(point) for point in zip(polygon[::2], polygon[1::2], strict=True)] for polygon in flat]
    return {"polygons": polygons, "text": ref.get("explanation") or ref.get("sentence")} if polygons else None
