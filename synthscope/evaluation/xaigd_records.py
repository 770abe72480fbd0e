"""Annotated images for the X-AIGD metrics, from the data set's Parquet files or from an annotation table.

Pictures are never decoded: only the columns with names, sizes and polygons are read, a batch of rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthscope.data.annotations.taxonomy import LABELS
from synthscope.errors import SynthscopeError, suggest
from synthscope.metrics.xaigd import pixel_polygon

MAX_PIXELS = 100_000_000
"""Largest width x height of an image that is believed."""

_KEYS = ["generator", "uid", "width", "height"]
_Region = tuple[Any, Any]  # category, polygons


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
    for file in _files(data, split):
        known = set(images)
        for where, row, regions in _rows(file):
            image = _image(where, row)
            if image.key in known or (image.key in images and "labels" in row):
                raise SynthscopeError(
                    f"Expected each image once, got generator {image.generator!r}, uid {image.uid!r} again in {where}. "
                    "Remove one of the two."
                )
            image = images.setdefault(image.key, image)
            for category, polygons in regions:
                image.polygons.setdefault(_category(where, category), []).extend(_pixels(where, image, polygons))
    if not images:
        raise SynthscopeError(f"Expected annotated images, got none in {', '.join(map(str, data))}. Check the files.")
    return list(images.values())


def _files(data: Sequence[str | Path], split: str | None) -> list[Path]:
    files = []
    for place in map(Path, data):
        if not place.exists():
            raise SynthscopeError(f"Expected a Parquet file or a folder, got {place}, which is absent. Check --data.")
        files += _in_folder(place, split) if place.is_dir() else [place]
    return files


def _in_folder(folder: Path, split: str | None) -> list[Path]:
    pattern = "*.parquet" if split is None else f"{split}-*.parquet"
    files = sorted(folder.glob(pattern)) or sorted((folder / "data").glob(pattern))
    if not files:
        raise SynthscopeError(f"Expected {pattern} in {folder}, got no such file. Check --data and --split.")
    splits = sorted({file.name.rpartition("-of-")[0].rpartition("-")[0] for file in files} - {""})
    if len(splits) > 1:
        raise SynthscopeError(f"Expected one split in {folder}, got {', '.join(splits)}. Choose one with --split.")
    return files


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any], list[_Region]]]:
    """Each row as: where it stands, its columns, its regions."""
    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise SynthscopeError(f"Expected a Parquet file, got {file}: {error}. Fetch the file again.") from error
    with table:
        names = set(table.schema_arrow.names)
        is_table = "gt_kind" in names
        columns = [*_KEYS, *(["region", "category", "gt_kind", "polygons"] if is_table else ["labels"])]
        if missing := [column for column in columns if column not in names]:
            raise SynthscopeError(f"Expected columns {', '.join(columns)} in {file}, got no {missing[0]}. Add it.")
        number, labelled = 0, is_table
        for batch in table.iter_batches(batch_size=256, columns=columns):
            for row in batch.to_pylist():
                number += 1
                labelled = labelled or row["labels"] is not None
                where = f"{file}, row {number}"
                yield where, row, _table_regions(where, row) if is_table else _label_regions(row)
    if not labelled:
        raise SynthscopeError(f"Expected annotations, got {file}, an unlabelled split. Choose a labelled one.")


def _label_regions(row: dict[str, Any]) -> list[_Region]:
    return [(label["label"], [label["points"]]) for label in row["labels"] or ()]


def _table_regions(where: str, row: dict[str, Any]) -> list[_Region]:
    if row["region"] is None:
        return []
    if row["gt_kind"] != "polygon":
        raise SynthscopeError(
            f"Expected polygons, got gt_kind {row['gt_kind']!r} in {where}. These metrics need polygons."
        )
    return [(row["category"], row["polygons"] or [None])]


def _image(where: str, row: dict[str, Any]) -> AnnotatedImage:
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
