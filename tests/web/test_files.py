"""Hostile files through the process that decodes them: an answer each, and it lives on."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from synthscope.inspection.examine import Examined, examine
from synthscope.web.limits import Limits
from synthscope.web.worker import Worker
from tests.inspection.conftest import scene
from tests.web.conftest import encoded

SCRIPT = "<script>alert(1)</script>"
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    one = Worker(Limits(examine_seconds=120), examine)
    yield one
    one.kill()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    made = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def bomb(side: int) -> bytes:
    """A small PNG of ``side`` x ``side`` black pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(min(side, 20_000))) + packer.flush()
    return png((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))


def with_text(count: int, text: str) -> bytes:
    told = PngInfo()
    for number in range(count):
        told.add_text(f"Comment{number}", text)
    file = BytesIO()
    Image.fromarray(scene(0)).save(file, "PNG", pnginfo=told)
    return file.getvalue()


def with_exif(text: str) -> bytes:
    exif = Image.Exif()
    for tag in (0x010E, 0x010F, 0x0110, 0x0131, 0x013B):  # description, make, model, software, artist
        exif[tag] = text
    return encoded(exif=exif)


UNREADABLE = {
    "truncated in the header": encoded()[:20],
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "a page": f"<!DOCTYPE html>{SCRIPT}".encode(),
    "a bomb": bomb(30_000),
    "a side of four thousand million": png((b"IHDR", struct.pack(">IIBBBBB", 2**32 - 1, 1, 8, 0, 0, 0, 0))),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
    "a PDF": b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>>>endobj",
    "nothing but its signature": b"\x89PNG\r\n\x1a\n",
}
READABLE = {
    "a page behind a JPEG": encoded() + f"<html>{SCRIPT}</html>".encode(),
    "an archive behind a PNG": encoded(0, "PNG") + b"PK\x03\x04" + bytes(1000),
    "10,000 texts": with_text(10_000, "x"),
    "script in texts": with_text(3, SCRIPT),
    "script in EXIF": with_exif(SCRIPT),
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_told(worker: Worker, data: bytes) -> None:
    examined = worker.examine(data, "holiday.jpg")
    assert examined.rgb is None
    (check,) = examined.scope
    assert check.rule == "readable" and check.applies and "holiday.jpg" in check.sentence


@pytest.mark.parametrize("data", READABLE.values(), ids=READABLE)
def test_what_can_be_read_is(worker: Worker, data: bytes) -> None:
    assert worker.examine(data, "holiday.jpg").rgb is not None


def test_a_name_is_no_path(worker: Worker) -> None:
    for name in ("../../etc/passwd", "C:\\folder\\a.jpg", "/", "", "\0", "a" * 5000):
        assert worker.examine(encoded(), name).file.name.count("/") == 0


@given(
    kind=st.sampled_from(KINDS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=12),
    end=st.floats(0.05, 1),
)
@settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_never_stop_it(worker: Worker, kind: str, changes: list[tuple[float, bytes]], end: float) -> None:
    data = bytearray(FILES[kind])
    for place, new in changes:
        start = int(place * (len(data) - 1))
        data[start : start + len(new)] = new
    process = worker._process.pid
    examined = worker.examine(bytes(data[: int(end * len(data)) + 1]), "a.jpg")
    assert isinstance(examined, Examined)
    assert (examined.rgb is None) == any(check.rule == "readable" for check in examined.scope)
    assert worker._process.pid == process


FILES = {kind: encoded(0, kind) for kind in KINDS} | {"JPEG": with_exif("a camera"), "PNG": with_text(4, "a prompt")}
