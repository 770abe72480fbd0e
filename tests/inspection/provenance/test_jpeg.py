"""JPEG: tables of encoders that are here, told apart or grouped where they are alike; and earlier compressions."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, JpegPresets

from synthscope.inspection.provenance import find_provenance
from synthscope.inspection.provenance.containers import read_parts
from synthscope.inspection.provenance.jpeg import read_layout
from synthscope.inspection.provenance.jpeg_tables import families
from tests.inspection.provenance import files

RGB = files.pixels(64, 96)


def by_opencv(quality: int, **options: int) -> bytes:
    names = {"optimize": cv2.IMWRITE_JPEG_OPTIMIZE, "progressive": cv2.IMWRITE_JPEG_PROGRESSIVE}
    given = [cv2.IMWRITE_JPEG_QUALITY, quality, *(x for name, value in options.items() for x in (names[name], value))]
    return cv2.imencode(".jpg", RGB[..., ::-1], given)[1].tobytes()


def by_simplejpeg(quality: int) -> bytes:
    simplejpeg = pytest.importorskip("simplejpeg", reason="simplejpeg is not installed")
    return simplejpeg.encode_jpeg(np.ascontiguousarray(RGB), quality)


def by_imagecodecs(quality: int) -> bytes:
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs is not installed")
    return bytes(imagecodecs.jpeg8_encode(RGB, quality))


def by_vips(quality: int, **options: Any) -> bytes:
    try:
        import pyvips
    except (ImportError, OSError):
        pytest.skip("pyvips is not installed")
    return pyvips.Image.new_from_array(RGB).jpegsave_buffer(Q=quality, **options)


def by_ffmpeg(scale: int) -> bytes:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is not installed")
    call = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "image2pipe", "-i", "-", "-q:v", str(scale)]
    return subprocess.run(
        [*call, "-f", "image2pipe", "-c:v", "mjpeg", "-"], input=files.png(rgb=RGB), stdout=subprocess.PIPE, check=True
    ).stdout


def pillow(**options: Any) -> bytes:
    return files.jpeg(RGB, **options)


def moz(quality: int) -> bytes:
    return by_vips(quality, quant_table=3, interlace=True, optimize_coding=True)


# What made the file -> the file, the tables that it has, who is named as its writer
MADE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "Pillow": (lambda: pillow(quality=83), "libjpeg, quality 83", "Pillow, OpenCV, imagecodecs, cjpeg"),
    "OpenCV": (lambda: by_opencv(83), "libjpeg, quality 83", "Pillow, OpenCV, imagecodecs, cjpeg"),
    "imagecodecs": (lambda: by_imagecodecs(83), "libjpeg, quality 83", "Pillow, OpenCV, imagecodecs, cjpeg"),
    "Pillow optimised": (lambda: pillow(optimize=True), "libjpeg, quality 75", "Pillow (optimize), OpenCV (optimize)"),
    "OpenCV optimised": (
        lambda: by_opencv(75, optimize=1), "libjpeg, quality 75", "Pillow (optimize), OpenCV (optimize)",
    ),
    "Pillow progressive": (
        lambda: pillow(quality=60, progressive=True), "libjpeg, quality 60",
        "Pillow (progressive), cjpeg (-progressive)",
    ),
    "simplejpeg": (lambda: by_simplejpeg(83), "libjpeg, quality 83", "simplejpeg, Pillow (subsampling=0)"),
    "libvips 75": (lambda: by_vips(75), "libjpeg, quality 75", "libvips below quality 90"),
    "libvips 92": (lambda: by_vips(92), "libjpeg, quality 92", "libvips from quality 90 on"),
    "libvips as mozjpeg": (lambda: moz(80), "mozjpeg 3, quality 80", "libvips with mozjpeg's settings"),
    "FFmpeg": (lambda: by_ffmpeg(5), "FFmpeg, quality scale 5", "FFmpeg"),
    "Photoshop's tables": (lambda: pillow(quality="web_high"), "Photoshop, preset web high", ""),
    "own tables": (lambda: pillow(qtables=[list(range(1, 65)), [7] * 64]), "of no encoder known here", ""),
}  # fmt: skip


def detail_of(data: bytes) -> dict[str, str]:
    return next(finding.detail for finding in find_provenance(data) if finding.source == "JPEG")


@pytest.mark.parametrize("encoder", MADE)
def test_encoders_are_told_apart_or_grouped(encoder: str) -> None:
    make, tables, writers = MADE[encoder]
    detail = detail_of(make())
    assert (detail["tables"], detail.get("known writers by default", "")) == (tables, writers)


def test_words_of_programs_are_told_as_they_stand() -> None:
    assert detail_of(pillow(comment=b"CREATOR: gd-jpeg v1.0"))["comment"] == "CREATOR: gd-jpeg v1.0"
    assert detail_of(by_ffmpeg(3))["comment"].startswith("Lavc")
    ducky = b"\xff\xec\x00\x0fDucky\0\1\0\4\0\0\0\x3c"
    assert detail_of(pillow()[:2] + ducky + pillow()[2:])["quality by Photoshop's Save for Web"] == "60"


@pytest.mark.parametrize("table", range(9))
@pytest.mark.parametrize("quality", [10, 37, 75, 93])
def test_the_tables_of_mozjpeg_are_those_that_libvips_writes(table: int, quality: int) -> None:
    name = f"mozjpeg {table}" if table else "libjpeg"
    tables, _ = read_layout(read_parts(by_vips(quality, quant_table=table)))
    assert (name, f"quality {quality}") in families(tables)


def test_the_tables_of_libjpeg_are_those_that_pillow_writes_at_every_quality() -> None:
    for quality in range(1, 101):
        tables, layout = read_layout(read_parts(pillow(quality=quality)))
        assert ("libjpeg", f"quality {quality}") in families(tables), quality
        with Image.open(BytesIO(pillow(quality=quality))) as image:
            assert list(tables[0]) == image.quantization[0]
        assert layout.sampling == "4:2:0"


def test_the_tables_of_photoshop_are_told_apart() -> None:
    for name in JpegPresets.presets:
        tables, _ = read_layout(read_parts(pillow(quality=name)))
        assert families(tables) == (("Photoshop", f"preset {name.replace('_', ' ')}"),), name


def test_tables_of_ones_belong_to_many() -> None:
    assert len(families(((1,) * 64, (1,) * 64))) >= 9


def texture(seed: int, size: int = 256) -> Image.Image:
    """Noise whose spectrum falls as that of photographs, with colours."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij")) + 1 / size
    planes = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) / frequency**1.2) for _ in range(3)]
    mixed = np.stack(planes, -1) @ np.array([[1, 1, 1], [0.2, 0, -0.2], [-0.1, 0.2, -0.1]])
    return Image.fromarray(np.clip(128 + 35 * mixed / mixed.std(), 0, 255).astype(np.uint8))


def compressed(image: Image.Image, *qualities: int) -> bytes:
    data = b""
    for quality in qualities:
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        data = file.getvalue()
        image = Image.open(BytesIO(data)).convert("RGB")
    return data


def said(data: bytes) -> str:
    return [finding.claim for finding in find_provenance(data) if finding.source == "JPEG"][1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("earlier", "last"), [(60, 90), (75, 95), (80, 92), (50, 75)])
def test_a_second_compression_is_found_with_the_quality_of_the_first(seed: int, earlier: int, last: int) -> None:
    words = said(compressed(texture(seed), earlier, last))
    quality = re.search(r"at least twice: before, at about quality (\d+) of libjpeg", words)
    assert quality and abs(int(quality[1]) - earlier) <= 2 and "%" in words


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("quality", [60, 75, 90, 96])
def test_one_compression_is_not_called_two(seed: int, quality: int) -> None:
    assert "No earlier compression found" in said(compressed(texture(seed), quality))


def test_the_same_tables_twice_leave_no_trace() -> None:
    assert "No earlier compression found" in said(compressed(texture(0), 85, 85))


def test_pictures_with_nothing_to_judge_by_are_not_judged() -> None:
    for image in (Image.new("RGB", (256, 256), "white"), Image.new("RGB", (16, 16)), Image.new("L", (8, 8))):
        assert len([finding for finding in find_provenance(compressed(image, 90)) if finding.source == "JPEG"]) == 1


@settings(max_examples=20)
@given(st.integers(0, 5), st.integers(2, 12))
def test_cropping_whole_blocks_off_the_file_changes_little(seed: int, blocks: int) -> None:
    """The grid stays: what was compressed twice stays so."""
    image = Image.open(BytesIO(compressed(texture(seed), 60))).convert("RGB").crop((8 * blocks, 16, 256, 256))
    assert "at least twice" in said(compressed(image, 92))


def test_real_photographs_have_readable_tables() -> None:
    folder = Path("../shared/images")
    if not folder.is_dir():
        pytest.skip("../shared/images is not there")
    found = [detail_of(path.read_bytes())["tables"] for path in sorted(folder.glob("*/val/nature/*"))[::20]]
    assert sum(each.startswith("libjpeg") for each in found) > len(found) / 2
