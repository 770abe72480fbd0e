"""Pictures of where a detector looks: the image, what people marked in it, the heatmap, and both over each other.

Heatmaps are stretched to their own range here and nowhere else, so colours compare places within one map, never two
maps. Negative relevance, evidence against AI, is drawn where the explainer gives some on purpose; measures count none.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

import matplotlib
import numpy as np
from numpy.typing import NDArray

from synthscope.annotations.taxonomy import BY_LABEL, CATEGORIES

RGB = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

SIDE = 208  # longest side of a tile, in pixels
TILES = {
    "image": "Image",
    "annotation": "Annotated artifacts",
    "heatmap": "Heatmap",
    "both": "Heatmap and outlines",
}
MAP = "inferno"  # perceptually uniform, legible with every kind of colour blindness
SIGNED_MAP = "managua_r"  # the same of both sides, dark where nothing speaks for either: blue for real, orange for AI
OTHER = "#FFFFFF"  # regions without a category of the taxonomy
_OKABE_ITO = ("#E69F00", "#56B4E9", "#CC79A7", "#F0E442", "#D55E00", "#009E73", "#0072B2")
CATEGORY_COLOURS = {category.label: colour for category, colour in zip(CATEGORIES, _OKABE_ITO, strict=True)}
FILL, PALE, DARK, LIGHT = 0.3, 0.55, (20, 20, 20), (255, 255, 255)


class Region(NamedTuple):
    """What people marked with one category; ``category`` is None outside the taxonomy."""

    category: str | None
    mask: Mask  # (H, W)


class Panel(NamedTuple):
    """One image as one detector sees it."""

    title: str
    rgb: RGB  # (H, W, 3)
    heat: Floats | None  # (H, W), raw
    window: tuple[slice, slice] | None  # rows and columns that the detector sees; None = all
    regions: Sequence[Region]
    numbers: str = ""  # printed below
    signed: bool = False  # negative relevance is evidence against AI


def relative(heat: Floats, *, signed: bool = False) -> Floats:
    """A heatmap clipped at 0 and stretched from its least to its greatest value to 0..1; constant maps become 0.

    With ``signed``, it is divided by its greatest absolute value, to -1..1: 0 stays 0.

    >>> relative(np.array([[-3.0, 0.0, 2.0, 4.0]], np.float32)).tolist()
    [[0.0, 0.0, 0.5, 1.0]]
    """
    shown = heat if signed else np.maximum(heat, 0)
    low, high = (0.0, float(np.abs(shown).max())) if signed else (float(shown.min()), float(shown.max()))
    return ((shown - low) / (high - low)).astype(np.float32) if high > low else np.zeros_like(shown)


def overlay(rgb: RGB, heat: Floats | None, regions: Sequence[Region], *, signed: bool = False) -> RGB:
    """The grey image under a heatmap, with the outlines of the annotated regions in white.

    Args:
        rgb: uint8 ``(H, W, 3)``.
        heat: ``(H, W)``, raw; None leaves the image as it is.
        regions: Annotated regions, each with a mask ``(H, W)``.
        signed: Draw negative relevance, too.

    Returns:
        uint8 ``(H, W, 3)``.
    """
    drawn = rgb.copy() if heat is None else _heated(rgb, heat, signed=signed)
    for region in regions:
        _outline(drawn, region.mask, LIGHT, DARK)
    return drawn


def framed(rgb: RGB, window: tuple[slice, slice] | None) -> RGB:
    """The image with a frame around what the detector sees, and the rest paler; as it is where that is all."""
    inside = np.zeros(rgb.shape[:2], bool)
    inside[window or slice(None)] = True
    if inside.all():
        return rgb
    drawn = np.where(inside[..., None], rgb, PALE * 255 + (1 - PALE) * rgb).astype(np.uint8)
    _outline(drawn, inside, LIGHT, DARK)
    return drawn


def annotated(rgb: RGB, regions: Sequence[Region]) -> RGB:
    """The image with its annotated regions: outlined and lightly filled in the colour, marked with the number, of the
    category."""
    drawn = rgb.astype(np.float32)
    for region in regions:
        drawn[region.mask] = (1 - FILL) * drawn[region.mask] + FILL * np.array(colour_of(region.category), np.float32)
    out = drawn.round().astype(np.uint8)
    for region in regions:
        colour = colour_of(region.category)
        _outline(out, region.mask, colour, DARK if np.dot(colour, (0.2126, 0.7152, 0.0722)) > 110 else LIGHT)
    for region in regions:
        if region.category in BY_LABEL and region.mask.any():
            _number(out, region.mask, str(BY_LABEL[region.category].number))
    return out


def colour_of(category: str | None) -> tuple[int, int, int]:
    """Red, green and blue, 0..255, of a category."""
    code = CATEGORY_COLOURS.get(category or "", OTHER).lstrip("#")
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)


def category_name(category: str | None) -> str:
    """Number and name of a category as legends print it.

    >>> category_name("low-level-symbol"), category_name(None)
    ('4 Symbol', 'no category')
    """
    return f"{BY_LABEL[category].number} {BY_LABEL[category].name}" if category in BY_LABEL else "no category"


def fitted(panel: Panel, side: int = SIDE) -> Panel:
    """A panel whose arrays are ``side`` pixels on the longest side; no region gets lost by it."""
    import cv2

    height, width = panel.rgb.shape[:2]
    scale = side / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    smooth, plain = (cv2.INTER_AREA,) * 2 if scale < 1 else (cv2.INTER_CUBIC, cv2.INTER_NEAREST)

    def mask_of(mask: Mask) -> Mask:
        resized: Mask = np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=plain)) > 0
        return resized

    def scaled(part: slice) -> slice:
        start, stop = round(part.start * scale), round(part.stop * scale)
        return slice(start, max(stop, start + 1))

    heat = panel.heat
    if heat is not None:
        shown = heat if panel.signed else np.maximum(heat, 0)  # before it is averaged, as it is drawn
        heat = np.asarray(
            cv2.resize(shown, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.float32
        )
    return panel._replace(
        rgb=np.asarray(cv2.resize(panel.rgb, size, interpolation=smooth), np.uint8),
        heat=heat,
        window=panel.window and (scaled(panel.window[0]), scaled(panel.window[1])),
        regions=[Region(region.category, mask_of(region.mask)) for region in panel.regions],
    )


def zoomed(panel: Panel) -> Panel:
    """A panel cut to what the detector sees."""
    if panel.window is None:
        return panel
    return panel._replace(
        rgb=panel.rgb[panel.window],
        heat=None if panel.heat is None else panel.heat[panel.window],
        window=None,
        regions=[Region(region.category, region.mask[panel.window]) for region in panel.regions],
    )


def tiles(panel: Panel, side: int = SIDE) -> dict[str, RGB]:
    """The pictures of a panel, ``side`` pixels on the longest side, under the keys of ``TILES``.

    Image and annotation are whole, with a frame around what the detector sees; heatmaps are zoomed to it. Without
    regions there is no annotation, without a heatmap nothing but the image.
    """
    small, near = fitted(panel, side), fitted(zoomed(panel), side)
    found = {"image": framed(small.rgb, small.window)}
    if small.regions:
        found["annotation"] = framed(annotated(small.rgb, small.regions), small.window)
    if near.heat is not None:
        found["heatmap"] = overlay(near.rgb, near.heat, (), signed=panel.signed)
        if small.regions:
            found["both"] = overlay(near.rgb, near.heat, near.regions, signed=panel.signed)
    return found


def colour_bar(*, signed: bool = False) -> RGB:
    """The colours of a heatmap over mid grey, from its least to its greatest relevance; ``signed``: of both sides."""
    ramp = np.tile(np.linspace(-1 if signed else 0, 1, 160, dtype=np.float32), (10, 1))
    return _heated(np.full((*ramp.shape, 3), 128, np.uint8), ramp, signed=signed)


def tinted(heat: Floats, *, signed: bool = False) -> NDArray[np.uint8]:
    """The colours of a heatmap ``(H, W)`` with their opacity, uint8 ``(H, W, 4)`` RGBA, to lay over a picture."""
    return (255 * _colours(heat, signed=signed)).round().astype(np.uint8)


def transparent_png(heat: Floats, seen: Mask, side: int, *, signed: bool = False) -> bytes:
    """A heatmap as a PNG file to lay over its picture.

    Args:
        heat: ``(H, W)``, raw.
        seen: ``(H, W)``; transparent where it is False.
        side: Of the longest side, in pixels, at most.
        signed: Draw negative relevance, too.
    """
    import cv2
    from PIL import Image

    scale = min(1.0, side / max(heat.shape))
    size = max(1, round(heat.shape[1] * scale)), max(1, round(heat.shape[0] * scale))
    rgba = tinted(np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_AREA), np.float32), signed=signed)
    rgba[np.asarray(cv2.resize(seen.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)) == 0] = 0
    file = BytesIO()
    Image.fromarray(rgba).save(file, "PNG")
    return file.getvalue()


def _heated(rgb: RGB, heat: Floats, *, signed: bool) -> RGB:
    colours = _colours(heat, signed=signed)
    grey = (rgb @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    opacity = colours[..., 3:]
    return ((1 - opacity) * grey + opacity * 255 * colours[..., :3]).round().astype(np.uint8)


def _colours(heat: Floats, *, signed: bool) -> Floats:
    """Red, green, blue and opacity, float32 ``(H, W, 4)`` from 0 to 1."""
    values = relative(heat, signed=signed)
    colours = matplotlib.colormaps[SIGNED_MAP if signed else MAP]((values + 1) / 2 if signed else values)
    colours[..., 3] = 0.35 + 0.45 * np.abs(values)  # what is not relevant should stay recognisable
    return colours.astype(np.float32)


def _outline(rgb: RGB, mask: Mask, colour: tuple[int, int, int], casing: tuple[int, int, int]) -> None:
    import cv2

    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thickness = max(round(1.5 * max(rgb.shape) / SIDE), 1)
    cv2.drawContours(rgb, lines, -1, casing, thickness + 2)
    cv2.drawContours(rgb, lines, -1, colour, thickness)


def _number(rgb: RGB, mask: Mask, text: str) -> None:
    """Write a number where the region is widest, which lies inside it whatever its shape."""
    import cv2

    inside = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    size = max(rgb.shape) / 500
    for colour, thickness in ((DARK, 3), (LIGHT, 1)):
        place = int(x - 10 * size), int(y + 10 * size)
        cv2.putText(rgb, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thickness, cv2.LINE_AA)
