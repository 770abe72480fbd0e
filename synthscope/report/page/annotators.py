"""A page on how far annotators agree: figures with intervals, who they are, and the images where they disagree most."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from synthscope.annotations.agreement import agreement_by_pair, pooled_agreement
from synthscope.annotations.conflicts import KINDS, conflicts, independent, iou
from synthscope.annotations.masks import image_masks
from synthscope.annotations.records import Row, size_of
from synthscope.annotations.taxonomy import BY_LABEL, CATEGORIES
from synthscope.data.images import read_rgb
from synthscope.errors import UnreadableImageError
from synthscope.report.heatmaps.examples import Example, Tile, jpeg_uri
from synthscope.report.heatmaps.overlays import CATEGORY_COLOURS, Panel, Region, annotated, category_name, fitted
from synthscope.report.page import grids
from synthscope.report.page.environment import environment
from synthscope.runtime.files import write_text

SIDE = 320  # longest side of a picture, in pixels
GREY = 128  # of a picture whose file is not there
MEASURES = {
    "mask_iou": "Mask IoU", "fleiss_kappa_iou": "κ of IoU", "fleiss_kappa_pixels": "κ of pixels",
    "instance_f1@0.3": "Region F1, IoU 0.3", "instance_f1@0.5": "Region F1, IoU 0.5",
    "category_kappa": "κ of categories",
}  # fmt: skip


def write_agreement_page(
    table: pl.DataFrame, out: str | Path, *, limit: int = 12, n_resamples: int = 2000, seed: int = 0
) -> pl.DataFrame:
    """Write the page and return the list of conflicts, the images that disagree most first.

    Args:
        table: Columns of ``ANNOTATIONS`` with several annotators. Figures and conflicts are of those who worked alone
            (round 1 or none); later rounds are counted and nothing else.
        out: Of the page.
        limit: Images shown.
        n_resamples: Of the bootstrap over images.
        seed: Of the bootstrap.

    Returns:
        Columns of ``annotations.conflicts.CONFLICTS``, images by their number of conflicts, then by their IoU.

    Raises:
        SynthscopeError: No image of two annotators, one of unknown size, or a region that is wrong.
    """
    alone = independent(table)
    pooled = pooled_agreement(alone, n_resamples=n_resamples, seed=seed)
    pairs = agreement_by_pair(alone, n_resamples=n_resamples, seed=seed)
    found = conflicts(alone)
    shared = alone.filter(pl.col("annotator").n_unique().over("path") > 1)
    order = _most_first(shared, found)
    text = environment().get_template("annotators.html").render(
        title="Agreement of annotators",
        answer=_answer(pooled, order, found),
        tables=[_grid(pooled, ["category"], "All pairs of annotators", "Category"), _grid(pairs, ["first", "second"],
                "Each pair of annotators, all categories", "Annotators")],
        people=_people(table), kinds=_kinds(found),
        key=[(CATEGORY_COLOURS[c.label], category_name(c.label)) for c in CATEGORIES],
        examples=[_example(path, shared.filter(path=path), found.filter(path=path)) for path in order[:limit]],
        total=len(order),
    )  # fmt: skip
    write_text(out, text)
    place = {path: number for number, path in enumerate(order)}
    return found.sort(pl.col("path").replace_strict(place, return_dtype=pl.Int64, default=None), maintain_order=True)


def _most_first(shared: pl.DataFrame, found: pl.DataFrame) -> list[str]:
    """Paths of the images that several people marked, the most conflicts first, among as many the least IoU."""
    counts = dict(found.group_by("path").len().iter_rows())
    ious = {path: _mean_iou(rows) for (path,), rows in shared.group_by("path", maintain_order=True)}
    return sorted(ious, key=lambda path: (-counts.get(path, 0), ious[path], path))


def _mean_iou(rows: pl.DataFrame) -> float:
    size = size_of(rows.row(0, named=True))
    masks = [image_masks(own, *size) for _, own in sorted(rows.group_by("annotator"), key=lambda group: str(group[0]))]
    return float(np.mean([iou(a, b) if a.any() or b.any() else 1.0 for a, b in combinations(masks, 2)]))


def _answer(pooled: pl.DataFrame, order: list[str], found: pl.DataFrame) -> str:
    iou_, regions = (pooled.filter(measure=name).row(0, named=True) for name in ("mask_iou", "instance_f1@0.5"))
    return (
        f"Of {len(order)} images that two people or more marked alone, {found['path'].n_unique()} have a conflict. "
        f"Their masks overlap by {_number(iou_)} (IoU), and {_number(regions)} of their regions were marked by both "
        "(F1 at IoU 0.5)."
    )


def _number(row: Row) -> str:
    interval = f" [{row['ci_low']:.2f}, {row['ci_high']:.2f}]" if np.isfinite(row["ci_low"]) else ""
    return "–" if np.isnan(row["value"]) else f"{row['value']:.2f}{interval}"


def _grid(figures: pl.DataFrame, keys: list[str], caption: str, corner: str) -> grids.Grid:
    rows = []
    chosen = figures if "category" in keys else figures.filter(pl.col("category").is_null())
    for named, own in chosen.group_by(keys, maintain_order=True):
        values = {row["measure"]: row for row in own.iter_rows(named=True)}
        cells = [_cell(values.get(measure)) for measure in MEASURES]
        name = " and ".join(_name(part) for part in named)
        detail = f"{max(own['n_regions'].to_list())} regions in {max(own['n_images'].to_list())} pairs of annotations"
        rows.append(grids.Row(name, detail, cells))
    return grids.Grid(caption, [(title, "") for title in MEASURES.values()], rows, corner=corner)


def _cell(row: Row | None) -> grids.Cell:
    if row is None or np.isnan(row["value"]):
        return grids.Cell("–")
    value, low, high = (f"{round(row[name], 2) + 0.0:.2f}" for name in ("value", "ci_low", "ci_high"))  # never "-0.00"
    interval = f"{low} to {high}" if np.isfinite(row["ci_low"]) else ""
    return grids.Cell(value, interval, round(20 * min(max(row["value"], 0), 1)))


def _name(part: Any) -> str:
    return "any" if part is None else BY_LABEL[part].name if part in BY_LABEL else str(part)


def _people(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Who marked how much, by round."""
    counted = table.group_by(pl.col("round").fill_null(1), "annotator").agg(
        images=pl.col("path").n_unique(),
        clean=pl.col("path").filter(pl.col("region").is_null()).n_unique(),
        regions=pl.col("region").count(),
        unsure=(pl.col("confidence") < 1).sum(),
    )
    return [
        {"Annotator": row["annotator"] or "not named", "Round": row["round"], "Images": row["images"],
         "Clean": row["clean"], "Regions": row["regions"], "Regions an image": f"{row['regions'] / row['images']:.1f}",
         "Unsure of": row["unsure"]}
        for row in counted.sort("round", "annotator").iter_rows(named=True)
    ]  # fmt: skip


def _kinds(found: pl.DataFrame) -> list[dict[str, Any]]:
    """Conflicts by category (that of the first region, where there is one) and kind."""
    table = found.with_columns(category=pl.coalesce("first_category", "second_category"))
    order = [c.label for c in CATEGORIES if c.label in table["category"]] + [None] * table["category"].has_nulls()
    return [
        {"Category": category_name(label)}
        | {kind.capitalize(): table.filter(pl.col("category").eq_missing(label), kind=kind).height for kind in KINDS}
        for label in order
    ]


def _example(path: str, rows: pl.DataFrame, found: pl.DataFrame) -> Example:
    said = [f"{n} {kind}" for kind in KINDS if (n := found.filter(kind=kind).height)]
    tiles = list(_tiles(path, rows))
    return Example(Path(path).name, path, ", ".join(said) or "no conflict", tiles)


def _tiles(path: str, rows: pl.DataFrame) -> Iterator[Tile]:
    """The image as each annotator marked it."""
    height, width = size_of(rows.row(0, named=True))
    try:
        rgb = read_rgb(path)
        if rgb.shape[:2] != (height, width):
            raise UnreadableImageError
        gone = ""
    except UnreadableImageError:
        rgb, gone = np.full((height, width, 3), GREY, np.uint8), ", the file is not there"
    for (annotator,), own in sorted(rows.group_by("annotator"), key=lambda group: str(group[0][0])):
        regions = [row for row in own.iter_rows(named=True) if row["region"] is not None]
        masks = image_masks(regions, height, width, per="instance")
        marked = [Region(row["category"], mask) for row, mask in zip(regions, masks, strict=True)]
        small = fitted(Panel("", rgb, None, None, marked), SIDE)
        number = f"{len(regions)} region{'s' * (len(regions) != 1)}{gone}"
        who = annotator or "not named"
        yield Tile(jpeg_uri(annotated(small.rgb, small.regions)), who, number, f"The image with {number} of {who}")
