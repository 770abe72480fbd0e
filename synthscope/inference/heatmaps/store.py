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

from synthscope.errors import SynthscopeError
from synthscope.inference.parts import new_part, read_parts
from synthscope.runtime import whole_file
from synthscope.schema import write_table

KEY = ["sha256", "view", "detector", "preprocessing", "explainer", "options", "layer", "condition", "seed"]
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
        "scale": pl.Float64,  # a power of two that the stored values are to be multiplied by
        "part": pl.String,  # heatmaps/PART.npz
        "position": pl.Int32,  # name of the array in it
    }
)


def write_part(folder: Path, rows: Sequence[Mapping[str, Any]], heatmaps: Sequence[NDArray[np.float32]]) -> None:
    """Add heatmaps ``(h, w)`` of any sizes, with the columns of ``KEY``, ``height`` and ``width`` of each.

    ``completeness_gap`` may be left out.

    Values are stored in half precision after division by a power of two, so that tiny gradients survive.
    """
    if not rows:
        return
    part = new_part(folder)
    scales = [2.0 ** float(np.frexp(np.abs(heatmap).max())[1]) for heatmap in heatmaps]
    arrays = {
        str(position): (heatmap / scale).astype(np.float16)
        for position, (heatmap, scale) in enumerate(zip(heatmaps, scales, strict=True))
    }
    with whole_file(part.with_suffix(".npz")) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    found = [
        {**row, "scale": scale, "part": part.stem, "position": position}
        for position, (row, scale) in enumerate(zip(rows, scales, strict=True))
    ]
    write_table(pl.DataFrame(found, schema=INDEX), part)


def read_index(folder: Path) -> pl.DataFrame:
    """Columns of ``INDEX``, one row a key, the oldest. Parts that cannot be read are named on stderr and set aside."""
    index = read_parts(folder, INDEX, of="heatmaps", check=_require_heatmaps, missing="insert")
    return index.unique(KEY, keep="first", maintain_order=True)


def _require_heatmaps(part: Path) -> None:
    if not part.with_suffix(".npz").is_file():
        raise OSError("its heatmaps are missing")


def read_heatmap(folder: Path, row: Mapping[str, Any]) -> NDArray[np.float32]:
    """The heatmap ``(h, w)`` of one row with ``part``, ``position`` and ``scale``.

    Raises:
        SynthscopeError: A missing or damaged file.
    """
    path = folder / f"{row['part']}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[str(row["position"])].astype(np.float32) * np.float32(row["scale"])
    except Exception as error:  # zip files fail in many ways
        raise SynthscopeError(
            f"Expected heatmap {row['position']} in {path}, got {type(error).__name__}: {error}. Delete "
            f"{path.with_suffix('.parquet').name} beside it and run synthscope explain again."
        ) from error
