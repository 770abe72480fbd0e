"""What the page says of heatmaps scored against annotations: a sentence, grids and a figure of the measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from matplotlib.figure import Figure

from synthscope.annotations.taxonomy import CATEGORIES, LEVELS
from synthscope.report.figures.dots import dots_figure
from synthscope.report.names import TITLES
from synthscope.report.page.grids import Cell, Grid, Row
from synthscope.report.page.tidy import tidy_grid
from synthscope.tables.wording import short_names

MAIN = ("relevance_mass", "relevance_rank", "pointing_game", "iou_at_area", "pixel_average_precision", "micro_f1")
BASELINES = {
    "baseline_random": ("chance", "random pixels, expected"), "baseline_centre": ("centre", "a map of the centre"),
    "baseline_edges": ("edges", "a map of the image's edges"),
}  # fmt: skip
LABELS = [category.label for category in CATEGORIES]


def heatmap_grids(scores: pl.DataFrame) -> list[Grid]:
    """Grids of ``explanation_scores.parquet``: main measures, by level and category, under conditions, stability."""
    whole = scores.filter(pl.col("generator") == "all", pl.col("category").is_null(), pl.col("level").is_null())
    grids = []
    main = in_order(whole.filter(condition="none"), MAIN)
    if main.height:
        kinds = ", ".join(main["gt_kind"].drop_nulls().unique().sort()) or "unknown"
        counts = ["n_images", "n_instances", "n_blank", "n_unseen"]  # micro measures count images without regions too
        scored = [pl.when(~pl.col("metric").str.starts_with("micro")).then(name).alias(name) for name in counts]
        if not main["n_unseen"].sum():
            counts.remove("n_unseen")
        shown = _slim(main.with_columns(scored), *counts[1:])
        caption = f"Heatmaps against annotations ({kinds}), clean images"
        grid = tidy_grid(shown, caption, reference="baseline_random")
        notes = [*grid.notes, *_unseen(main)]
        grids.append(replace(grid, rows=[*grid.rows, *_baseline_rows(main, len(grid.columns))], notes=notes))
    parts = scores.filter(generator="all", condition="none", metric="relevance_mass")
    parts = parts.with_columns(part=pl.coalesce("category", "level"))
    parts = in_order(_lifts(parts.filter(pl.col("part").is_not_null())), [*LEVELS, *LABELS], "part")
    if parts.height:
        caption = "Lift of relevance mass over chance, by level and by category, clean images"
        grids.append(tidy_grid(_slim(parts, "part"), caption, across="part", signed=True))
    if whole["condition"].n_unique() > 1:
        mass = _slim(_lifts(whole.filter(metric="relevance_mass")))
        if mass.height:
            caption = "Lift of relevance mass over chance, by condition"
            grids.append(tidy_grid(mass, caption, across="condition", signed=True))
        for metric in ("stability_spearman", "stability_iou_10pct"):
            if (same := _slim(whole.filter(metric=metric))).height:
                caption = f"Stability: heatmaps under conditions against clean ones, {TITLES[metric]}"
                grids.append(tidy_grid(same, caption, across="condition"))
    return grids


def measures_figure(scores: pl.DataFrame) -> Figure:
    """Dots of the main measures on all clean images, with chance."""
    whole = scores.filter(pl.col("generator") == "all", pl.col("category").is_null(), pl.col("level").is_null())
    return dots_figure(_slim(in_order(whole.filter(condition="none"), MAIN[:-1])), reference="baseline_random")


def finding(scores: pl.DataFrame) -> str:
    """One sentence: how many heatmaps lie on annotated artifacts more than chance, and the best of them."""
    rows = scores.filter(
        pl.col("generator") == "all", pl.col("category").is_null(), pl.col("level").is_null(),
        pl.col("condition") == "none", pl.col("metric") == "relevance_mass", pl.col("lift").is_not_null(),
    )  # fmt: skip
    if rows.is_empty():
        return ""
    above = rows.filter(pl.col("ci_low") > pl.col("baseline_random")).height
    beyond = rows.filter(pl.col("ci_low") > pl.max_horizontal(*BASELINES)).height
    first = rows.sort("lift", descending=True, maintain_order=True).row(0, named=True)
    name = short_names(rows["detector"])[first["detector"]]
    return (
        f"Of {rows.height} pairs of detector and explainer, {above} put more relevance on annotated artifacts than "
        f"chance, {beyond} also more than maps of the image's centre and edges. The most: {first['explainer']} of "
        f"{name}, {100 * first['value']:.1f} % ({100 * first['ci_low']:.1f}–{100 * first['ci_high']:.1f}) of its "
        f"relevance where artifacts cover {100 * first['baseline_random']:.1f} % of what it sees, "
        f"n = {first['n_images'] - first['n_blank']}."
    )


def _unseen(main: pl.DataFrame) -> list[str]:
    """A sentence on what detectors that crop do not see of the annotations; none where all see everything."""
    shares = main.filter(metric="relevance_mass").group_by("detector", maintain_order=True).agg(pl.col("unseen").mean())
    shares = shares.filter(pl.col("unseen") > 0)
    names = short_names(main["detector"])
    told = ", ".join(f"{100 * share:.1f} % ({names[detector]})" for detector, share in shares.iter_rows())
    return [
        f"Of the annotated pixels, these detectors do not see {told}, mean over images. What they do not see counts "
        "nowhere here; images with nothing annotated inside what a detector sees are counted as unseen, not scored."
    ] * (shares.height > 0)


def _baseline_rows(main: pl.DataFrame, width: int) -> list[Row]:
    """What maps without knowledge of the detector score, as a range where the rows above differ in scored images."""
    rows = []
    for column, (name, detail) in BASELINES.items():
        cells = []
        for metric in main["metric"].unique(maintain_order=True):
            values = main.filter(metric=metric)[column].drop_nulls().sort()
            texts = dict.fromkeys(f"{value:.3f}" for value in (*values.head(1), *values.tail(1)))
            cells.append(Cell("–".join(texts) or "–"))
        rows.append(Row(name, detail, cells + [Cell("–")] * (width - len(cells))))
    return rows


def _slim(table: pl.DataFrame, *extra: str) -> pl.DataFrame:
    """The columns of heatmap scores that a grid is to show."""
    names = ["detector", "explainer", "view", "condition", "metric", "value", "ci_low", "ci_high", "baseline_random"]
    return table.select(*names, "n_images", *extra)


def _lifts(table: pl.DataFrame) -> pl.DataFrame:
    """Rows whose value and interval are those over chance."""
    bounds = [pl.col(name) - pl.col("baseline_random") for name in ("ci_low", "ci_high")]
    return table.with_columns(*bounds, value=pl.col("lift"))


def in_order(table: pl.DataFrame, order: Sequence[str], column: str = "metric") -> pl.DataFrame:
    """Rows whose ``column`` is in ``order``, in that order."""
    rows = table.filter(pl.col(column).is_in(list(order)))
    return rows.sort(pl.col(column).replace_strict(list(order), range(len(order)), default=None), maintain_order=True)
