"""Where a file keeps words about itself: segments of JPEG, chunks of PNG and WebP. No pixels are decoded.

Sizes are looked at before anything is unpacked, because what the file says of itself may be made to fill the memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

MOST_TEXTS = 10_000  # text chunks of a PNG; ComfyUI writes two, ImageMagick a dozen
MOST_CHUNKS = 100_000  # chunks or segments that are walked over
MOST_TEXT = 2**20  # bytes of one text, also after unpacking; large workflows of ComfyUI are 300 KB
MOST_TOGETHER = 2**23  # bytes of all texts
_XMP, _EXIF, _EXTENDED = b"http://ns.adobe.com/xap/1.0/\0", b"Exif\0\0", b"http://ns.adobe.com/xmp/extension/\0"


@dataclass
class Parts:
    """What stands beside the pixels, as bytes and texts of the file."""

    kind: str = ""  # JPEG | PNG | WEBP | other
    xmp: list[bytes] = field(default_factory=list)
    exif: bytes | None = None  # a TIFF structure
    texts: list[tuple[str, str]] = field(default_factory=list)  # key and value, of PNG
    segments: list[tuple[int, bytes]] = field(default_factory=list)  # marker and content, of JPEG up to its first scan
    notes: list[str] = field(default_factory=list)  # what was left out, in sentences


def read_parts(data: bytes) -> Parts:
    """Split a file. Never raises: of a broken one, what stands before the break."""
    parts = Parts()
    if data.startswith(b"\xff\xd8"):
        parts.kind = "JPEG"
        _split_jpeg(data, parts)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        parts.kind = "PNG"
        _split_png(data, parts)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        parts.kind = "WEBP"
        _split_webp(data, parts)
    else:
        parts.kind = "other"
        _ask_pillow(data, parts)
    return parts


def _split_jpeg(data: bytes, parts: Parts) -> None:
    """ITU-T T.81, B.1; EXIF and XMP stand in segments APP1 (CIPA DC-008, 4.7.2; XMP part 3, 1.1.3)."""
    for marker, content in _jpeg_segments(data):
        parts.segments.append((marker, content))
        if marker == 0xE1 and content.startswith(_EXIF) and parts.exif is None:
            parts.exif = content[len(_EXIF) :]
        elif marker == 0xE1 and content.startswith(_XMP):
            _add_xmp(content[len(_XMP) :], parts)
        elif marker == 0xE1 and content.startswith(_EXTENDED) and not parts.notes:
            parts.notes.append("The file has extended XMP, which is not read.")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 2
    for _ in range(MOST_CHUNKS):
        while data[place : place + 2] == b"\xff\xff":
            place += 1
        if place + 4 > len(data) or data[place] != 0xFF:
            return
        marker, size = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        yield marker, data[place + 4 : place + 2 + size]
        if marker == 0xDA or size < 2:
            return
        place += 2 + size


def _split_png(data: bytes, parts: Parts) -> None:
    """PNG (third edition), 11.3.3 and 11.3.4.5; XMP part 3, 1.1.5."""
    place, together = 8, 0
    for _ in range(MOST_CHUNKS):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if len(kind) < 4 or kind == b"IEND":
            return
        if kind == b"eXIf" and parts.exif is None:
            parts.exif = data[place + 8 : place + 8 + min(size, MOST_TEXT)]
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            if len(parts.texts) >= MOST_TEXTS or together >= MOST_TOGETHER:
                parts.notes.append(f"Texts of the PNG after the first {len(parts.texts):,} are not read.")
                return
            key, value = _png_text(kind, data[place + 8 : place + 8 + size], parts)
            together += len(value)
            if key == "XML:com.adobe.xmp":
                _add_xmp(value.encode(), parts)
            else:
                parts.texts.append((key, value))
        place += 12 + size


def _png_text(kind: bytes, content: bytes, parts: Parts) -> tuple[str, str]:
    key, _, rest = content.partition(b"\0")
    packed, encoding = kind == b"zTXt", "latin-1"
    if packed:
        rest = rest[1:]
    elif kind == b"iTXt":
        packed, encoding = rest[:1] == b"\1", "utf-8"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    name = key[:79].decode("latin-1")
    value = _unpacked(rest) if packed else rest[: MOST_TEXT + 1]
    if len(value) > MOST_TEXT:
        parts.notes.append(f"The PNG text {name!r} is longer than {MOST_TEXT:,} bytes; the rest is not read.")
    return name, value[:MOST_TEXT].decode(encoding, "replace")


def _unpacked(packed: bytes) -> bytes:
    """At most a byte more than is wanted: a kilobyte can hold a megabyte, and a megabyte a gigabyte."""
    try:
        return zlib.decompressobj().decompress(packed, MOST_TEXT + 1)
    except zlib.error:
        return b""


def _split_webp(data: bytes, parts: Parts) -> None:
    """RIFF container of WebP, "Metadata"."""
    place = 12
    for _ in range(MOST_CHUNKS):
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if len(kind) < 4:
            return
        if kind == b"EXIF" and parts.exif is None:
            parts.exif = data[place + 8 : place + 8 + min(size, MOST_TEXT)].removeprefix(_EXIF)
        elif kind == b"XMP ":
            _add_xmp(data[place + 8 : place + 8 + size], parts)
        place += 8 + size + size % 2


def _ask_pillow(data: bytes, parts: Parts) -> None:
    """Formats without a walk of their own here: TIFF, AVIF, GIF, JPEG 2000."""
    from synthscope.data.images import opened

    try:
        with opened(BytesIO(data).getvalue()) as image:
            exif, xmp = image.info.get("exif"), image.info.get("xmp")
            if exif is None and image.format == "TIFF":
                exif = image.getexif().tobytes()
    except Exception:  # examine() says why a file cannot be read
        return
    if isinstance(exif, bytes):
        parts.exif = exif[:MOST_TEXT].removeprefix(_EXIF)
    if isinstance(xmp, bytes):
        _add_xmp(xmp, parts)


def _add_xmp(packet: bytes, parts: Parts) -> None:
    if len(packet) > MOST_TEXT or len(parts.xmp) >= 8:
        parts.notes.append(f"XMP of {len(packet):,} bytes is not read: more than {MOST_TEXT:,}, or the ninth packet.")
    else:
        parts.xmp.append(packet)
