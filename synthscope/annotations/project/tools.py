"""What each tool needs beside the images: labels, tasks, marks of an earlier round, and where its export goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET

import polars as pl

from synthscope.annotations.exchange import cvat, labelme
from synthscope.annotations.exchange.labelstudio import LOCAL, results
from synthscope.annotations.exchange.shapes import OTHER, by_image
from synthscope.annotations.records import Row
from synthscope.annotations.taxonomy import CONFIDENCE, LABELS, label_studio_config
from synthscope.runtime.files import write_json, write_text

LOOKED_AT = "done"  # labelme's flag of an image: without it, nobody can tell clean from not yet seen
_SHOWN = ("text", "confidence")  # attributes of the labels in CVAT


class Tool(NamedTuple):
    """One annotation tool."""

    labels: Callable[[Path], None]  # writes the label configuration into the project's folder
    tasks: Callable[[Path, list[str], pl.DataFrame], None]  # the same for an annotator: folder, names, earlier marks
    export: str  # pattern of the exported file in an annotator's folder
    written: str  # what was written there ourselves
    steps: tuple[str, ...]  # what people do


def label_studio_labels(folder: Path) -> None:
    """``labels.xml``."""
    write_text(folder / "labels.xml", label_studio_config())


def label_studio_tasks(folder: Path, names: list[str], earlier: pl.DataFrame) -> None:
    """``tasks.json``: local files below the project's folder; marks of an earlier round are a prediction."""
    regions = {image["path"]: rows for image, rows, _ in by_image(earlier)} if earlier.height else {}
    tasks: list[Row] = []
    for name in names:
        task: Row = {"data": {"image": f"{LOCAL}{quote(f'{folder.name}/images/{name}')}", "name": name}}
        if rows := regions.get(name):
            result = [item for row in rows for item in results(row)]
            task |= {"predictions": [{"model_version": "earlier round", "result": result}]}
        tasks.append(task)
    write_json(folder / "tasks.json", tasks)


def cvat_labels_file(folder: Path) -> None:
    """``labels.json``."""
    write_json(folder / "labels.json", cvat_labels())


def cvat_labels() -> list[dict[str, object]]:
    """CVAT's label specification ("Raw") of the taxonomy, in the colours of Label Studio's configuration."""
    root = ET.fromstring(label_studio_config())  # noqa: S314 - a file of ours
    colours = {label.get("value"): label.get("background") for label in root.iter("Label") if label.get("hint")}
    attributes = [
        {"name": "text", "input_type": "text", "mutable": False, "values": [""], "default_value": ""},
        {
            "name": "confidence",
            "input_type": "radio",
            "mutable": False,
            "values": list(CONFIDENCE),
            "default_value": "sure",
        },
    ]
    return [
        {"name": name, "color": colours[name], "type": "any", "attributes": attributes} for name in (*LABELS, OTHER)
    ]


def cvat_tasks(folder: Path, names: list[str], earlier: pl.DataFrame) -> None:
    """``earlier.xml``, where somebody has marked something before."""
    if earlier.height:
        cvat.write(earlier, folder / "earlier.xml", keep=_SHOWN)


def labelme_labels(folder: Path) -> None:
    """``labels.txt``, ``flags.txt`` and ``labelflags.json``."""
    write_text(folder / "labels.txt", "\n".join([*LABELS, OTHER]) + "\n")
    write_text(folder / "flags.txt", f"{LOOKED_AT}\n")
    write_text(folder / "labelflags.json", json.dumps({".*": list(CONFIDENCE)}) + "\n")


def labelme_tasks(folder: Path, names: list[str], earlier: pl.DataFrame) -> None:
    """A JSON file beside each image that somebody has marked before."""
    for image, regions, _ in by_image(earlier) if earlier.height else ():
        content = labelme.document(image, regions) | {"flags": {LOOKED_AT: False}}
        write_json(folder / "images" / f"{Path(image['path']).stem}.json", content, indent=1)


TOOLS = {
    "labelstudio": Tool(
        label_studio_labels, label_studio_tasks, "*.json", "tasks.json",
        (
            "Start Label Studio with LOCAL_FILES_SERVING_ENABLED=true and this folder as LOCAL_FILES_DOCUMENT_ROOT.",
            "For each annotator make a project of its own, so that nobody sees another's marks: labels.xml is its "
            "labelling interface (Settings, Labeling Interface, Code).",
            "Add ANNOTATOR/images as local storage (don't synchronise it), then import ANNOTATOR/tasks.json.",
            "Where tasks have predictions, switch on Settings, Annotation, \"Use predictions to prelabel tasks\".",
            "When all is done, export as JSON (not JSON-MIN) into ANNOTATOR/.",
        ),
    ),
    "cvat": Tool(
        cvat_labels_file, cvat_tasks, "*.xml", "earlier.xml",
        (
            "For each annotator make a task of ANNOTATOR/images; labels.json is its label specification (Raw).",
            "Where there is ANNOTATOR/earlier.xml, upload it as annotations in the format \"CVAT 1.1\".",
            "Images without a shape count as looked at and clean, so export whole jobs only, as \"CVAT for images "
            "1.1\", and put annotations.xml into ANNOTATOR/.",
        ),
    ),
    "labelme": Tool(
        labelme_labels, labelme_tasks, "images", "",
        (
            "Run: labelme ANNOTATOR/images --labels labels.txt --validatelabel exact --flags flags.txt --labelflags "
            "labelflags.json --nodata",
            f"Tick \"{LOOKED_AT}\" and save every image that was looked at, also a clean one; others don't count.",
            "The JSON files stay where labelme saves them, beside the images.",
        ),
    ),
}  # fmt: skip
