"""LOKI, the part with localised questions about images: boxes with descriptions in UTF-16 JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthscope.annotations.files import image_folder, located, parsing
from synthscope.annotations.records import Row, image_rows
from synthscope.runtime.files import read_json

_FILE = "data_json/image/open_ended_vqa.json"


def read(root: Path, *, images: str = "") -> Iterator[Row]:
    """Rows of ``data_json/image/open_ended_vqa.json``: a box for each regional problem.

    Problems of the whole image have no place; they become the ``text`` of an image that has no regional one.

    Args:
        root: The data set's folder, or the JSON file.
        images: Folder that ``image_path`` starts from; default the data set's.
    """
    file = root if root.is_file() else root / _FILE
    base = image_folder(images, root)
    with parsing(file, "LOKI's list of {image_path, problems}"):
        for item in read_json(file, advice="Check the path."):
            problems = item.get("problems") or {}
            regions = []
            for problem in problems.get("regional") or []:
                x, y, width, height = (float(value) for value in problem["region"])
                regions.append({"box": [x, y, x + width, y + height], "text": problem.get("desc")})
            text = "; ".join(p["desc"] for p in problems.get("global") or [] if p.get("desc"))
            image: Row = {"path": located(base, item["image_path"]), "uid": str(item["id"])}
            image |= {} if regions else {"text": text or None}
            yield from image_rows(image, regions, kind="box")
