"""The resumable memory of a run of heatmaps: parts of them (.npz) with an index (.parquet), keyed by what decides
a heatmap.

The index of a part is written after its heatmaps, each whole or not at all, so a run can be killed at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.data.images import MAX_MEGAPIXELS
from synthscope.errors import SynthscopeError
from synthscope.inference.heatmaps.codec import Maps, Stored, decode, encode
from synthscope.inference.parts import each_part, new_part
from synthscope.runtime import whole_file
from synthscope.schema import write_table

KEY = ["sha256", "view", "detector", "preprocessing", "explainer", "options", "layer", "condition", "seed"]
MOST_PIXELS = int(MAX_MEGAPIXELS * 1e6)
INDEX = pl.Schema(
    {
        "sha256": pl.String,
        "view": pl.String,
        "detector": pl.String,
        "preprocessing": pl.String,
        "explainer": pl.String,  # as create_explainer reads it
        "options": pl.String,  # all of them, JSON
        "layer": pl.String,  # modules that were looked at, joined by "+", or "input"
        "condition": pl.String,
        "seed": pl.Int64,
        "height": pl.Int32,  # of the image that was explained, after view and condition
        "width": pl.Int32,
        "completeness_gap": pl.Float64,  # Explainer.completeness_gap; null for most methods, and in older runs
        "logit": pl.Float32,  # of what was explained, from the same forward pass; null in older runs
        "scale": pl.Float64,  # that the stored values are to be multiplied by
        "lowest": pl.Int64,  # codec.Stored.lowest; null in older runs
        "rows": pl.Int32,  # of the heatmap, which stored maps are enlarged to; null in older runs = those of the array
        "columns": pl.Int32,
        "part": pl.String,  # heatmaps/PART.npz
        "position": pl.Int32,  # name of the array in it; further ones of the same heatmap are POSITION.1, POSITION.2 …
    }
)


def write_part(folder: Path, rows: Sequence[Mapping[str, Any]], heatmaps: Sequence[NDArray[np.float32] | Maps]) -> None:
    """Add heatmaps ``(h, w)`` of any sizes, with the columns of ``KEY``, ``height`` and ``width`` of each.

    ``logit`` and ``completeness_gap`` may be left out. See :mod:`.codec` for what is stored of them, and its error.
    """
    if not rows:
        return
    part = new_part(folder)
    arrays: dict[str, NDArray[Any]] = {}
    found = []
    for position, (row, heatmap) in enumerate(zip(rows, heatmaps, strict=True)):
        maps = heatmap if isinstance(heatmap, Maps) else Maps((heatmap,), heatmap.shape)
        stored = encode(maps)
        arrays |= {_name(position, layer): array for layer, array in enumerate(stored.arrays)}
        about = {"scale": stored.scale, "lowest": stored.lowest, "rows": maps.size[0], "columns": maps.size[1]}
        found.append({**row, **about, "part": part.stem, "position": position})
    with whole_file(part.with_suffix(".npz")) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    write_table(pl.DataFrame(found, schema=INDEX), part)


def _name(position: int, layer: int) -> str:
    return f"{position}.{layer}" if layer else str(position)


def read_index(folder: Path) -> pl.DataFrame:
    """Columns of ``INDEX``, one row a key, the oldest. Parts that cannot be read are named on stderr and set aside."""
    parts = each_part(folder, INDEX, of="heatmaps", check=_require_heatmaps, missing="insert")
    return pl.concat(parts).unique(KEY, keep="first", maintain_order=True)


def _require_heatmaps(part: Path) -> None:
    if not part.with_suffix(".npz").is_file():
        raise OSError("its heatmaps are missing")


def read_heatmap(folder: Path, row: Mapping[str, Any]) -> NDArray[np.float32]:
    """The heatmap ``(h, w)`` of one row with ``part``, ``position`` and ``scale``, and the other columns of newer runs.

    Raises:
        SynthscopeError: A missing or damaged file, or one that holds something else.
    """
    path, position = folder / f"{row['part']}.npz", int(row["position"])
    size = None if row.get("rows") is None else (int(row["rows"]), int(row["columns"]))
    try:
        if size is not None and not 0 < size[0] * size[1] <= MOST_PIXELS:
            raise ValueError(f"{size[0]} x {size[1]} pixels")
        with np.load(path, allow_pickle=False) as arrays:
            names = [_name(position, 0)]
            while (further := _name(position, len(names))) in arrays:
                names.append(further)
            stored = Stored(tuple(_array(arrays, name) for name in names), row["scale"], row.get("lowest") or 0)
        return decode(stored, size)
    except Exception as error:  # zip files fail in many ways
        raise SynthscopeError(
            f"Expected heatmap {row['position']} in {path}, got {type(error).__name__}: {error}. Delete "
            f"{path.with_suffix('.parquet').name} beside it and run synthscope explain again."
        ) from error


def _array(arrays: Any, name: str) -> NDArray[Any]:
    packed = arrays.zip.getinfo(f"{name}.npy").file_size
    if packed > 4 * MOST_PIXELS:
        raise ValueError(f"{packed} bytes")
    array: NDArray[Any] = arrays[name]
    levels = array.dtype == np.uint8 and array.ndim == 3 and len(array) == 2
    if not levels and not (array.dtype in (np.float16, np.float32) and array.ndim == 2):
        raise ValueError(f"{array.dtype} {array.shape}")
    return array
