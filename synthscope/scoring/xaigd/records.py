"""Annotated images for the X-AIGD metrics, from the data set's Parquet files or from an annotation table.

Files and rows are those of the annotation reader, but what it keeps to be validated stops here, as it stops the
official scripts. Pictures are never decoded: names, sizes and polygons are read, a batch of rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synthscope.annotations.files import parsing
from synthscope.annotations.readers.xaigd import labelled_regions
from synthscope.annotations.records import Row
from synthscope.annotations.taxonomy import LABELS
from synthscope.data.layouts.xaigd import Shard, shards
from synthscope.errors import SynthscopeError, suggest
from synthscope.metrics.xaigd import pixel_polygon

MAX_PIXELS = 100_000_000
"""Largest width x height of an image that is believed."""

_KEYS = ["generator", "uid", "width", "height"]


@dataclass(frozen=True)
class AnnotatedImage:
    """One AI image and its artifacts: int32 polygons (n, 2) in pixels by category."""

    generator: str
    uid: str
    width: int
    height: int
    polygons: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What names an image: a uid is one prompt, and so one image of every generator."""
        return self.generator, self.uid


def read_images(data: Sequence[str | Path], *, split: str | None = None) -> list[AnnotatedImage]:
    """Every image of Parquet files, or of folders of them; ``split`` keeps the files called ``split-*.parquet``.

    A file is one of the data set (``generator, uid, width, height, labels``; null or empty labels are an image without
    an artifact), or an annotation table (a row a region, ``polygons`` by region).

    Raises:
        SynthscopeError: No such file, several splits in a folder, an unlabelled split, an image twice, an unknown
            category, or a polygon of fewer than three points; the sentence names file and row.
    """
    images: dict[tuple[str, str], AnnotatedImage] = {}
    for shard in _shards(data, split):
        known = set(images)
        for where, row, regions in _rows(shard):
            image = _image(where, row)
            if image.key in known or (image.key in images and "labels" in row):
                raise SynthscopeError(
                    f"Expected each image once, got generator {image.generator!r}, uid {image.uid!r} again in {where}. "
                    "Remove one of the two."
                )
            image = images.setdefault(image.key, image)
            for region in regions:
                drawn = image.polygons.setdefault(_category(where, region["category"]), [])
                drawn.extend(_pixels(where, image, region["polygons"]))
    if not images:
        raise SynthscopeError(f"Expected annotated images, got none in {', '.join(map(str, data))}. Check the files.")
    return list(images.values())


def _shards(data: Sequence[str | Path], split: str | None) -> list[Shard]:
    found = []
    for place in map(Path, data):
        if not place.exists():
            raise SynthscopeError(f"Expected a Parquet file or a folder, got {place}, which is absent. Check --data.")
        parts = shards(place, (split or "") if place.is_dir() else "")
        if len(splits := sorted({shard.name for shard in parts})) > 1:
            raise SynthscopeError(f"Expected one split in {place}, got {', '.join(splits)}. Choose one with --split.")
        found += parts
    return found


def _rows(shard: Shard) -> Iterator[tuple[str, Row, list[Row]]]:
    """Each row as: where it stands, its columns, its regions."""
    is_table = "gt_kind" in shard.columns
    columns = (*_KEYS, *(("region", "category", "gt_kind", "polygons") if is_table else ("labels",)))
    if missing := [column for column in columns if column not in shard.columns]:
        raise SynthscopeError(f"Expected columns {', '.join(columns)} in {shard.path}, got no {missing[0]}. Add it.")
    labelled = is_table
    with parsing(shard.path, "X-AIGD's columns"):
        for number, row in enumerate(shard.rows(columns), start=1):
            where = f"{shard.path}, row {number}"
            regions = _table_regions(where, row) if is_table else labelled_regions(row)
            labelled = labelled or regions is not None
            yield where, row, regions or []
    if not labelled:
        raise SynthscopeError(f"Expected annotations, got {shard.path}, an unlabelled split. Choose a labelled one.")


def _table_regions(where: str, row: Row) -> list[Row]:
    if row["region"] is None:
        return []
    if row["gt_kind"] != "polygon":
        raise SynthscopeError(
            f"Expected polygons, got gt_kind {row['gt_kind']!r} in {where}. These metrics need polygons."
        )
    return [row | {"polygons": row["polygons"] or [None]}]


def _image(where: str, row: Row) -> AnnotatedImage:
    generator, uid, width, height = (row[column] for column in _KEYS)
    if not generator or not uid:
        raise SynthscopeError(f"Expected a generator and a uid, got {generator!r} and {uid!r} in {where}. Add them.")
    if not (width and height and 0 < width * height <= MAX_PIXELS and width > 0):
        raise SynthscopeError(
            f"Expected a size of 1 to {MAX_PIXELS} pixels, got {width} x {height} in {where}. Mend the row."
        )
    return AnnotatedImage(str(generator), str(uid), int(width), int(height))


def _category(where: str, category: Any) -> str:
    if category not in LABELS:
        raise SynthscopeError(
            f"Expected an X-AIGD category, got {category!r} in {where}. {suggest(str(category), LABELS)}"
        )
    return str(category)


def _pixels(where: str, image: AnnotatedImage, polygons: Sequence[Any]) -> Iterator[np.ndarray]:
    for polygon in polygons:
        points = [point[:2] for point in polygon or () if point is not None and len(point) >= 2]
        try:
            yield pixel_polygon(points, width=image.width, height=image.height)
        except SynthscopeError as error:
            raise SynthscopeError(f"{where}, generator {image.generator!r}, uid {image.uid!r}: {error}") from error
