"""Photographs of a manifest to orders: a fake of each, beside it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import polars as pl

from synthscope.errors import SynthscopeError
from synthscope.generation.classes import imagenet_classes
from synthscope.generation.contract import NAME, Order
from synthscope.generation.reals import local
from synthscope.runtime import seed_for


def source_orders(images: pl.DataFrame) -> list[Order]:
    """One order a real image, named after its file; files of one name get eight digits more, from their folders.

    Args:
        images: A manifest. Rows with an ``error`` count: where the file is still unreadable, that is the order's error.

    Returns:
        Orders with ``source``, without prompts; images without a split are ``val``.

    Raises:
        SynthscopeError: No real images, or images of another machine.
    """
    reals = images.filter(pl.col("label") == 0).unique("path", keep="first").sort("path")
    if reals.is_empty():
        raise SynthscopeError("Expected real images to reconstruct, got none. Name photographs, with the label 0.")
    stems = [_stem(path) for path in reals["path"]]
    often = Counter(stem.lower() for stem in stems)  # some file systems know no case
    orders = []
    for stem, row in zip(stems, reals.iter_rows(named=True), strict=True):
        tail = "/".join(row["path"].rsplit("/", 4)[-4:])
        uid = stem if often[stem.lower()] == 1 else f"{stem}_{seed_for('uid', tail):016x}"[: len(stem) + 9]
        index, split = row["class_index"], row["split"] or "val"
        kind = imagenet_classes()[index] if index is not None and index < 1000 else None
        order = Order(uid, f"{NAME}/{split}/ai/{uid}", split, synset=row["synset"], source=local(row["path"]))
        orders.append(replace(order, class_index=index, class_name=kind.name if kind else None))
    return orders


def _stem(path: str) -> str:
    """The name of a file without its suffix, in letters that every file system takes.

    >>> _stem("/photos/Größe (1).jpg"), _stem("/photos/.hidden"), _stem("/a/b.tar#c.png")
    ('Größe__1_', 'image_.hidden', 'c')
    """
    name = re.split(r"[/\\#]", path)[-1]
    stem = re.sub(r"[^\w.-]", "_", name.rpartition(".")[0] or f"image_{name}")[:90]
    return stem if re.match(r"\w", stem) else f"image_{stem}"
