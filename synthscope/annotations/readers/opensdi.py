"""OpenSDID (``nebula/OpenSDI_*``): images and masks inside Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from synthscope.annotations.files import image_folder, located, parsing
from synthscope.annotations.mask_files import read_mask
from synthscope.annotations.records import Row, image_rows
from synthscope.annotations.rle import encode_rle
from synthscope.errors import SynthscopeError


def read(root: Path, *, images: str = "") -> Iterator[Row]:
    """Rows of the columns ``key, image, mask, label`` of every Parquet file in or below ``root``.

    Inside is where the mean of red, green and blue is above 127.5. Without a mask, a real image (label 0) is clean and
    an AI image (label 1) is AI everywhere, as in the official ``data/hf_datasets.py``. The generator is the second
    part of the key, such as ``partial/sd15/fake/1.jpg``.

    Args:
        root: A folder, or one Parquet file.
        images: Folder that keys start from (the images themselves stay in the Parquet file); default ``root``.
    """
    import pyarrow as pa
    from pyarrow import parquet

    files = [root] if root.is_file() else sorted(root.rglob("*.parquet"))
    base = image_folder(images, root)
    for path in files:
        try:
            with parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
                for batch in file.iter_batches(batch_size=4, columns=["key", "image", "mask", "label"]):
                    with parsing(path, "the columns key, image, mask and label"):
                        for row in batch.to_pylist():
                            yield from _image(row, base, path)
        except (OSError, pa.ArrowException) as error:
            raise SynthscopeError(f"Expected OpenSDID's Parquet file at {path}, got: {error}. Fetch it.") from error


def _image(row: dict[str, Any], base: Path, file: Path) -> Iterator[Row]:
    key, label = row["key"], int(row["label"])
    where = f"{key} of {file}"
    width, height = _size(row["image"]["bytes"], where)
    if row["mask"] is not None:
        mask = read_mask(row["mask"]["bytes"], rule="bright", name=f"the mask of {where}")
    else:
        mask = np.full((height, width), label == 1)
    if mask.shape != (height, width):
        raise SynthscopeError(
            f"Expected a mask of {width} x {height} pixels for {where}, got {mask.shape[1]} x {mask.shape[0]}. "
            "Correct the table."
        )
    parts = key.split("/")
    generator = ("real" if label == 0 else parts[1]) if len(parts) > 2 else None
    known = {"path": located(base, key), "uid": key, "generator": generator, "width": width, "height": height}
    yield from image_rows(known, [{"rle": encode_rle(mask)}] if mask.any() else [], kind="mask")


def _size(data: bytes, where: str) -> tuple[int, int]:
    from synthscope.data.images import opened

    try:
        with opened(data) as image:
            return image.size
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise SynthscopeError(f"Expected an image for {where}, got {error}. Correct the table.") from error
