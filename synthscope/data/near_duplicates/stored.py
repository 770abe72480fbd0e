"""Perceptual hashes of the images of a manifest, kept by the SHA-256 of their files, so that a stopped run goes on."""

from __future__ import annotations

import secrets
import time
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from synthscope.data.images import read_file, read_rgb
from synthscope.data.in_work import image_task
from synthscope.data.near_duplicates.hashing import perceptual_hashes, thumbnail
from synthscope.errors import UnreadableImageError
from synthscope.runtime import track
from synthscope.runtime.threads import in_threads
from synthscope.schema import read_table, write_parquet

HASHES = pl.Schema({"sha256": pl.String, "phash": pl.UInt64})  # phash null = the picture is flat
HASHED = pl.Schema([("path", pl.String), *HASHES.items(), ("error", pl.String)])
PART = 1000  # images whose hashes a killed run may lose

Read = tuple[str | None, np.ndarray | None, str | None]  # sha256, thumbnail of an image that is new, what is wrong


def hashes_beside(manifest: str | Path) -> Path:
    """The folder in which the hashes of a manifest's images are kept.

    >>> hashes_beside("runs/m.parquet").as_posix()
    'runs/m.hashes'
    """
    return Path(manifest).with_suffix(".hashes")


def known_hashes(folder: Path | None) -> pl.DataFrame:
    """``HASHES`` that a folder holds; none where there is no folder.

    Raises:
        SynthscopeError: A part that cannot be read.
    """
    parts = sorted(folder.glob("part-*.parquet")) if folder is not None else []
    advice = "Delete it; its images are hashed again."
    tables = [read_table(part, schema=HASHES, advice=advice) for part in parts]
    return pl.concat([pl.DataFrame(schema=HASHES), *tables]).unique("sha256", keep="first", maintain_order=True)


def hash_images(table: pl.DataFrame, folder: Path | None = None, *, workers: int | None = None) -> pl.DataFrame:
    """Hash every usable image of a manifest; those of which ``folder`` has the hash are not decoded.

    Where the manifest knows their SHA-256, too, they are not even read.

    Args:
        table: A manifest.
        folder: Where hashes are kept, a part for every 1,000 new images; None = nowhere.
        workers: Threads; None = one a core.

    Returns:
        ``HASHED``, a row a path; ``error`` where a file cannot be read.
    """
    images = table.filter(pl.col("error").is_null()).unique("path").sort("path").select("path", "sha256")
    known = known_hashes(folder)
    hashes: dict[str, int | None] = dict(known.iter_rows())
    new = images.filter(~pl.col("sha256").is_in(known["sha256"].implode()).fill_null(False))["path"]
    results = in_threads(partial(_read, known=frozenset(hashes)), new, workers)
    read: dict[str, tuple[str | None, str | None]] = {}
    waiting: dict[str, np.ndarray] = {}

    def keep() -> None:
        fresh = _hashed(waiting)
        waiting.clear()
        hashes.update(fresh.iter_rows())
        if folder is not None and fresh.height:
            write_parquet(fresh, folder / f"part-{time.time_ns():020d}-{secrets.token_hex(4)}.parquet")

    try:
        for path, (sha256, pixels, error) in track(zip(new, results, strict=True), "hashing", total=len(new)):
            read[path] = sha256, error
            if sha256 is not None and pixels is not None:
                waiting[sha256] = pixels
            if len(waiting) == PART:
                keep()
    finally:  # also what a signal stops
        keep()
    rows = []
    for path, sha256 in images.iter_rows():
        found, error = read.get(path, (sha256, None))
        rows.append((path, found, None if found is None else hashes[found], error))
    return pl.DataFrame(rows, schema=HASHED, orient="row")


def describe_hashes(hashed: pl.DataFrame) -> list[str]:
    """A sentence on the pictures that have no hash, if there are any."""
    flat = hashed.filter(pl.col("sha256").is_not_null(), pl.col("phash").is_null()).height
    if not flat:
        return []
    return [f"{flat:,} pictures are of one colour or a plain gradient; these are compared by their bytes alone."]


@image_task()
def _read(path: str, known: frozenset[str]) -> Read:
    try:
        data, sha256 = read_file(path)
        return sha256, None if sha256 in known else thumbnail(read_rgb(data, name=path)), None
    except UnreadableImageError as error:
        return None, None, str(error)


def _hashed(pixels: dict[str, np.ndarray]) -> pl.DataFrame:
    """``HASHES`` of thumbnails by the SHA-256 of their files."""
    if not pixels:
        return pl.DataFrame(schema=HASHES)
    found, flat = perceptual_hashes(np.stack([*pixels.values()]))
    table = pl.DataFrame({"sha256": list(pixels), "phash": found}, schema=HASHES)
    return table.with_columns(phash=pl.when(~pl.Series(flat)).then("phash"))
