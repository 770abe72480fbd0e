"""Quantisation tables of encoders, as far as a rule or a program makes them again.

``jpeg_tables.csv`` holds base tables: ITU-T T.81's K.1 and K.2 as libjpeg scales them, the eight others that mozjpeg
offers (``cjpeg -quant-table``), both taken from files of libvips, and MPEG-1's intra matrix, which FFmpeg scales.
Those of Photoshop are Pillow's presets.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache
from importlib.resources import files

import numpy as np

Table = tuple[int, ...]  # 64 steps, row by row
Tables = tuple[Table, ...]  # luma and chroma, or one for all
_MPEG = "MPEG-1 intra"


def families(tables: Tables) -> tuple[tuple[str, str], ...]:
    """Names of all encoders that write exactly these tables, with the setting; grey files have the one of luma.

    >>> families(((1,) * 64, (1,) * 64))[0]
    ('libjpeg', 'quality 100')
    """
    return tuple(_known().get(tables, ()))


@cache
def _known() -> dict[Tables, list[tuple[str, str]]]:
    from PIL.JpegPresets import presets

    found: defaultdict[Tables, list[tuple[str, str]]] = defaultdict(list)
    for name, (luma, chroma) in _bases().items():
        if name == _MPEG:
            for scale in range(1, 32):  # FFmpeg, mpegvideo_enc.c: the first step stays 8
                steps = np.clip(np.array(luma) * scale // 8, 1, 255).tolist()
                found[((8, *steps[1:]),)].append(("FFmpeg", f"quality scale {scale}"))
            continue
        for quality in range(1, 101):
            pair = scaled(luma, quality), scaled(chroma, quality)
            found[pair].append((name, f"quality {quality}"))
            found[pair[:1]].append((name, f"quality {quality}"))
    for name, preset in presets.items():
        planes: list[list[int]] = preset["quantization"]  # type: ignore[assignment]  # of a dict of several types
        found[tuple(map(tuple, planes))].append(("Photoshop", f"preset {name.replace('_', ' ')}"))
    return dict(found)


def scaled(base: Table, quality: int) -> Table:
    """A base table at quality 1..100, by the rule of libjpeg's ``jcparam.c``, which mozjpeg keeps."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(np.clip((np.array(base) * scale + 50) // 100, 1, 255).tolist())


@cache
def _bases() -> dict[str, tuple[Table, Table]]:
    found: dict[str, list[Table]] = defaultdict(list)
    text = (files("synthscope.inspection.provenance") / "jpeg_tables.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        found[row["table"]].append(tuple(map(int, row["steps"].split())))
    return {name: (planes[0], planes[-1]) for name, planes in found.items()}


@cache
def standard_luma() -> np.ndarray:
    """int64 ``(100, 8, 8)``: libjpeg's luma tables of qualities 1 to 100."""
    return np.array([scaled(_bases()["libjpeg"][0], quality) for quality in range(1, 101)]).reshape(100, 8, 8)
