"""The images a detector is most confidently wrong about, with thumbnails that were decoded and encoded anew.

They show an image as its view does, with a frame around what lies inside the detector's input where that isn't all.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from synthscope.data.degrade.recipe import parse_recipe, read_viewed
from synthscope.detectors.input import InputConfig
from synthscope.detectors.sight import Span, seen_part
from synthscope.report.choice import Choice
from synthscope.report.figures.predictions import clean_predictions
from synthscope.report.uri import data_uri
from synthscope.tables.wording import pretty, short_names

if TYPE_CHECKING:
    from PIL import Image

THE_RULE, LIMIT = Choice(), 12  # pictures a shelf
SIDE, QUALITY = 160, 70  # of a thumbnail: longest side in pixels, JPEG quality


@dataclass(frozen=True)
class Picture:
    """One wrongly judged image; ``uri`` is None where the file can no longer be read."""

    uri: str | None
    path: str
    name: str
    test_set: str
    label: str
    logit: float
    p_ai: float | None


@dataclass(frozen=True)
class Shelf:
    """The errors of one kind made by one detector: the worst of ``wrong`` errors among ``n`` images."""

    kind: str
    wrong: int
    n: int
    pictures: list[Picture]
    shown: str = ""  # which of the errors, where those are not all


def galleries(
    predictions: pl.DataFrame,
    detectors: list[str],
    *,
    view: str = "none",
    choice: Choice = THE_RULE,
    inputs: Mapping[str, InputConfig] | None = None,
) -> list[tuple[str, list[Shelf]]]:
    """(name of the detector, shelves of false alarms and misses) for clean images: the worst, or those of ``choice``.

    ``inputs`` names what detectors get, by ``preprocessing``.
    """
    limit = choice.limit or LIMIT
    table = clean_predictions(predictions, view).with_columns(pl.col("threshold").fill_null(0.0))
    table = table.with_columns(recipe=table.get_column("recipe", default=table["view"]).fill_null("none"))
    names = short_names(detectors)
    inputs, thumbnails = inputs or {}, {}
    result = []
    for detector in detectors:
        own = table.filter(detector=detector)
        shelves = []
        for label, kind in ((0, "Real images called AI"), (1, "AI images called real")):
            of_class = own.filter(label=label)
            margin = pl.col("logit") - pl.col("threshold")
            wrong = of_class.filter((margin > 0) if label == 0 else (margin <= 0))
            wanted = wrong.filter(pl.col("path").map_elements(choice.has, return_dtype=pl.Boolean))
            worst = wanted.sort(margin.abs(), "path", descending=[True, False]).head(limit)
            for path, used, recipe in worst["path", "preprocessing", "recipe"].iter_rows():
                if (path, used, recipe) not in thumbnails:
                    thumbnails[path, used, recipe] = thumbnail(path, view=recipe, input=inputs.get(used))
            pictures = [
                Picture(
                    thumbnails[row["path"], row["preprocessing"], row["recipe"]], row["path"], Path(row["path"]).name,
                    pretty(row["subset"] or ""), "AI" if label else "real", row["logit"], row["p_ai"],
                )
                for row in worst.iter_rows(named=True)
            ]  # fmt: skip
            shown = f"the {len(pictures)} worst" if len(pictures) < wanted.height else ""
            if choice.files is not None:
                shown = f"{wanted.height} match {choice.files}{f', {shown}' if shown else ''}"
            shelves.append(Shelf(kind, wrong.height, of_class.height, pictures, shown))
        if not own.is_empty():
            result.append((names[detector], shelves))
    return result


def thumbnail(path: str | Path, *, view: str = "none", input: InputConfig | None = None) -> str | None:
    """A small JPEG of an image file as a data URI; None where there is no readable image.

    Args:
        path: Of the file.
        view: Recipe that is applied.
        input: Of a detector: what lies inside is framed where that isn't the whole image.
    """
    from PIL import Image

    if not Path(path).is_file():
        return None
    try:
        image = Image.fromarray(read_viewed(path, parse_recipe(view)))
    except OSError:  # unreadable images are one
        return None
    part = ((0.0, 1.0), (0.0, 1.0)) if input is None else seen_part(image.height, image.width, input)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if part != ((0, 1), (0, 1)):
        _frame(image, part)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return data_uri(buffer.getvalue(), "image/jpeg")


def _frame(image: Image.Image, part: tuple[Span, Span]) -> None:
    """A white line, cased in black, around a part of the image given in fractions of height and width."""
    from PIL import ImageDraw

    (top, bottom), (left, right) = part
    box = [left * image.width, top * image.height, right * image.width - 1, bottom * image.height - 1]
    drawing, edges = ImageDraw.Draw(image), [round(edge) for edge in box]
    for margin, colour in ((1, "black"), (-1, "black"), (0, "white")):
        grown = edges[0] - margin, edges[1] - margin, edges[2] + margin, edges[3] + margin
        if grown[0] <= grown[2] and grown[1] <= grown[3]:
            drawing.rectangle(grown, outline=colour)
