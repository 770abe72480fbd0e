"""A world in which nothing tells the classes apart but how they are stored: the control for audits and detectors.

The pictures of both classes are the lossless AI images of a data set, divided by chance. Half of them are stored as
its photographs are (aspect, JPEG quality, chroma subsampling and tables), half as its AI images are. Whoever tells
these classes apart has learnt the storage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from synthscope.data.align.select import LOSSLESS
from synthscope.data.images import read_file, read_rgb
from synthscope.data.jpeg_header import read_compression, write_jpeg
from synthscope.data.manifest import draws
from synthscope.errors import SynthscopeError
from synthscope.runtime import seed_for, track, whole_file

SUBSET = "null"
DONE = "null_world.json"


def build_null_world(images: pl.DataFrame, folder: str | Path, *, seed: int = 0) -> str:
    """Write ``null/{split}/{ai,nature}/`` below a folder; one that is finished is left alone.

    Args:
        images: A manifest with lossless AI images and JPEG photographs; only rows without an ``error`` count.
        folder: To write to.
        seed: Divides the pictures, and chooses the photograph that each is stored like.

    Returns:
        ``genimage:FOLDER``.

    Raises:
        SynthscopeError: No lossless AI image, or no photograph whose compression can be repeated.
    """
    root = Path(folder)
    usable = images.filter(pl.col("error").is_null()).unique("path", keep="first").sort("path")
    pictures = usable.filter(pl.col("label") == 1, pl.col("format").is_in(LOSSLESS))
    likes = list(_photographs(usable.filter(pl.col("label") == 0, pl.col("format") == "JPEG")))
    if pictures.is_empty() or not likes:
        raise SynthscopeError(
            f"Expected lossless AI images and JPEG photographs, got {pictures.height} and {len(likes)}. Name another "
            "data set."
        )
    settings = json.dumps({"seed": seed, "pictures": pictures["path"].to_list(), "likes": likes})
    if (root / DONE).is_file() and (root / DONE).read_text() == settings:
        return f"genimage:{root}"
    drawn = pictures.with_columns(_draw=pl.Series(draws(pictures, seed))).sort("split", "_draw", "path")
    rows = drawn.with_columns(_place=pl.int_range(pl.len()).over("split")).select("path", "split", "_draw", "_place")
    for path, split, draw, place in track(rows.rows(), "building the null world"):
        kind, name = ("ai", f"{place:06}.png") if place % 2 else ("nature", f"{place:06}.JPEG")
        like = likes[int(np.random.default_rng(seed_for("like", draw)).integers(len(likes)))]
        target = root / SUBSET / (split or "train") / kind / name
        with whole_file(target) as temporary:
            temporary.write_bytes(read_file(path)[0] if place % 2 else _stored_like(read_rgb(path), *like))
    with whole_file(root / DONE) as temporary:
        temporary.write_text(settings)
    return f"genimage:{root}"


def _photographs(rows: pl.DataFrame) -> Iterator[tuple[str, float]]:
    """Compression and aspect (width over height) of the photographs whose compression can be repeated."""
    for path, width, height in rows.select("path", "width", "height").iter_rows():
        if (step := read_compression(path).step) is not None:
            yield step, width / height


def _stored_like(rgb: np.ndarray, step: str, aspect: float) -> bytes:
    """A JPEG file of about the largest centred part of a picture that has the aspect.

    Its corner is a multiple of 16: the blocks of JPEG must lie alike on a lattice that a generator has left.
    """
    height, width = rgb.shape[:2]
    kept = min(height, round(width / aspect)), min(width, round(height * aspect))
    top, left = ((side - keep) // 2 // 16 * 16 for side, keep in zip((height, width), kept, strict=True))
    return write_jpeg(np.ascontiguousarray(rgb[top : top + kept[0], left : left + kept[1]]), step)
