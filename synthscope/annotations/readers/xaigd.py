"""X-AIGD: polygons in the columns of its Parquet files, and the same column beside ``path`` in a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthscope.annotations.files import parsing
from synthscope.annotations.records import Row, image_rows
from synthscope.data.layouts.xaigd import Shard, shards

_COLUMNS = ("path", "generator", "uid", "labels", "width", "height", "image.path")


def read(root: Path, *, split: str = "", images: str = "", real: str = "", compression: str = "") -> Iterator[Row]:
    """Rows of the labelled images, whose paths are those of the layout ``xaigd:`` with the same options.

    An empty list of labels is an annotated image without artifacts; null (the unlabelled splits) is not annotated.
    Categories and points are kept as they are, also wrong ones; images aren't read.

    Args:
        root: The data set's folder, or one Parquet file.
        split: Such as ``labeled_test`` or several with commas; default every labelled one.
        images: Folder of the images, as given to the layout.
        real: Option of the layout that changes nothing here, so that one text names images and annotations.
        compression: Another.
    """
    seen: set[tuple[str, str]] = set()
    for shard in shards(root, split, images):
        with parsing(shard.path, "X-AIGD's columns"):
            rows = shard.rows(_COLUMNS) if "path" in shard.columns else shard.named_rows(_COLUMNS, seen)
            for row in rows:
                if (regions := labelled_regions(row)) is not None:
                    yield from image_rows(_image(shard, row), regions, kind="polygon")


def labelled_regions(row: Row) -> list[Row] | None:
    """``category`` and ``polygons`` of each region in the column ``labels``, unchecked; None where nobody looked.

    >>> labelled_regions({"labels": [{"label": "low-level-color", "points": [[1.0, 2.0]]}]})
    [{'category': 'low-level-color', 'polygons': [[[1.0, 2.0]]]}]
    """
    if row["labels"] is None:
        return None
    return [{"category": label["label"], "polygons": [label["points"]]} for label in row["labels"]]


def _image(shard: Shard, row: Row) -> Row:
    known = {name: row.get(name) for name in ("uid", "generator", "width", "height")}
    path = (shard.path.parent / row["path"]).as_posix() if row.get("path") else shard.image_path(row)
    return known | {"path": path, "revision": shard.revision}
