"""GenImage's folders: ``{subset}/{split}/{ai,nature}/*``, and a manifest beside them with what folders cannot say."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.data.export.names import file_name, safe
from synthscope.data.export.work import begin, images
from synthscope.data.layouts.folders import MERGED
from synthscope.data.manifest import save_manifest
from synthscope.runtime import Progress, whole_file
from synthscope.runtime.files import writing


def write_genimage(table: pl.DataFrame, folder: Path, *, link: bool = False) -> dict[str, str]:
    """Write every image under its own name; a second file of a name stands in a numbered folder.

    Real images of every subset stand below ``imagenet_ai``, where the layout ``genimage:`` reads them as such.

    Args:
        table: A manifest with labels.
        folder: Empty, absent, or begun by the same export.
        link: Hard links instead of copies, for files of this machine on the same disk.

    Returns:
        Path -> why it could not be read.
    """
    begin(folder, table, "genimage")
    placed = table.with_columns(_to=pl.Series(list(_places(table)), dtype=pl.String))
    unreadable: dict[str, str] = {}
    with Progress("exporting", total=placed.height) as progress:
        for row, data in images(_todo(placed, folder, link, progress), unreadable):
            with whole_file(folder / row["_to"]) as temporary:
                temporary.write_bytes(data)
    whole = placed.filter(~pl.col("path").is_in(list(unreadable)))
    paths = pl.Series([str(folder.absolute() / place) for place in whole["_to"]], dtype=pl.String)
    moved = whole.with_columns(path=paths, source=pl.lit(f"genimage:{folder}")).drop("_to")
    save_manifest(moved, folder / "manifest.parquet")
    return unreadable


def _places(table: pl.DataFrame) -> Iterator[str]:
    """Where each image goes, relative to the folder. Names that differ in case alone are one on some systems."""
    taken: Counter[str] = Counter()
    columns = ("path", "format", "label", "subset", "generator", "split")
    for path, form, label, subset, generator, split in table.select(columns).iter_rows():
        home = subset or (MERGED if label == 0 else generator) or "unknown"
        inside = "/".join([safe(home), *([safe(split)] if split else []), "ai" if label else "nature"])
        name = file_name(path, form)
        key = f"{inside}/{name}".casefold()
        taken[key] += 1
        yield f"{inside}/{name}" if taken[key] == 1 else f"{inside}/{taken[key]}/{name}"


def _todo(table: pl.DataFrame, folder: Path, link: bool, progress: Progress) -> Iterator[dict[str, Any]]:
    """The rows whose files must be copied."""
    for row in table.iter_rows(named=True):
        target = folder / row["_to"]
        if not target.exists() and not (link and _linked(row["path"], target)):
            yield row
        progress.advance()


def _linked(path: str, target: Path) -> bool:
    """Whether a regular file of the same disk now has a second name; of links, what they lead to."""
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  (as in data.images)
            os.link(Path(path).resolve(), target)
            return True
    return False
