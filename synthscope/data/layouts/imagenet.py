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
        return Named(_index_of().get(match[1]), match[1])
    return Named()


@lru_cache(maxsize=1)
def synsets() -> tuple[str, ...]:
    """The 1000 ImageNet-1k synsets in class order, from the list that timm ships; empty where timm is not installed.

    Finding timm does not import it, nor torch.
    """
    spec = find_spec("timm")
    folders = spec.submodule_search_locations or [] if spec else []
    lists = (Path(folder, "data/_info/imagenet_synsets.txt") for folder in folders)
    return tuple(next((file.read_text().split() for file in lists if file.is_file()), ()))


@lru_cache(maxsize=1)
def _index_of() -> dict[str, int]:
    return {synset: index for index, synset in enumerate(synsets())}
