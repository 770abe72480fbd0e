"""Files that are made to keep a decoder busy, told by their structure before a decoder sees them.

No encoder writes what is refused here, by a wide margin. Most decoders cannot be interrupted, and a thread cannot be
killed, so that counting comes first. What the pixels may take is limited by ``images``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

MOST_SCANS = 100  # of a JPEG. Encoders write 10 or fewer; each one goes over the whole image (libtiff's limit is 100)
MOST_SCANNED = 2000.0  # megapixels over all scans: 20 scans of the largest image
MOST_CHUNKS = 2**17  # of a PNG; 400 MB in pieces of 4 KB, as few encoders write them, are 100,000
MOST_BLOCKS = 2**13  # of 255 bytes, of comments and such, before the first frame of a GIF
MOST_VALUES = 2**20  # of one tag of a TIFF file: strips of one row are 100,000 at most, tiles of 16 x 16 are 400,000
MOST_TILES = 2**13  # of a JPEG 2000 image; openjpeg reserves 10 KB for each
MOST_LAYERS = 100  # of quality
MOST_HEADER = 2**16  # bytes of a PPM file before its pixels
MOST_COMPRESSED = 2**27  # bytes of WebP and AVIF, which Pillow reads whole for their headers: 10 bits a pixel


class Refused(Exception):
    """What is wrong with a file, as the end of "Expected an image, got …"."""

    advice = "Replace or remove it."


def check_structure(file: BinaryIO, max_megapixels: float) -> None:
    """Raise ``Refused`` for a file whose header would take a decoder long, or much memory; read its header alone."""
    start = file.read(16)
    if start.startswith(b"\x89PNG"):
        _count_chunks(file, until=b"IDAT")
    elif start.startswith(b"GIF8"):
        _count_gif_blocks(file)
    elif start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        _check_tags(file, start)
    elif start.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")):
        _check_codestream(file)
    elif start[:1] == b"P" and start[1:2] in b"123456":
        _check_ppm(start + file.read(MOST_HEADER))
    elif start[8:12] == b"WEBP":
        _check_webp(start + file.read(16), file, max_megapixels)
    elif start[4:8] == b"ftyp":
        _check_size(file)
    file.seek(0)


def check_content(data: bytes, megapixels: float) -> None:
    """Raise ``Refused`` for a file of so many megapixels whose body would take a decoder long."""
    if data.startswith(b"\xff\xd8"):
        most = min(MOST_SCANS, MOST_SCANNED / max(megapixels, 1e-6))
        if data.count(b"\xff\xda") > most and (scans := count_scans(data)) > most:
            raise Refused(f"a JPEG of {scans} scans, more than {most:.0f}")
    elif data.startswith(b"\x89PNG"):
        _count_chunks(BytesIO(data), until=b"IEND")


def count_scans(data: bytes) -> int:
    """Scans of a JPEG file, without those of thumbnails in its segments and of what follows its end (ITU T.81, B.1)."""
    scans, place = 0, 2
    while 0 <= (place := data.find(b"\xff", place)) < len(data) - 3:
        marker = data[place + 1]
        place += 1 if marker == 0xFF else 2
        if marker == 0xD9:
            break
        if marker in (0, 1, 0xFF) or 0xD0 <= marker <= 0xD8:  # stuffed bytes, fill bytes and markers alone
            continue
        scans += marker == 0xDA
        place += int.from_bytes(data[place : place + 2], "big")
    return scans


def _count_chunks(file: BinaryIO, until: bytes) -> None:
    """PNG, section 5.3: length, type, data, CRC."""
    place = 8
    for _ in range(MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[4:] == until:
            return
        place += 12 + int.from_bytes(head[:4], "big")
    raise Refused(f"a PNG of more than {MOST_CHUNKS} chunks")


def _count_gif_blocks(file: BinaryIO) -> None:
    """GIF89a, appendix A: extensions are chains of blocks of up to 255 bytes."""
    file.seek(10)
    flags = file.read(3)[:1]
    place = 13 + (3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0)
    blocks = 0
    file.seek(place)
    while file.read(1) == b"\x21":
        file.read(1)
        while (size := file.read(1)) not in (b"", b"\0"):
            file.seek(size[0], 1)
            blocks += 1
            if blocks > MOST_BLOCKS:
                raise Refused(f"a GIF with more than {MOST_BLOCKS} blocks before its first frame")


def _check_tags(file: BinaryIO, start: bytes) -> None:
    """TIFF 6.0, section 2, and BigTIFF: the tags of the first image."""
    order, big = "<" if start[:1] == b"I" else ">", b"+" in start[2:4]
    where, counter, entry = ("Q", "Q", "HHQ8x") if big else ("I", "H", "HHI4x")
    file.seek(struct.unpack_from(order + where, start, 8 if big else 4)[0])
    head = file.read(struct.calcsize(order + counter))
    tags = struct.unpack(order + counter, head)[0] if len(head) == struct.calcsize(order + counter) else 0
    for tag, kind, count in _entries(file, order + entry, min(tags, 2**16)):
        if count > MOST_VALUES and kind not in (1, 2, 6, 7):  # bytes and texts are kept as they are
            raise Refused(f"a TIFF with {count} values of tag {tag}, more than {MOST_VALUES}")


def _entries(file: BinaryIO, form: str, number: int) -> Iterator[tuple[int, int, int]]:
    size = struct.calcsize(form)
    data = file.read(number * size)
    yield from struct.iter_unpack(form, data[: len(data) // size * size])


def _check_codestream(file: BinaryIO) -> None:
    """JPEG 2000, ISO 15444-1, A.5.1 (SIZ) and A.6.1 (COD)."""
    file.seek(_codestream(file))
    main = file.read(2**16)
    if main[:4] != b"\xff\x4f\xff\x51" or len(main) < 40:
        raise Refused("a JPEG 2000 file without an image")
    width, height, _, _, across, down, left, top = struct.unpack_from(">8I", main, 8)
    tiles = -(-(width - left) // max(across, 1)) * -(-(height - top) // max(down, 1))
    if tiles > MOST_TILES:
        raise Refused(f"a JPEG 2000 image of {tiles} tiles, more than {MOST_TILES}")
    styles = main.find(b"\xff\x52", 40)
    layers = int.from_bytes(main[styles + 6 : styles + 8], "big") if styles > 0 else 0
    if layers > MOST_LAYERS:
        raise Refused(f"a JPEG 2000 image of {layers} layers, more than {MOST_LAYERS}")


def _codestream(file: BinaryIO) -> int:
    """Where the codestream starts: in the box ``jp2c`` (ISO 15444-1, I.4), or at once."""
    place = 0
    for _ in range(1000):
        file.seek(place)
        head = file.read(16)
        size, header = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        if head[4:8] == b"jp2c":
            return place + header
        if len(head) < 16 or size < header:
            break
        place += size
    return 0


def _check_ppm(start: bytes) -> None:
    """Netpbm: numbers and comments, which Pillow reads byte by byte."""
    numbers = re.sub(rb"#[^\r\n]*[\r\n]", b" ", start[2:]).split(None, 3)
    if len(start) > MOST_HEADER and (len(numbers) < 3 or not all(number.isdigit() for number in numbers[:2])):
        raise Refused(f"a PPM header of more than {MOST_HEADER} bytes")


def _check_webp(start: bytes, file: BinaryIO, max_megapixels: float) -> None:
    """WebP container: the size of the canvas, which Pillow reserves before it can be asked."""
    kind, width, height = start[12:16], 0, 0
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(start[i : i + 3], "little") for i in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(start[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (int.from_bytes(start[i : i + 2], "little") & 0x3FFF for i in (26, 28))
    if width * height > max_megapixels * 1e6:
        raise Refused(f"{width} x {height} pixels, more than {max_megapixels:g} megapixels")
    _check_size(file)


def _check_size(file: BinaryIO) -> None:
    if (size := file.seek(0, 2)) > MOST_COMPRESSED:
        raise Refused(f"{size} compressed bytes, more than {MOST_COMPRESSED}")
