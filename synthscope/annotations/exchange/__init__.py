"""Formats of annotation tools, written and read: COCO, labelme, CVAT, Label Studio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from synthscope.errors import UsageError
from synthscope.registry import Registry

EXPORTS: Registry[Callable[[pl.DataFrame, Path], None]] = Registry("export format")
for _name in ("coco", "labelme", "cvat", "labelstudio"):
    EXPORTS.register(_name, f"{__name__}.{_name}:write")


def export(table: pl.DataFrame, target: str) -> Path:
    """Write annotations for a tool.

    Args:
        table: Columns of ``ANNOTATIONS``.
        target: ``"<format>:<path>"``; of ``labelme`` a folder, of the others a file.

    Returns:
        What was written. Imported again, it gives the same table (coordinates of Label Studio and boxes of COCO
        rounded to 1e-6 pixels), in the order of images.

    Raises:
        UsageError: Not such a target.
        SynthscopeError: Regions that no tool can hold (heatmaps), or masks of images whose size is unknown.
    """
    name, colon, path = target.partition(":")
    if not colon or not path:
        raise UsageError(f"Expected FORMAT:PATH, got {target!r}. Write {', '.join(EXPORTS)} and a path.")
    out = Path(path).expanduser()
    EXPORTS[name](table, out)
    return out
