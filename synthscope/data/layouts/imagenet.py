"""What GenImage's file names say: ImageNet class, synset, and the generator's name.

Patterns as published in lists of the data set's files: ``033_sdv4_00134.png``, ``0_wukong_image128.png``,
``GLIDE_1000_200_08_808_glide_00033.png``, ``n01440764_10043.JPEG``; ``ILSVRC2012_val_*`` names carry no class.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import polars as pl

from synthscope.errors import SynthscopeError

_AI = re.compile(r"(?:[A-Za-z]+_1000_200_\d\d_)?(\d{1,3})_(.+?)_(?:image)?\d+")
_REAL = re.compile(r"(n\d{8})(?:_.*)?")


class Named(NamedTuple):
    """What a file name says; None where it is silent."""

    class_index: int | None = None
    synset: str | None = None
    generator: str | None = None


def parse_name(stem: str) -> Named:
    """Read a file name without its suffix.

    >>> parse_name("GLIDE_1000_200_08_808_glide_00033").class_index, parse_name("0_wukong_image128").generator
    (808, 'wukong')
    """
    if match := _AI.fullmatch(stem):
        index = int(match[1])
        return Named(index, synsets()[index] if synsets() else None, match[2])
    if match := _REAL.fullmatch(stem):
        return Named(class_index(match[1]), match[1])
    return Named()


def group_by_class(table: pl.DataFrame) -> pl.DataFrame:
    """The manifest with ``group`` = its ImageNet class, so that real and AI images of a class stay in one split.

    Rows with an ``error`` may lack a class.

    Raises:
        SynthscopeError: A usable image without a class; says what to provide.
    """
    known = pl.coalesce(pl.format("class {}", "class_index"), pl.format("class {}", "synset"))
    nameless = table.filter(known.is_null(), pl.col("error").is_null())
    if nameless.height:
        val = nameless.filter(pl.col("path").str.contains("ILSVRC2012_val_"))["path"]
        advice = (
            "Their names carry none: add ?val_labels=FILE to genimage:PATH, with ILSVRC2012_validation_ground_truth.txt"
            " (and &synset_ids=meta.mat) or a list of names and synsets."
            if len(val)
            else "Leave them out with a filter, or group otherwise."
        )
        raise SynthscopeError(
            f"Expected the ImageNet class of every image, got none for {nameless.height}, such as "
            f"{(val if len(val) else nameless['path'])[0]}. {advice}"
        )
    return table.with_columns(group=known)


@lru_cache(maxsize=1)
def synsets() -> tuple[str, ...]:
    """The 1000 ImageNet-1k synsets in class order, from the list that timm ships; empty where timm is not installed.

    Finding timm does not import it, nor torch.
    """
    spec = find_spec("timm")
    folders = spec.submodule_search_locations or [] if spec else []
    lists = (Path(folder, "data/_info/imagenet_synsets.txt") for folder in folders)
    return tuple(next((file.read_text().split() for file in lists if file.is_file()), ()))


def class_index(synset: str) -> int | None:
    """0-based index of a synset among the sorted 1000; None for another one, or where the list is not installed."""
    return _index_of().get(synset)


@lru_cache(maxsize=1)
def _index_of() -> dict[str, int]:
    return {synset: index for index, synset in enumerate(synsets())}
