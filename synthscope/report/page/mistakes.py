"""The images a detector is most confidently wrong about, with thumbnails that were decoded and encoded anew."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from synthscope.data.images import read_rgb
from synthscope.report.figures.predictions import clean_predictions
from synthscope.tables.wording import pretty, short_names

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


def galleries(
    predictions: pl.DataFrame, detectors: list[str], *, view: str = "none", limit: int = 12
) -> list[tuple[str, list[Shelf]]]:
    """(name of the detector, shelves of false alarms and misses) for clean images; at most ``limit`` a shelf."""
    table = clean_predictions(predictions, view).with_columns(pl.col("threshold").fill_null(0.0))
    names = short_names(detectors)
    thumbnails: dict[str, str | None] = {}
    result = []
    for detector in detectors:
        own = table.filter(detector=detector)
        shelves = []
        for label, kind in ((0, "Real images called AI"), (1, "AI images called real")):
            of_class = own.filter(label=label)
            margin = pl.col("logit") - pl.col("threshold")
            wrong = of_class.filter((margin > 0) if label == 0 else (margin <= 0))
            worst = wrong.sort(margin.abs(), "path", descending=[True, False]).head(limit)
            for path in worst["path"]:
                thumbnails.setdefault(path, thumbnail(path))
            pictures = [
                Picture(
                    thumbnails[row["path"]], row["path"], Path(row["path"]).name, pretty(row["subset"] or ""),
                    "AI" if label else "real", row["logit"], row["p_ai"],
                )
                for row in worst.iter_rows(named=True)
            ]  # fmt: skip
            shelves.append(Shelf(kind, wrong.height, of_class.height, pictures))
        if not own.is_empty():
            result.append((names[detector], shelves))
    return result


def thumbnail(path: str | Path) -> str | None:
    """A small JPEG of an image file as a data URI; None where there is no readable image."""
    from PIL import Image

    if not Path(path).is_file():
        return None
    try:
        image = Image.fromarray(read_rgb(path))
    except OSError:  # unreadable images are one
        return None
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
