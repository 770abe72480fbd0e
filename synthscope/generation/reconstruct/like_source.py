"""Made pixels in the container of the image they were made from, so that a pair differs in its pixels alone.

What a container does not say of how it was written (Huffman tables, effort of deflate) is what brings the source's own
pixels nearest to the size of its file; the quality of WebP, what brings them to its quantiser.

A fake like a JPEG file is compressed once, as the photograph was. What is left of the source's own compression depends
on the decoder: one that hands pixels through leaves blocks that stand still under JPEG, as only a second compression
does; see docs/aligned_fakes.md for what `data audit` makes of that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from synthscope.data.decode import as_stored, orientation
from synthscope.data.degrade.jpeg import PILLOW_SAMPLING
from synthscope.data.images import opened, read_rgb
from synthscope.data.jpeg_header import SAMPLING
from synthscope.errors import SynthscopeError
from synthscope.generation.reconstruct.webp import frame_of, quantiser

if TYPE_CHECKING:
    from PIL import Image

_LEVELS = (1, 6, 9)  # of deflate: fast, default, best
_MARKERS = {f"APP{number}": 0xE0 + number for number in range(16)} | {"COM": 0xFE}
_FALSE = (b"MPF\0", b"JP")  # an index of pictures that are not there, and a signature of other pixels (C2PA)
_Encode = Callable[..., bytes]  # (pixels as they are stored, **how) -> file
_Choose = Callable[[Callable[..., bytes]], dict[str, Any]]  # (how -> the source's pixels as a file) -> how


def save_like(rgb: np.ndarray, source: bytes, *, name: str | Path = "the given bytes") -> bytes:
    """Pixels as a file that says of itself what its source does.

    JPEG: quantisation tables, chroma subsampling, progressive or not, colours, and all application segments but C2PA
    signatures and indices of further pictures. PNG and WebP: mode, EXIF, colour profile, with or without loss. Pixels
    are turned to where the source's EXIF orientation turns them back.

    Args:
        rgb: uint8 ``(H, W, 3)``, upright, of the source's size.
        source: Its file.
        name: What errors call it.

    Raises:
        UnreadableImageError: The source is no image.
        SynthscopeError: Pixels of another size, or a container that cannot be written again; names the source.
    """
    shown = read_rgb(source, name=name)
    if shown.shape != rgb.shape:
        raise SynthscopeError(
            f"Expected pixels of {shown.shape[1]} x {shown.shape[0]} as in {name}, got {rgb.shape[1]} x "
            f"{rgb.shape[0]}. Make them at the size of their source, or leave out --like-source."
        )
    with opened(source) as image:
        known = _ways(image, source)
        if isinstance(known, str):
            raise SynthscopeError(
                f"Expected a JPEG, PNG or WebP source to save alike, got {known} in {name}. Convert the source, or "
                "leave out --like-source."
            )
        encode, choose = known
        turn = orientation(image)
        own, made = (_in_mode(as_stored(pixels, turn), image) for pixels in (shown, rgb))
    return encode(made, **choose(partial(encode, own)))


def _ways(image: Image.Image, source: bytes) -> tuple[_Encode, _Choose] | str:
    """How to write such a file, and how to find the rest by the source's size; or what it is that cannot be written."""
    if image.format == "JPEG":
        return _jpeg(image, source)
    if image.format not in ("PNG", "WEBP"):
        return f"a file of the format {image.format}"
    deep = image.format == "PNG" and source[24] > 8  # bits of a channel, in the header's chunk
    if deep or image.mode not in ("L", "LA", "RGB", "RGBA"):
        return f"{image.format} pixels of the mode {image.mode} or of 16 bits"
    if image.mode in ("LA", "RGBA") and np.asarray(image.getchannel("A")).min() < 255:
        return "transparent pixels"
    if image.has_transparency_data and image.mode in ("L", "RGB"):
        return "a transparent colour"
    kept = {key: image.info[key] for key in ("exif", "icc_profile", "xmp") if image.info.get(key)}
    write = partial(_save, container=image.format, **kept)
    if image.format == "PNG":
        return write, partial(_nearest, len(source), [{"compress_level": level} for level in _LEVELS])
    if (frame := frame_of(source)) is None:
        return "an animation"
    if frame[0] == "VP8L":
        return partial(write, lossless=True), lambda encode: {}
    return write, partial(_as_coarse, quantiser(frame[1]))


def _jpeg(image: Image.Image, source: bytes) -> tuple[_Encode, _Choose] | str:
    from PIL.JpegImagePlugin import JpegImageFile

    assert isinstance(image, JpegImageFile)
    layers = cast(list[tuple[int, int, int, int]], image.layer)  # number, factors across and down, table
    tables = [list(image.quantization[table]) for *_, table in layers]
    how: dict[str, Any] = {"progressive": bool(image.info.get("progressive"))}
    if image.mode == "RGB":
        sampling = SAMPLING.get(tuple(factor for _, *factors, _ in layers for factor in factors))
        if sampling is None or tables[1] != tables[2]:
            return "a JPEG of an unusual chroma subsampling or of three tables"
        how["subsampling"] = PILLOW_SAMPLING[sampling]
        how["keep_rgb"] = image.info.get("adobe_transform") == 0 or [layer[0] for layer in layers] == list(b"RGB")
    elif image.mode != "L":
        return f"a JPEG of the colours {image.mode}"
    how["qtables"] = tables[:2] if len({layer[3] for layer in layers}) > 1 else tables[:1]
    kept = [(name, data) for name, data in image.applist if not data.startswith(_FALSE)]

    def write(pixels: Image.Image, **more: Any) -> bytes:
        return _with_segments(_save(pixels, container="JPEG", **how, **more), kept)

    ways: list[dict[str, Any]] = [{"optimize": False}, {"optimize": True}]
    return write, partial(_nearest, len(source), ways[how["progressive"] :])


def _nearest(size: int, ways: list[dict[str, Any]], encode: Callable[..., bytes]) -> dict[str, Any]:
    """The way that comes nearest to a size in bytes."""
    return min(ways, key=lambda way: abs(len(encode(**way)) - size)) if len(ways) > 1 else ways[0]


def _as_coarse(wanted: int, encode: Callable[..., bytes]) -> dict[str, Any]:
    """The least quality of WebP whose quantiser is no coarser than the one that is wanted."""

    def finer(quality: int) -> int:
        frame = frame_of(encode(quality=quality))
        return -quantiser(frame[1]) if frame else 0

    return {"quality": min(bisect_left(range(101), -wanted, key=finer), 100)}


def _save(pixels: Image.Image, *, container: str, **how: Any) -> bytes:
    file = BytesIO()
    pixels.save(file, container, **how)
    return file.getvalue()


def _in_mode(pixels: np.ndarray, like: Image.Image) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels)).convert(like.mode)


def _with_segments(encoded: bytes, segments: list[tuple[str, bytes]]) -> bytes:
    """A JPEG file with these application segments and comments in place of its own."""
    start = 2
    while encoded[start + 1] in _MARKERS.values():
        start += 2 + int.from_bytes(encoded[start + 2 : start + 4], "big")
    written = b"".join(
        bytes((0xFF, _MARKERS[name])) + (len(data) + 2).to_bytes(2, "big") + data for name, data in segments
    )
    return encoded[:2] + written + encoded[start:]
