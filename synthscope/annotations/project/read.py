"""The exports of an annotation project, under the images' own names again: ``project:DIR``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.annotations.exchange import cvat, labelme, labelstudio
from synthscope.annotations.project.build import KEY
from synthscope.annotations.project.tools import LOOKED_AT, TOOLS
from synthscope.annotations.records import IMAGE_COLUMNS, Row
from synthscope.errors import SynthscopeError
from synthscope.runtime.files import read_json
from synthscope.schema import read_table

_READ: dict[str, Callable[[Path], Iterator[Row]]] = {
    "labelstudio": labelstudio.read,
    "cvat": cvat.read,
    "labelme": lambda path: labelme.read(path, flag=LOOKED_AT),
}


def read(root: Path) -> Iterator[Row]:
    """Rows of every export in the folders of a project's annotators, with their annotator and round.

    Raises:
        SynthscopeError: No project, no export yet, two in one folder, images of another annotator or size, or two
            people's annotations where one was asked.
    """
    tool = read_json(root / "project.json", dict, advice="Give the folder that annotate project wrote.").get("tool")
    if tool not in _READ:
        raise SynthscopeError(f"Expected a tool in {root / 'project.json'}, got {tool!r}. Write {', '.join(TOOLS)}.")
    key = read_table(root / "key.parquet", schema=KEY)
    found = 0
    for (annotator,), own in key.group_by("annotator", maintain_order=True):
        if (file := _export(root / str(annotator), tool)) is not None:
            found += 1
            yield from _rows(_READ[tool](file), file, {row["name"]: row for row in own.to_dicts()})
    if not found:
        raise SynthscopeError(f"Expected an export in a folder of {root}, got none. Put {TOOLS[tool].export} there.")


def unfinished(root: Path, table: pl.DataFrame) -> list[str]:
    """A sentence for each annotator of a project whose images are not all in ``table``."""
    key = read_table(root / "key.parquet", schema=KEY)
    done = table.select("path", "annotator", "round").unique()
    left = key.join(done, on=done.columns, how="anti").group_by("annotator", maintain_order=True).len()
    given = dict(key.group_by("annotator").len().iter_rows())
    return [f"{name} has not annotated {n} of {given[name]} images." for name, n in left.iter_rows()]


def _export(folder: Path, tool: str) -> Path | None:
    written = TOOLS[tool].written
    names = [path for path in sorted(folder.glob(TOOLS[tool].export)) if path.name != written]
    if len(names) > 1:
        raise SynthscopeError(
            f"Expected one export in {folder}, got {len(names)}: {names[0].name}, {names[1].name}. Keep the last."
        )
    return names[0] if names else None


def _rows(rows: Iterator[Row], file: Path, key: dict[str, dict[str, Any]]) -> Iterator[Row]:
    people: dict[str, Any] = {}
    for row in rows:
        name = Path(row["path"]).name
        if name not in key:
            raise SynthscopeError(
                f"Expected in {file} the images that its annotator was given, got {name}. Put each export into the "
                "folder of its annotator."
            )
        image, size = key[name], (row.get("width"), row.get("height"))
        if size != (None, None) and size != (image["width"], image["height"]):
            raise SynthscopeError(
                f"Expected {name} of {image['width']} x {image['height']} pixels in {file}, got {size[0]} x {size[1]}. "
                "Mark the images as they are."
            )
        if people.setdefault(name, row.get("annotator")) != row.get("annotator"):
            raise SynthscopeError(
                f"Expected one person's annotation of {name} in {file}, got those of {people[name]} and "
                f"{row['annotator']}. Delete one of them."
            )
        yield row | {column: image[column] for column in (*IMAGE_COLUMNS, "annotator", "round")}
