"""How coarsely a WebP file was quantised, read from the header of its VP8 frame (RFC 6386, sections 7, 9 and 19.2)."""

from __future__ import annotations

from collections.abc import Iterator


def frame_of(data: bytes) -> tuple[str, bytes] | None:
    """The picture of a WebP file: ``"VP8 "`` (with loss) or ``"VP8L"``, and its chunk; None of an animation."""
    place = 12
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if name in (b"VP8 ", b"VP8L"):
            return name.decode(), data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    return None


def quantiser(frame: bytes) -> int:
    """The index of the base quantiser of a ``"VP8 "`` chunk, 0 (finest) to 127."""
    bits = _bits(frame[10:])  # behind the tag, the start code and the size

    def number(count: int) -> int:
        value = 0
        for _ in range(count):
            value = 2 * value + next(bits)
        return value

    def skip(count: int, width: int) -> None:
        """Numbers that are there if a bit before them says so."""
        for _ in range(count):
            if number(1):
                number(width)

    number(2)  # colour space, clamping
    if number(1):  # segments
        map_changes, data_changes = number(1), number(1)
        if data_changes:
            number(1)
            skip(4, 8)  # quantisers of segments, with signs
            skip(4, 7)  # strengths of their filters
        if map_changes:
            skip(3, 8)
    number(10)  # filter
    if number(1) and number(1):
        skip(8, 7)  # its changes by kind of block
    number(2)  # partitions
    return number(7)


def _bits(data: bytes) -> Iterator[int]:
    """Bits of the arithmetic decoder that are as likely 0 as 1; zeros behind the end."""
    value, span, shifts, place = int.from_bytes(data[:2].ljust(2, b"\0"), "big"), 255, 0, 2
    while True:
        split = 1 + ((span - 1) * 128 >> 8)
        bit = int(value >= split << 8)
        span, value = (span - split, value - (split << 8)) if bit else (split, value)
        while span < 128:
            value, span, shifts = value << 1, span << 1, shifts + 1
            if shifts == 8:
                value, shifts, place = value | (data[place] if place < len(data) else 0), 0, place + 1
        yield bit
