"""The heatmaps of a run over their images, beside what people marked there, for pages and pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from synthscope.annotations import load_annotations
from synthscope.annotations.targets import Target, read_with_size, targets
from synthscope.detectors.input import Placed
from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.inference.heatmaps.store import read_heatmap
from synthscope.metrics.localization.maps import iou_at_area, relevance_mass
from synthscope.report.heatmaps.overlays import RGB, Panel, Region
from synthscope.runtime import seed_for
from synthscope.schema import PREDICTIONS, read_table
from synthscope.scoring.heatmaps.values import over_image
from synthscope.tables.wording import views_of

MAX_RANKED = 200  # images that are measured to choose a few of them
PAIR = ["detector", "explainer", "layer"]
Row = dict[str, Any]
Pair = tuple[str, str, str]
Verdicts = dict[tuple[str, str], tuple[bool, float]]


class Seen(NamedTuple):
    """An image, its annotations (those of all categories first) and its rows of ``explanations.parquet``."""

    rgb: RGB
    found: Sequence[Target]
    rows: list[Row]  # clean first

    def of(self, pair: Pair) -> list[Row]:
        """Rows of one detector and explainer, the clean image first; none where that is missing."""
        rows = [row for row in self.rows if tuple(row[name] for name in PAIR) == pair]
        return rows if rows and rows[0]["condition"] == "none" else []


class HeatmapRun:
    """Heatmaps of a run that have a place in their image, in its first view, and the annotations of the images.

    Raises:
        SynthscopeError: No heatmaps, or none that can be drawn.
    """

    def __init__(self, run: Path) -> None:
        if not (run / "explanations.parquet").is_file():
            raise SynthscopeError(f"Expected explanations.parquet in {run}, got none. Run synthscope explain first.")
        table = read_table(run / "explanations.parquet")
        table = table.filter(pl.col("error").is_null() & pl.col("input").is_not_null() & pl.col("part").is_not_null())
        self.run, self.folder, self.views = run, run / "heatmaps", views_of(table)
        if table.is_empty() or not self.folder.is_dir():
            raise SynthscopeError(
                f"Expected heatmaps in {self.folder} that have a place in their images, got none. Run synthscope "
                "explain again."
            )
        self.table = table.filter(view=self.views[0]).unique(["path", *PAIR, "condition"], maintain_order=True)
        self.regions = read_regions(run)
        settings = run / "explain.json"
        signs = json.loads(settings.read_text(encoding="utf-8")).get("sign", {}) if settings.is_file() else {}
        self.signed = {explainer for explainer, sign in signs.items() if sign == "signed"}

    def images(self) -> tuple[list[str], int]:
        """Paths of up to ``MAX_RANKED`` images, drawn by the hash of their files, and how many there are.

        Annotated ones alone, where there are annotations.
        """
        images = self.table.select("path", "sha256").unique("path", maintain_order=True)
        if self.regions is not None:
            named = [pl.col(name).is_in(self.regions[name].drop_nulls().implode()) for name in ("path", "sha256")]
            images = images.filter(pl.any_horizontal(named))
        drawn = sorted(images.rows(), key=lambda image: (seed_for(image[1]), image[0]))
        return [path for path, _ in drawn[:MAX_RANKED]], len(drawn)

    def look(self, path: str) -> Seen | None:
        """One image; None where the file cannot be read any more."""
        rows = sorted(self.table.filter(path=path).iter_rows(named=True), key=lambda row: row["condition"] != "none")
        try:
            rgb, size = read_with_size(path, rows[0]["view"], rows[0]["seed"])
        except UnreadableImageError:
            return None
        marked = pl.DataFrame() if self.regions is None else self.regions.filter(path=path)
        if self.regions is not None and marked.is_empty():
            marked = self.regions.filter(sha256=rows[0]["sha256"])
        return Seen(rgb, () if marked.is_empty() else targets(marked, size, rows[0]["view"]), rows)

    def placed(self, row: Row, seen: Seen) -> Placed:
        """A heatmap over the pixels of the image."""
        return over_image(read_heatmap(self.folder, row), row, seen.rgb.shape)

    def verdicts(self) -> Verdicts:
        """(detector, path) -> whether the clean image is called AI, and p(AI).

        From the predictions of the run, else from the logits beside the heatmaps; empty where an older run has neither.
        """
        path = self.run / "predictions.parquet"
        known = (pl.col("condition") == "none") & pl.col("logit").is_not_null()
        if path.is_file():
            here = pl.col("view").fill_null("none") == self.views[0]
            rows = read_table(path, schema=PREDICTIONS, where=known & here)
        elif "p_ai" in self.table.columns:
            rows = self.table.filter(known)
        else:
            return {}
        rows = rows.with_columns(ai=pl.col("logit") > pl.col("threshold").fill_null(0.0))
        table = rows.select("detector", "path", "ai", pl.col("p_ai").fill_null(float("nan")))
        return {(detector, image): (ai, p) for detector, image, ai, p in table.iter_rows()}

    def pairs(self) -> list[Pair]:
        """Detectors and explainers: first seeds first, then the first explainer of every detector."""
        turns: dict[str, count[int]] = {}
        found = []
        for number, pair in enumerate(self.table.select(PAIR).unique(maintain_order=True).rows()):
            seed = re.search(r"\.seed(\d+)", pair[0])
            found.append((int(seed[1]) if seed else 0, next(turns.setdefault(pair[0], count())), number, pair))
        return [pair for *_, pair in sorted(found)]


def read_regions(run: Path) -> pl.DataFrame | None:
    """Rows of ``annotations.parquet`` that are regions; None without that file."""
    path = run / "annotations.parquet"
    return load_annotations(path).filter(pl.col("region").is_not_null()) if path.is_file() else None


def measured(source: HeatmapRun, seen: Seen, pair: Pair) -> tuple[Panel, float] | None:
    """One image under one detector and explainer, and its relevance mass; None where the heatmap is missing."""
    if not (rows := seen.of(pair)):
        return None
    placed = source.placed(rows[0], seen)
    title = f"{pair[0].partition('@')[0]}, {pair[1]}"
    window, signed = placed.window, pair[1] in source.signed
    panel = Panel(title, seen.rgb, placed.heat, window, regions_of(seen), numbers(placed, seen), signed)
    return panel, relevance_mass(placed.heat[window], seen.found[0].mask[window]) if seen.found else np.nan


def regions_of(seen: Seen) -> list[Region]:
    """What to draw: a mask for each category, and one for what lies in none of them."""
    if not seen.found:
        return []
    regions = [Region(target.category, target.mask) for target in seen.found if target.category is not None]
    rest = seen.found[0].mask.copy()
    for region in regions:
        rest &= ~region.mask
    return [*regions, Region(None, rest)] if rest.any() else regions


def numbers(placed: Placed, seen: Seen) -> str:
    """Relevance mass, chance and IoU at the annotated area, of what the detector sees, as a caption prints them."""
    if not seen.found:
        return ""
    heat, mask = placed.heat[placed.window], seen.found[0].mask[placed.window]
    mass, overlap = relevance_mass(heat, mask), iou_at_area(heat, mask)
    if not mask.any():
        where = "here" if not seen.found[0].mask.any() else "inside what the detector sees"
        return f"Nothing annotated {where}."
    if not np.isfinite(mass):
        return "Nothing positive in this heatmap."
    return f"Relevance mass {mass:.3f}, chance {mask.mean():.3f}; IoU at area {overlap:.3f}."
