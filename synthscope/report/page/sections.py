"""Tables and figures of what was found out about explanations: heatmaps, masks, erasure, fidelity, seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from synthscope.annotations.taxonomy import CATEGORIES, LEVELS
from synthscope.report.names import metric_name
from synthscope.report.page.grids import Cell, Grid, Row, of_table
from synthscope.report.page.tidy import TITLES, dots_figure, tidy_grid
from synthscope.studies.truth.verdicts import verdicts
from synthscope.tables.render import Cell as TableCell
from synthscope.tables.render import Table
from synthscope.tables.seeds import seed_tables
from synthscope.tables.wording import short_names

MAIN = ("relevance_mass", "relevance_rank", "pointing_game", "iou_at_area", "pixel_average_precision", "micro_f1")
BASELINES = {
    "baseline_random": ("chance", "random pixels, expected"), "baseline_centre": ("centre", "a map of the centre"),
    "baseline_edges": ("edges", "a map of the image's edges"),
}  # fmt: skip
LABELS = [category.label for category in CATEGORIES]


@dataclass(frozen=True)
class Section:
    """What the page says of one experiment."""

    anchor: str
    title: str
    how: str
    grids: list[Grid]
    figures: list[tuple[str, str, Figure]] = field(default_factory=list)  # file name, title, figure


def sections(tables: Mapping[str, pl.DataFrame]) -> list[Section]:
    """The experiments that a run has a table of."""
    makers = {
        "seeds": _seeds,
        "mask_scores": _masks,
        "erasure_scores": _erasure,
        "fidelity": _fidelity,
        "truth": _truth,
    }
    return [make(tables[name]) for name, make in makers.items() if name in tables and not tables[name].is_empty()]


def explanation_grids(scores: pl.DataFrame) -> list[Grid]:
    """Grids of ``explanation_scores.parquet``: main measures, by level and category, under conditions, stability."""
    whole = scores.filter(pl.col("generator") == "all", pl.col("category").is_null(), pl.col("level").is_null())
    grids = []
    main = _in_order(whole.filter(condition="none"), MAIN)
    if main.height:
        kinds = ", ".join(main["gt_kind"].drop_nulls().unique().sort()) or "unknown"
        counts = ["n_images", "n_instances", "n_blank"]  # micro measures count images without regions too
        scored = [pl.when(~pl.col("metric").str.starts_with("micro")).then(name).alias(name) for name in counts]
        shown = _slim(main.with_columns(scored), *counts[1:])
        caption = f"Heatmaps against annotations ({kinds}), clean images"
        grid = tidy_grid(shown, caption, reference="baseline_random")
        grids.append(replace(grid, rows=[*grid.rows, *_baseline_rows(main, len(grid.columns))]))
    parts = scores.filter(generator="all", condition="none", metric="relevance_mass")
    parts = parts.with_columns(part=pl.coalesce("category", "level"))
    parts = _in_order(_lifts(parts.filter(pl.col("part").is_not_null())), [*LEVELS, *LABELS], "part")
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


def explanation_figure(scores: pl.DataFrame) -> Figure:
    """Dots of the main measures on all clean images, with chance."""
    whole = scores.filter(pl.col("generator") == "all", pl.col("category").is_null(), pl.col("level").is_null())
    return dots_figure(_slim(_in_order(whole.filter(condition="none"), MAIN[:-1])), reference="baseline_random")


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
        f"relevance where artifacts cover {100 * first['baseline_random']:.1f} % of the image, "
        f"n = {first['n_images'] - first['n_blank']}."
    )


def _masks(scores: pl.DataFrame) -> Section:
    table = _with(_with(scores, "category"), "generator").filter(pl.col("generator").fill_null("all") == "all")
    whole, parts = table.filter(pl.col("category").is_null()), table.filter(pl.col("category").is_not_null())
    chance = "chance" if "chance" in table.columns else None
    grids = [tidy_grid(whole, "Predicted against annotated pixels, all categories", reference=chance)]
    for metric in ("iou", "pix_f1"):
        rows = _in_order(parts.filter(metric=metric), LABELS, "category")
        if rows.height:
            caption = f"Predicted against annotated pixels, {TITLES[metric]} by category"
            grids.append(tidy_grid(rows, caption, across="category", reference=chance))
    figure = dots_figure(whole, reference=chance) if chance else None
    how = (
        "What the artifact head of a detector marks, over all pixels of all annotated AI images. Bold: the interval "
        "lies above what a random mask of the same area scores; shading runs from there to perfect."
    )
    drawn = [("masks", "Masks against annotations", figure)] if figure else []
    return Section("masks", "Artifact masks that detectors predict", how, grids, drawn)


def _erasure(scores: pl.DataFrame) -> Section:
    table = _with(scores, "category")
    whole, parts = table.filter(pl.col("category").is_null()), table.filter(pl.col("category").is_not_null())
    grids = [tidy_grid(whole, "Change of the logit and of verdicts when a region is erased")]
    rows = _in_order(parts.filter(metric="difference"), LABELS, "category")
    if rows.height:
        grids.append(tidy_grid(rows, "Artifact less benign drop, by category", across="category", signed=True))
    how = (
        "Annotated artifacts are erased, and as a control benign regions of the same shape and area. A drop is the "
        "original logit less the erased one: positive where the region spoke for AI. Erasing leaves traces of its own, "
        "so read the difference, not the drops; repair compares with the same picture drawn without artifacts and has "
        "no such traces. Bold: the interval leaves out 0."
    )
    shown = whole.filter(pl.col("metric").is_in(["drop_artifact", "drop_benign", "difference"]))
    drawn = [("erasure", "Drop of the logit", dots_figure(shown))] if shown.height else []
    return Section("erasure", "What happens when artifacts are erased?", how, grids, drawn)


def _fidelity(scores: pl.DataFrame) -> Section:
    rho, rest = scores.filter(metric="spearman"), scores.filter(pl.col("metric") != "spearman")
    grids = []
    if rho.height:
        rho = rho.with_columns(pair=pl.concat_str(pl.col("of", "against").str.to_uppercase(), separator=" and "))
        rho = rho.with_columns(pl.col("pair").str.replace("LOGIT", "logit").str.replace("CORRECT", "correct"))
        caption = "Spearman's rank correlation with artifact ratio (PAR) and NIQE"
        grids.append(tidy_grid(rho.drop("of", "against"), caption, across="pair"))
    if rest.height:
        grids.append(tidy_grid(rest, "AI images found, among those without and with annotated artifacts"))
    how = (
        "PAR is the share of an image's pixels inside annotated artifacts; a higher NIQE is a worse image. Bold: the "
        "interval leaves out 0. p by permutation."
    )
    return Section("fidelity", "Does accuracy follow artifacts or image quality?", how, grids)


def _truth(scores: pl.DataFrame) -> Section:
    told = verdicts(scores).filter(images="all")
    grids = []
    for (recipe,), rows in told.group_by(["recipe"], maintain_order=True):
        measures = rows["measure"].unique(maintain_order=True).to_list()
        lines = []
        for (explainer,), part in rows.group_by(["explainer"], maintain_order=True):
            found = {row["measure"]: row for row in part.iter_rows(named=True)}
            lines.append((str(explainer), tuple(_apart(found.get(measure)) for measure in measures)))
        title = f"{recipe}: score with artifacts less score with fingerprints"
        columns = tuple(TITLES.get(measure, metric_name(measure)) for measure in measures)
        table = Table("truth", title, "explainer", columns, tuple(lines), intervals=True, signed=True)
        grids.append(of_table(table))
    how = (
        "Two worlds show the same scenes: in one only artifacts betray the AI images, in the other only traces of "
        "decoders, which are everywhere. Both are scored against the artifacts of the first, image by image. * marks "
        "pairs of explainer and measure that tell the two detectors apart with every seed; believe no others."
    )
    return Section("truth", "Can explainers and measures be believed?", how, grids)


def _apart(row: Mapping[str, Any] | None) -> TableCell:
    if row is None:
        return TableCell(percent=False)
    bounds = row["difference_low"], row["difference_high"]
    return TableCell(row["difference"], *bounds, percent=False, mark="*" if row["tells_apart"] == "yes" else "")


def _seeds(seeds: pl.DataFrame) -> Section:
    how = (
        "The same recipes trained with several seeds, differences taken seed by seed. A difference between recipes "
        "counts only if it is larger than what another seed would have changed. Single categories are in seeds.parquet."
    )
    return Section("seeds", "Over training seeds", how, [of_table(table) for table in seed_tables(seeds)])


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
    """The columns of explanation scores that a grid is to show."""
    names = ["detector", "explainer", "view", "condition", "metric", "value", "ci_low", "ci_high", "baseline_random"]
    return table.select(*names, "n_images", *extra)


def _lifts(table: pl.DataFrame) -> pl.DataFrame:
    """Rows whose value and interval are those over chance."""
    bounds = [pl.col(name) - pl.col("baseline_random") for name in ("ci_low", "ci_high")]
    return table.with_columns(*bounds, value=pl.col("lift"))


def _in_order(table: pl.DataFrame, order: Sequence[str], column: str = "metric") -> pl.DataFrame:
    """Rows whose ``column`` is in ``order``, in that order."""
    rows = table.filter(pl.col(column).is_in(list(order)))
    return rows.sort(pl.col(column).replace_strict(list(order), range(len(order)), default=None), maintain_order=True)


def _with(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """``table`` with a text column, null where it had none."""
    text = pl.col(column).cast(pl.String) if column in table.columns else pl.lit(None, pl.String).alias(column)
    return table.with_columns(text)
