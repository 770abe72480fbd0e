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
from synthscope.data.near_duplicates.hashing import perceptual_hashes, thumbnails
from synthscope.errors import UnreadableImageError
from synthscope.runtime import track
from synthscope.runtime.threads import in_threads
from synthscope.schema import read_table, write_parquet

HASHES = pl.Schema({"sha256": pl.String, "phash": pl.UInt64, "dhash": pl.UInt64})  # hashes null = a flat picture
HASHED = pl.Schema([("path", pl.String), *HASHES.items(), ("error", pl.String)])
PART = 1000  # images whose hashes a killed run may lose

Thumbnails = tuple[np.ndarray, np.ndarray]
Read = tuple[str | None, Thumbnails | None, str | None]  # sha256, those of an image that is new, what is wrong


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
    hashes = [known]
    new = images.filter(~pl.col("sha256").is_in(known["sha256"].implode()).fill_null(False))["path"]
    results = in_threads(partial(_read, known=frozenset(known["sha256"])), new, workers)
    read: dict[str, tuple[str | None, str | None]] = {}
    waiting: dict[str, Thumbnails] = {}

    def keep() -> None:
        fresh = _hashed(waiting)
        waiting.clear()
        hashes.append(fresh)
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
    rows = ((path, *read.get(path, (sha256, None))) for path, sha256 in images.iter_rows())
    found = pl.DataFrame(rows, schema=dict.fromkeys(("path", "sha256", "error"), pl.String), orient="row")
    return found.join(pl.concat(hashes), on="sha256", how="left", maintain_order="left").select(HASHED.names())


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
        return sha256, None if sha256 in known else thumbnails(read_rgb(data, name=path)), None
    except UnreadableImageError as error:
        return None, None, str(error)


def _hashed(pixels: dict[str, Thumbnails]) -> pl.DataFrame:
    """``HASHES`` of thumbnails by the SHA-256 of their files."""
    if not pixels:
        return pl.DataFrame(schema=HASHES)
    large, small = (np.stack(kind) for kind in zip(*pixels.values(), strict=True))
    found, flat = perceptual_hashes(large, small)
    table = pl.DataFrame({"sha256": list(pixels), "phash": found[:, 0], "dhash": found[:, 1]}, schema=HASHES)
    return table.with_columns(pl.when(~pl.Series(flat)).then(pl.col("phash", "dhash")))
