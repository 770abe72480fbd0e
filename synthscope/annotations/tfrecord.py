"""Read TFRecord files of ``tf.train.Example`` without TensorFlow: framing, protocol buffers, serialised tensors.

Lengths are checked against their checksum and against what is there before anything is read; the checksums of the
records themselves are not computed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthscope.errors import SynthscopeError

MAX_RECORD = 2**27
_EMPTY = memoryview(b"")
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 9: "<i8", 19: "<f2"}  # tensorflow/core/framework/types.proto


def record_offsets(path: str | Path) -> Iterator[int]:
    """Byte offset of every record of a file, in order."""
    size, offset = Path(path).stat().st_size, 0
    with Path(path).open("rb") as file:
        while offset < size:
            file.seek(offset)
            length = _length(file.read(12), path)
            yield offset
            offset += 12 + length + 4
    if offset > size:
        raise _truncated(path)


def read_record(path: str | Path, offset: int) -> bytes:
    """The bytes of the record at ``offset``."""
    try:
        with Path(path).open("rb") as file:
            file.seek(offset)
            length = _length(file.read(12), path)
            data = file.read(length)
    except OSError as error:
        raise SynthscopeError(f"Expected a TFRecord file at {path}, got: {error.strerror}. Check the path.") from error
    if len(data) < length:
        raise _truncated(path)
    return data


def parse_example(record: bytes) -> dict[str, list[Any]]:
    """Features of a serialised ``tf.train.Example``: name to its bytes, floats or integers."""
    features: dict[str, list[Any]] = {}
    for _, body in _fields(memoryview(record), 1):
        for _, entry in _fields(body, 1):
            parts = dict(_fields(entry))
            features[bytes(_block(parts.get(1, _EMPTY))).decode("utf-8", "replace")] = _values(parts.get(2, _EMPTY))
    return features


def parse_tensor(data: bytes, where: str) -> NDArray[Any]:
    """Array of a serialised ``TensorProto`` (``tf.io.serialize_tensor``) that stores its values in one block."""
    parts = dict(_fields(memoryview(data)))
    dtype = _DTYPES.get(parts.get(1, 0))
    sizes = [dict(_fields(dim)).get(1, 0) for _, dim in _fields(parts.get(2, _EMPTY), 2)]
    content = _block(parts.get(4, _EMPTY))
    sound = dtype is not None and all(isinstance(size, int) and 0 < size <= MAX_RECORD for size in sizes)
    if not sound or len(content) != np.dtype(dtype).itemsize * prod(sizes):
        raise SynthscopeError(
            f"Expected a serialised tensor in {where}, got {len(data)} bytes of type {parts.get(1)} and shape {sizes}. "
            "Save the map as .npy."
        )
    return np.frombuffer(content, dtype).reshape(sizes)


def _values(feature: memoryview) -> list[Any]:
    """Values of a ``Feature``: bytes_list = 1, float_list = 2, int64_list = 3; numbers packed or one by one."""
    values: list[Any] = []
    for kind, body in _fields(feature):
        for _, value in _fields(body, 1):
            if kind == 1:
                values.append(bytes(_block(value)))
            elif kind == 2:
                floats = _block(value)
                values += np.frombuffer(floats[: len(floats) // 4 * 4], "<f4").tolist()
            elif isinstance(value, int):
                values.append(value)
            else:
                at = 0
                while at < len(value):
                    number, at = _varint(value, at)
                    values.append(number)
    return values


def _block(value: int | memoryview) -> memoryview:
    """A value that must be bytes: text, or a message within a message."""
    if isinstance(value, int):
        raise SynthscopeError("Expected a tf.Example, got a number where a message belongs. Check the file.")
    return value


def _fields(message: int | memoryview, only: int | None = None) -> Iterator[tuple[int, Any]]:
    """Field numbers and values of a message: integers for varints, views for everything else."""
    data, at = _block(message), 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        value: Any
        if wire == 0:
            value, at = _varint(data, at)
        elif wire in (1, 2, 5):
            length, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            if length > len(data) - at:
                raise SynthscopeError("Expected a whole protocol buffer, got a truncated one. Fetch the file again.")
            value, at = data[at : at + length], at + length
        else:
            raise SynthscopeError(f"Expected a protocol buffer, got wire type {wire}. Check that it is a tf.Example.")
        if only in (None, number):
            yield number, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise SynthscopeError("Expected a whole protocol buffer, got a broken number. Fetch the file again.")


def _length(header: bytes, path: str | Path) -> int:
    if len(header) < 12:
        raise _truncated(path)
    length, checksum = struct.unpack("<QI", header)
    if masked_crc32c(header[:8]) != checksum or length > MAX_RECORD:
        raise SynthscopeError(f"Expected a TFRecord file at {path}, got something else. Decompress or fetch it again.")
    return int(length)


def masked_crc32c(data: bytes) -> int:
    """TFRecord's checksum: CRC-32C, rotated right by 15 bits, plus a constant.

    >>> hex(masked_crc32c(b"123456789"))
    '0xc78ab0e5'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _truncated(path: str | Path) -> SynthscopeError:
    return SynthscopeError(f"Expected whole records in {path}, got a truncated file. Fetch it again.")
