"""Pictures that no camera took and no generator of photographs made: screens, pages of text, charts, flat drawings.

They are drawn with the fonts that matplotlib brings; what is written on them means nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from synthscope.runtime import seed_for
from synthscope.sandbox.charts import chart
from synthscope.sandbox.sheet import FONTS, Sheet, words


def draw(kind: str, seed: int, photographs: Sequence[Image.Image] = ()) -> Image.Image:
    """One picture, the same for the same arguments.

    Args:
        kind: One of ``KINDS``.
        seed: Chooses size, colours, fonts and content.
        photographs: Shown in windows, pages and chats; without them, coloured noise is.

    Returns:
        RGB, 480 to 2,000 pixels a side.
    """
    rng = np.random.default_rng(seed_for(seed, kind))
    return KINDS[kind](rng, photographs)


def window(rng: Generator, photographs: Sequence[Image.Image]) -> Image.Image:
    """A program: title bar, toolbar, side bar, a list or a form."""
    s = Sheet(rng, photographs)
    bar, tools, side = s.px(28), s.px(36), s.px(150) if s.width > s.px(400) else 0
    s.box(0, 0, s.width, bar, s.between(0.2))
    s.pen.text((s.px(10), s.px(6)), words(rng, s.font(13), s.px(160)), s.ink, s.font(13))
    for i in range(3):
        s.pen.ellipse((s.width - s.px(20 + 22 * i), s.px(8), s.width - s.px(8 + 22 * i), s.px(20)), s.colour())
    s.box(0, bar, s.width, tools, s.panel)
    for x in range(s.px(8), s.width - s.px(60), s.px(44)):
        s.box(x, bar + s.px(5), s.px(26), s.px(26), s.accent if rng.random() < 0.3 else s.between(0.3))
    top = bar + tools
    s.pen.rectangle((0, top, side, s.height), s.panel)
    s.write(s.px(10), top + s.px(10), side - s.px(20), s.height - top, s.font(12, "DejaVuSans"), s.ink, 0.8)
    row, font = s.px(float(rng.uniform(22, 48))), s.font(13, "DejaVuSans", "DejaVuSansMono")
    lines = rng.random() < 0.6
    for i, y in enumerate(range(top + s.px(4), s.height - row, row)):
        if i % 2 and rng.random() < 0.9:
            s.pen.rectangle((side + 1, y, s.width, y + row - 1), s.between(0.05))
        if lines:
            s.pen.line((side, y, s.width, y), s.between(0.18), s.px(1))
        for x in range(side + s.px(12), s.width - s.px(60), s.px(190)):
            s.pen.text((x, y + row // 5), words(rng, font, s.px(110)), s.ink, font)
    return s.image


def web_page(rng: Generator, photographs: Sequence[Image.Image]) -> Image.Image:
    """A header, a large photograph, cards with photographs and text."""
    s = Sheet(rng, photographs)
    head = s.px(56)
    s.box(0, 0, s.width, head, s.accent)
    for x in range(s.px(20), s.width - s.px(80), s.px(100)):
        s.pen.text((x, s.px(18)), words(rng, s.font(15), s.px(60)), s.paper, s.font(15))
    hero = int(s.height * rng.uniform(0.15, 0.55))
    s.photo(0, head, s.width, hero)
    y, columns, gap = head + hero + s.px(20), int(rng.integers(2, 5)), s.px(16)
    card = (s.width - gap) // columns - gap
    body, title = s.font(12, "DejaVuSans", "DejaVuSerif"), s.font(16, "DejaVuSans-Bold")
    while y < s.height:
        tall = round(card * rng.uniform(0.8, 1.3))
        for i in range(columns):
            x = gap + i * (card + gap)
            s.box(x, y, card, tall, s.panel, outline=True)
            s.photo(x + 2, y + 2, card - 4, tall // 2)
            s.pen.text((x + s.px(8), y + tall // 2 + s.px(6)), words(rng, title, card * 0.6), s.ink, title)
            s.write(x + s.px(8), y + tall // 2 + s.px(30), card - s.px(16), tall // 2 - s.px(70), body, s.ink, 0.3)
            s.box(x + s.px(8), y + tall - s.px(34), s.px(80), s.px(26), s.accent)
        y += tall + gap
    return s.image


def chat(rng: Generator, photographs: Sequence[Image.Image]) -> Image.Image:
    """A telephone's screen with bubbles, some with a photograph."""
    s = Sheet(rng, photographs)
    s.width, s.height = min(s.width, s.height), max(s.width, s.height)
    s.image = Image.new("RGB", (s.width, s.height), s.between(0.06))
    s.pen = ImageDraw.Draw(s.image)
    s.box(0, 0, s.width, s.px(60), s.accent)
    s.pen.ellipse((s.px(12), s.px(10), s.px(52), s.px(50)), s.colour())
    y, font = s.px(76), s.font(14, "DejaVuSans")
    while y < s.height - s.px(120):
        w, lines = int(s.width * rng.uniform(0.3, 0.75)), int(rng.integers(1, 6))
        mine, shows = rng.random() < 0.5, rng.random() < 0.2
        h = round(w * 0.7) if shows else round(lines * font.size * 1.35) + s.px(26)
        x = s.width - w - s.px(12) if mine else s.px(12)
        s.pen.rounded_rectangle((x, y, x + w, y + h), s.px(10), s.accent if mine else s.paper)
        if shows:
            s.photo(x + s.px(8), y + s.px(8), w - s.px(16), h - s.px(16))
        else:
            s.write(x + s.px(10), y + s.px(8), w - s.px(20), h - s.px(4), font, s.ink, 0.3)
        y += h + s.px(14)
    s.pen.rectangle((0, s.height - s.px(70), s.width, s.height), s.panel)
    s.box(s.px(14), s.height - s.px(56), s.width - s.px(90), s.px(42), s.paper, outline=True)
    return s.image


def code(rng: Generator, photographs: Sequence[Image.Image]) -> Image.Image:
    """An editor: tabs, line numbers, coloured words, a status bar."""
    s = Sheet(rng, photographs)
    font, tabs = s.font(13, "DejaVuSansMono"), s.px(34)
    s.pen.rectangle((0, 0, s.width, tabs), s.panel)
    for i in range(int(rng.integers(1, 5))):
        s.box(s.px(150) * i, s.px(4), s.px(148), tabs, s.paper if i == 0 else s.between(0.25))
        s.pen.text((s.px(150) * i + s.px(12), s.px(10)), words(rng, font, s.px(80)), s.ink, font)
    s.pen.rectangle((0, tabs, s.px(44), s.height), s.panel)
    colours, indent = [s.ink, s.accent, s.colour(), s.between(0.5)], 0
    for i, y in enumerate(range(tabs + s.px(6), s.height - s.px(28), round(font.size * 1.4))):
        s.pen.text((s.px(8), y), str(i + 1), s.between(0.4), font)
        indent = int(np.clip(indent + rng.integers(-1, 2), 0, 6))
        x: float = s.px(54 + 26 * indent)
        for _ in range(int(rng.integers(0, 7))):
            word = words(rng, font, s.px(float(rng.uniform(20, 90))))
            s.pen.text((x, y), word, colours[int(rng.integers(4))], font)
            x += font.getlength(word + " ")
    s.pen.rectangle((0, s.height - s.px(24), s.width, s.height), s.accent)
    return s.image


def text_page(rng: Generator, photographs: Sequence[Image.Image]) -> Image.Image:
    """A page of a book, a letter or a paper, in one to three columns."""
    s = Sheet(rng, photographs)
    font, margin = s.font(float(rng.uniform(10, 22)), *FONTS), s.px(float(rng.uniform(15, 70)))
    columns = int(rng.integers(1, 4)) if s.width > 900 else 1
    wide = (s.width - margin * (columns + 1)) // columns
    title = s.font(30)
    s.pen.text((margin, margin), words(rng, title, s.width * 0.5), s.ink, title)
    top = margin + s.px(50)
    for i in range(columns):
        y = top
        while y < s.height - margin:
            tall = min(round(font.size * 1.35 * int(rng.integers(3, 14))), s.height - margin - y)
            s.write(margin + i * (wide + margin), y, wide, tall, font, s.ink, 0.12)
            y += tall + s.px(float(rng.uniform(4, 16)))
    return s.image


def diagram(rng: Generator, photographs: Sequence[Image.Image]) -> Image.Image:
    """Boxes with names, joined by lines."""
    s = Sheet(rng, photographs)
    columns, rows = (int(n) for n in rng.integers(2, 6, 2))
    wide, tall, font = s.width // columns, s.height // rows, s.font(14)
    centres = [(int((i + 0.5) * wide), int((j + 0.5) * tall)) for i in range(columns) for j in range(rows)]
    for a, b in rng.integers(0, len(centres), (len(centres) * 2, 2)):
        s.pen.line((*centres[a], *centres[b]), s.ink, s.px(2))
    for x, y in centres:
        w, h = int(wide * rng.uniform(0.4, 0.8)), int(tall * rng.uniform(0.3, 0.7))
        shape = s.pen.ellipse if rng.random() < 0.3 else s.pen.rectangle
        shape((x - w // 2, y - h // 2, x + w // 2, y + h // 2), s.colour(), s.ink, s.px(2))
        s.pen.text((x - w // 4, y - font.size // 2), words(rng, font, w / 2), s.ink, font)
    return s.image


def blank(rng: Generator, photographs: Sequence[Image.Image]) -> Image.Image:
    """One colour with a little noise, and in some a few words."""
    s = Sheet(rng, photographs)
    noise = rng.normal(0, rng.uniform(0, 2), (s.height, s.width, 1))
    plain = np.asarray(s.colour()) * rng.uniform(0.5, 1) + noise
    s.image = Image.fromarray(plain.clip(0, 255).round().astype(np.uint8))
    if rng.random() < 0.5:
        font = s.font(12)
        ImageDraw.Draw(s.image).text((s.px(20), s.px(20)), words(rng, font, s.px(90)), s.ink, font)
    return s.image


def drawing(rng: Generator, photographs: Sequence[Image.Image]) -> Image.Image:
    """Flat shapes in few colours with smooth edges, as a poster, a logo or a cartoon has them."""
    s = Sheet(rng, photographs)
    palette = [s.colour() for _ in range(int(rng.integers(3, 9)))]
    large = Image.new("RGB", (s.width * 2, s.height * 2), palette[0])
    pen, edge = ImageDraw.Draw(large), s.colour() if rng.random() < 0.4 else None
    for _ in range(int(rng.integers(5, 40))):
        fill, size = palette[int(rng.integers(len(palette)))], rng.uniform(0.05, 0.35) * min(large.size)
        x, y = rng.uniform(0, 1, 2) * large.size
        around = [(x + size * rng.uniform(0.4, 1) * np.cos(a), y + size * rng.uniform(0.4, 1) * np.sin(a))
                  for a in np.linspace(0, 6, int(rng.integers(3, 9)))]  # fmt: skip
        if rng.random() < 0.5:
            pen.ellipse((x - size, y - size * 0.7, x + size, y + size * 0.7), fill, edge, 4)
        else:
            pen.polygon(around, fill, edge, 4)
    small = large.resize((s.width, s.height), Image.Resampling.BOX)
    return small.filter(ImageFilter.GaussianBlur(0.6)) if rng.random() < 0.2 else small


KINDS: dict[str, Callable[[Generator, Sequence[Image.Image]], Image.Image]] = {
    "window": window, "web page": web_page, "chat": chat, "code": code, "text page": text_page,
    "chart": chart, "diagram": diagram, "drawing": drawing, "blank": blank,
}  # fmt: skip
