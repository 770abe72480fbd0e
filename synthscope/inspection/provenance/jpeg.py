"""How a JPEG file was written: its quantisation tables, the layout of its header, and whether it is the first one.

Tells software, not origin: a photograph and a generated picture saved by the same program look alike here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from io import BytesIO
from typing import NamedTuple

from synthscope.inspection.evidence import Finding
from synthscope.inspection.provenance.containers import Parts, read_parts
from synthscope.inspection.provenance.jpeg_tables import Tables, families
from synthscope.inspection.provenance.recompressed import recompression_finding
from synthscope.inspection.provenance.source import Source, facts, shown

_CODING = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC3: "lossless", 0xC9: "arithmetic"}
_SAMPLING: dict[tuple[tuple[int, int], ...], str] = {
    ((1, 1), (1, 1), (1, 1)): "4:4:4",
    ((2, 1), (1, 1), (1, 1)): "4:2:2",
    ((2, 2), (1, 1), (1, 1)): "4:2:0",
    ((1, 2), (1, 2), (1, 2)): "4:4:4 (1x2)",
    ((1, 2), (1, 1), (1, 1)): "4:4:0",
    ((4, 1), (1, 1), (1, 1)): "4:1:1",
}  # fmt: skip  (factors of Y, Cb and Cr; ffmpeg writes 4:4:4 as 1x2 each)
SOFTWARE = "This tells software, not origin."


class Layout(NamedTuple):
    """What an encoder decides beside quality."""

    family: str  # name of the tables; empty = of no family
    sampling: str
    coding: str
    huffman: str  # standard | optimised
    start: str  # JFIF | JFIF 72 dpi | none


# Defaults, seen in files that the programs wrote: Pillow 13.0, OpenCV 5.0, imagecodecs 2026.3, simplejpeg 1.9,
# libjpeg-turbo 2.1, GraphicsMagick 1.3.40, libvips 8.18, FFmpeg 8, guetzli 1.0.1. What one line of layouts shares
# cannot be told apart.
WRITERS: dict[Layout, tuple[str, ...]] = {
    Layout("libjpeg", "4:2:0", "baseline", "standard", "JFIF"): ("Pillow", "OpenCV", "imagecodecs", "cjpeg"),
    Layout("libjpeg", "4:4:4", "baseline", "standard", "JFIF"): ("simplejpeg", "Pillow (subsampling=0)"),
    Layout("libjpeg", "4:2:0", "baseline", "optimised", "JFIF"): ("Pillow (optimize)", "OpenCV (optimize)"),
    Layout("libjpeg", "4:2:0", "progressive", "optimised", "JFIF"): ("Pillow (progressive)", "cjpeg (-progressive)"),
    Layout("libjpeg", "4:2:0", "baseline", "optimised", "JFIF 72 dpi"): ("GraphicsMagick below quality 90",),
    Layout("libjpeg", "4:4:4", "baseline", "optimised", "JFIF 72 dpi"): ("GraphicsMagick from quality 90 on",),
    Layout("libjpeg", "4:2:0", "baseline", "standard", "none"): ("libvips below quality 90",),
    Layout("libjpeg", "4:4:4", "baseline", "standard", "none"): ("libvips from quality 90 on",),
    Layout("mozjpeg 3", "4:2:0", "progressive", "optimised", "none"): ("libvips with mozjpeg's settings",),
    Layout("FFmpeg", "4:4:4 (1x2)", "baseline", "optimised", "none"): ("FFmpeg",),
    Layout("", "4:4:4", "extended", "optimised", "JFIF"): ("guetzli",),
}


def jpeg_findings(source: Source) -> Iterable[Finding]:
    """Who writes such tables in such a file, and how often it was compressed."""
    if source.parts.kind != "JPEG":
        return
    tables, layout = read_layout(source.parts)
    known = families(tables)
    writers = [name for family, _ in known or [("", "")] for name in WRITERS.get(layout._replace(family=family), ())]
    detail = facts({
        "tables": "; ".join(f"{family}, {quality}" for family, quality in known) or "of no encoder known here",
        "subsampling": layout.sampling, "coding": layout.coding, "Huffman tables": layout.huffman,
        "header": layout.start, "known writers by default": ", ".join(writers), **_words(source.parts),
    })  # fmt: skip
    yield Finding(source="JPEG", claim=f"{_claim(known, writers)} {SOFTWARE}", detail=detail)
    yield from recompression_finding(source.data, tables)


def read_layout(parts: Parts) -> tuple[Tables, Layout]:
    """Quantisation tables of luma and chroma, row by row, and the rest of the header; the family stays empty."""
    found: dict[int, tuple[int, ...]] = {}
    huffman, sampling, coding, wanted = set(), [], "unknown", []
    start = "none"
    for marker, content in parts.segments:
        if marker == 0xDB:
            found |= _quantisation(content)
        elif marker == 0xC4:
            huffman |= _huffman(content)
        elif marker in _CODING and len(content) >= 6:
            coding = _CODING[marker]
            components = [content[6 + 3 * i : 9 + 3 * i] for i in range(min(content[5], 4))]
            sampling = [(part[1] >> 4, part[1] & 15) for part in components if len(part) == 3]
            wanted = [part[2] for part in components if len(part) == 3]
        elif marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 12:
            start = "JFIF 72 dpi" if content[7:12] == b"\1\0\x48\0\x48" else "JFIF"
    tables = tuple(found[number] for number in dict.fromkeys(wanted) if number in found)
    plain = "grey" if len(sampling) == 1 else _SAMPLING.get(tuple(sampling), str(sampling))
    return tables, Layout("", plain, coding, "standard" if huffman == _standard_huffman() else "optimised", start)


def _quantisation(content: bytes) -> dict[int, tuple[int, ...]]:
    """ITU-T T.81, B.2.4.1: number and precision, then 64 steps in zigzag order."""
    found, place = {}, 0
    while place < len(content):
        wide, number = content[place] >> 4, content[place] & 15
        size = 128 if wide else 64
        steps = content[place + 1 : place + 1 + size]
        if len(steps) < size:
            break
        values = [int.from_bytes(steps[2 * i : 2 * i + 2], "big") for i in range(64)] if wide else list(steps)
        rows = [0] * 64
        for value, at in zip(values, _zigzag(), strict=True):
            rows[at] = value
        found[number] = tuple(rows)
        place += 1 + size
    return found


def _huffman(content: bytes) -> set[bytes]:
    """ITU-T T.81, B.2.4.2: class and number, 16 counts, as many values."""
    found, place = set(), 0
    while place + 17 <= len(content):
        size = 17 + sum(content[place + 1 : place + 17])
        found.add(content[place : place + size])
        place += size
    return found


@cache
def _zigzag() -> tuple[int, ...]:
    """Places 0..63, row by row, in the order of T.81, figure A.6: diagonals, every other one upwards."""
    places = sorted(((r, c) for r in range(8) for c in range(8)), key=lambda p: (sum(p), p[0] if sum(p) % 2 else p[1]))
    return tuple(8 * row + column for row, column in places)


@cache
def _standard_huffman() -> set[bytes]:
    """Tables K.3 to K.6 of T.81, as libjpeg writes them."""
    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    return {
        table
        for marker, content in read_parts(file.getvalue()).segments
        if marker == 0xC4
        for table in _huffman(content)
    }


def _words(parts: Parts) -> dict[str, object]:
    """What programs leave in their segments: comments, and Photoshop's own (quality of "Save for Web" in APP12)."""
    found: dict[str, object] = {}
    for marker, content in parts.segments:
        if marker == 0xFE and "comment" not in found:
            found["comment"] = shown(content.decode("utf-8", "replace").strip("\0"))
        elif marker == 0xEC and content.startswith(b"Ducky\0\1\0\4") and len(content) >= 13:
            found["quality by Photoshop's Save for Web"] = int.from_bytes(content[9:13], "big")
        elif marker == 0xED and content.startswith(b"Photoshop 3.0\0"):
            found["segment of Photoshop"] = "yes"
    return found


def _claim(known: tuple[tuple[str, str], ...], writers: list[str]) -> str:
    if not known:
        return f"The file is laid out as {' or '.join(writers)} writes it." if writers else (
            "The quantisation tables are of no encoder known here; cameras and phones often have their own."
        )  # fmt: skip
    named = " or ".join(f"{family} at {quality}" for family, quality in known[:3])
    return f"The quantisation tables are those of {named}." + (
        f" So written by default: {', '.join(writers)}; others may write the same." if writers else ""
    )
