"""CVAT for images 1.1: one XML file. CVAT keeps the details where its labels have attributes of these names."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import polars as pl

from synthscope.annotations.exchange.pixels import extent, paste
from synthscope.annotations.exchange.shapes import (
    DETAILS,
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
from synthscope.annotations.records import Row
from synthscope.annotations.rle import encode_rle, from_runs, to_runs
from synthscope.annotations.taxonomy import confidence_of, confidence_word
from synthscope.errors import SynthscopeError
from synthscope.runtime import whole_file
from synthscope.runtime.files import read_text

_CLEAN = "no artifact"  # label of a tag
_NUMBERS: dict[str, Callable[[str], float]] = {"region": int, "confidence": confidence_of, "round": int}


def write(table: pl.DataFrame, out: Path, *, keep: Container[str] = DETAILS) -> None:
    """Write one XML file; names of images are their paths, and polygons of one region share a ``group_id``.

    ``keep`` says which details become attributes: CVAT takes those that the project's labels have.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    _declare(root, [label_of(row) for row in table.select("category").unique(maintain_order=True).to_dicts()], keep)
    for number, (image, regions, clean) in enumerate(by_image(table)):
        element = ET.SubElement(root, "image", {"id": str(number), "name": image["path"]})
        element.attrib.update({name: str(image[name]) for name in ("width", "height") if image[name] is not None})
        element.attrib.update({name: value for name, value in known(image).items() if name != "path"})
        for row in regions:
            for kind, geometry in _shapes(row):
                shape = {"label": label_of(row), "source": "manual", "occluded": "0", **geometry, "z_order": "0"}
                if row["region"]:
                    shape["group_id"] = str(row["region"])
                _attributes(ET.SubElement(element, kind, shape), row, keep)
        for row in clean:
            _attributes(ET.SubElement(element, "tag", {"label": _CLEAN, "source": "manual"}), row, keep)
    with whole_file(out) as temporary:
        ET.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)


def read(root: Path, *, images: str = "") -> Iterator[Row]:
    """Rows of ``annotations.xml``; images without shapes count as annotated and clean, turned boxes as polygons.

    Args:
        root: The XML file.
        images: Folder that the names of images start from; default that of the file.
    """
    base = image_folder(images, root)
    with parsing(root, "CVAT's images and shapes"):
        for element in _parse(root).iter("image"):
            image: Row = {"path": located(base, element.attrib["name"])}
            image |= {name: int(element.attrib[name]) for name in ("width", "height") if name in element.attrib}
            image |= {name: element.attrib[name] for name in ("sha256", "uid", "generator") if name in element.attrib}
            shapes = [_shape(child, image, root) for child in element if child.tag != "tag"]
            clean = [_told(tag) for tag in element.iter("tag") if tag.get("label") == _CLEAN]
            yield from assemble(image, shapes, clean)


def _parse(path: Path) -> ET.Element:
    try:
        text = read_text(path, what="an XML file at", advice="Export it again.")
        if "<!" in text.replace("<!--", ""):  # no document type, hence no entities that could swell
            raise SynthscopeError(f"Expected XML without a document type in {path}, got one. Remove it.")
        return ET.fromstring(text.encode())  # noqa: S314
    except ET.ParseError as error:
        raise SynthscopeError(f"Expected an XML file in UTF-8 at {path}, got: {error}. Export it again.") from error


def _declare(root: ET.Element, labels: list[str], keep: Container[str]) -> None:
    """Labels and their attributes, without which other readers of the format refuse a file."""
    declared = ET.SubElement(ET.SubElement(ET.SubElement(root, "meta"), "task"), "labels")
    for name in (*labels, _CLEAN):
        label = ET.SubElement(declared, "label")
        ET.SubElement(label, "name").text = name
        attributes = ET.SubElement(label, "attributes")
        for detail in (detail for detail in DETAILS if detail in keep):
            attribute = ET.SubElement(attributes, "attribute")
            ET.SubElement(attribute, "name").text = detail
            ET.SubElement(attribute, "input_type").text = "text"


def _attributes(element: ET.Element, row: Row, keep: Container[str]) -> None:
    for name, value in details(row).items():
        if name in keep:
            word = confidence_word(value) if name == "confidence" else None
            ET.SubElement(element, "attribute", {"name": name}).text = word or str(value)


def _shapes(row: Row) -> Iterator[tuple[str, dict[str, str]]]:
    if row["gt_kind"] == "polygon":
        for polygon in row["polygons"]:
            yield "polygon", {"points": ";".join(f"{x!r},{y!r}" for x, y in polygon)}
    elif row["gt_kind"] == "box":
        yield "box", {name: repr(v) for name, v in zip(("xtl", "ytl", "xbr", "ybr"), row["box"], strict=True)}
    else:
        mask = mask_of(row)
        x0, y0, x1, y1 = extent(mask)
        runs = ", ".join(map(str, to_runs(mask[y0:y1, x0:x1])))
        place = {"left": str(x0), "top": str(y0), "width": str(x1 - x0), "height": str(y1 - y0)}
        yield "mask", {"rle": runs} | place


def _shape(element: ET.Element, image: Row, file: Path) -> Row:
    a = element.attrib
    told = labelled(a.get("label"))
    if int(a.get("group_id") or 0):
        told["region"] = int(a["group_id"])
    told |= _told(element)
    if element.tag == "polygon":
        points = [[float(value) for value in pair.split(",")] for pair in a["points"].split(";")]
        return told | {"gt_kind": "polygon", "polygons": [points]}
    if element.tag == "box":
        x0, y0, x1, y1 = (float(a[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        if turn := float(a.get("rotation") or 0):
            corners = turned((x0, y0, x1, y1), ((x0 + x1) / 2, (y0 + y1) / 2), turn)
            return told | {"gt_kind": "polygon", "polygons": [corners]}
        return told | {"gt_kind": "box", "box": [x0, y0, x1, y1]}
    if element.tag == "mask":
        runs = [int(run) for run in a["rle"].split(",") if run.strip()]
        left, top, width, height = (int(a[name]) for name in ("left", "top", "width", "height"))
        crop = from_runs(runs, height, width, str(file))
        return told | {
            "gt_kind": "mask",
            "rle": encode_rle(paste(crop, left, top, image["height"], image["width"], str(file))),
        }
    raise SynthscopeError(
        f"Expected polygons, boxes and masks in {file}, got a shape {element.tag!r}. Draw it as a polygon."
    )


def _told(element: ET.Element) -> Row:
    """Details in the attributes of a shape; attributes of other names are left out."""
    told: dict[str, Any] = {}
    for attribute in element.iter("attribute"):
        name, text = attribute.get("name"), attribute.text
        if text and name in DETAILS:
            told[name] = _NUMBERS.get(name, str)(text)
    return told
