"""The first images of a run, on which backends are compared before they are used."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.data.images import read_file, read_rgb
from synthscope.errors import UnreadableImageError


def first_images(images: pl.DataFrame, count: int, *, seed: int) -> Iterator[np.ndarray]:
    """So many images of a manifest, as far as there are, in its order, each path once; unreadable ones are left out.

    Args:
        images: ``path``, ``sha256``, ``view`` and ``error`` of ``schema.MANIFEST``.
        count: How many.
        seed: Of random views, together with an image's bytes.

    Yields:
        uint8 ``(H, W, 3)``, seen through the view.
    """
    usable = images.filter(pl.col("error").is_null()).unique("path", keep="first", maintain_order=True)
    found = 0
    for path, sha256, view in usable.select("path", "sha256", "view").iter_rows():
        if found == count:
            return
        try:
            data, key = read_file(path, sha256)
            yield parse_recipe(view).apply(read_rgb(data, name=path), key=key, seed=seed)
        except UnreadableImageError:
            continue
        found += 1
