"""A canvas with a theme, and marks that screens, pages and diagrams share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral", "STIXGeneralBol", "cmr10")


class Sheet:
    """A canvas with a theme."""

    def __init__(self, rng: Generator, photographs: Sequence[Image.Image], low: int = 480, high: int = 2000) -> None:
        self.rng, self.photographs = rng, photographs
        self.width, self.height = (int(side) for side in rng.integers(low, high, 2))
        dark = rng.random() < 0.3
        paper = int(rng.integers(0, 50)) if dark else int(rng.choice([255, 255, int(rng.integers(235, 256))]))
        ink = int(rng.integers(180, 256)) if dark else int(rng.integers(0, 90))
        self.paper, self.ink = (paper,) * 3, (ink,) * 3
        self.panel: Colour = self.between(0.08 + 0.1 * rng.random())
        self.accent = self.colour()
        self.scale = float(rng.uniform(0.8, 2.0))
        self.image = Image.new("RGB", (self.width, self.height), self.paper)
        self.pen = ImageDraw.Draw(self.image)

    def px(self, length: float) -> int:
        """Pixels of a length at the scale of this screen."""
        return max(1, round(length * self.scale))

    def colour(self) -> Colour:
        """Any."""
        red, green, blue = (int(value) for value in self.rng.integers(0, 256, 3))
        return red, green, blue

    def between(self, share: float) -> Colour:
        """From paper to ink."""
        value = round(self.paper[0] + share * (self.ink[0] - self.paper[0]))
        return value, value, value

    def font(self, size: float, *families: str) -> ImageFont.FreeTypeFont:
        """Of ``size`` at the scale of this screen, of one of ``families``."""
        return _font(str(self.rng.choice(families or FONTS)), self.px(size))

    def box(self, x: int, y: int, w: int, h: int, fill: Colour, *, outline: bool = False) -> None:
        """A rectangle, in some with round corners."""
        if w > 1 and h > 1:
            radius = self.px(6) if self.rng.random() < 0.4 else 0
            line = self.between(0.25) if outline else None
            self.pen.rounded_rectangle((x, y, x + w - 1, y + h - 1), min(radius, w // 2, h // 2), fill, line)

    def write(self, x: int, y: int, w: int, h: int, font: ImageFont.FreeTypeFont, fill: Colour, ragged: float) -> None:
        """Lines of words in a box; ``ragged`` is the share of lines that end early."""
        step = round(font.size * 1.35)
        for top in range(y, y + h - step, step):
            end = x + (w * self.rng.uniform(0.3, 1) if self.rng.random() < ragged else w)
            self.pen.text((x, top), words(self.rng, font, end - x), fill, font)

    def photo(self, x: int, y: int, w: int, h: int) -> None:
        """A photograph that fills a box."""
        if w < 8 or h < 8:
            return
        if self.photographs:
            source = self.photographs[int(self.rng.integers(len(self.photographs)))]
        else:
            coarse = self.rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
            grain = self.rng.normal(0, 4, (h, w, 1))
            smooth = np.asarray(Image.fromarray(coarse).resize((w, h), Image.Resampling.BICUBIC))
            source = Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))
        self.image.paste(source.convert("RGB").resize((w, h), Image.Resampling.BICUBIC), (x, y))


@cache
def _font(family: str, size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{family}.ttf")), size)


def words(rng: Generator, font: ImageFont.FreeTypeFont, width: float) -> str:
    """Random words that fill about ``width`` pixels."""
    room, line = max(1, int(width / font.size * 2.0)), ""
    while len(line) < room:
        line += "".join(rng.choice(list("aaabcdeeeefghiiklmnnooprsstttuvwyz"), int(rng.integers(2, 9)))) + " "
    line = line[:room].strip()
    return line.capitalize() if rng.random() < 0.3 else line
