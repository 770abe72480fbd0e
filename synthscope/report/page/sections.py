"""Tables and figures of the experiments beside the scores: seeds, masks, erasure, fidelity, the truth test, attacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from synthscope.report.figures.dots import dots_figure
from synthscope.report.names import TITLES, metric_name
from synthscope.report.page.grids import Grid, of_table
from synthscope.report.page.heatmaps import LABELS, in_order
from synthscope.report.page.tidy import tidy_grid
from synthscope.studies.attacks.table import attack_tables
from synthscope.studies.truth.verdicts import verdicts
from synthscope.tables.render import Cell as TableCell
from synthscope.tables.render import Table
from synthscope.tables.seeds import seed_tables


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
        "attacks": _attacks,
    }
    return [make(tables[name]) for name, make in makers.items() if name in tables and not tables[name].is_empty()]


def _masks(scores: pl.DataFrame) -> Section:
    table = _with(_with(scores, "category"), "generator").filter(pl.col("generator").fill_null("all") == "all")
    whole, parts = table.filter(pl.col("category").is_null()), table.filter(pl.col("category").is_not_null())
    chance = "chance" if "chance" in table.columns else None
    grids = [tidy_grid(whole, "Predicted against annotated pixels, all categories", reference=chance)]
    for metric in ("iou", "pix_f1"):
        rows = in_order(parts.filter(metric=metric), LABELS, "category")
        if rows.height:
            caption = f"Predicted against annotated pixels, {TITLES[metric]} by category"
            grids.append(tidy_grid(rows, caption, across="category", reference=chance))
    figure = dots_figure(whole, reference=chance) if chance else None
    how = (
        "What the artifact head of a detector marks, over all pixels that it sees of all annotated AI images. Bold: "
        "the interval lies above what a random mask of the same area scores; shading runs from there to perfect."
    )
    drawn = [("masks", "Masks against annotations", figure)] if figure else []
    return Section("masks", "Artifact masks that detectors predict", how, grids, drawn)


def _erasure(scores: pl.DataFrame) -> Section:
    table = _with(scores, "category")
    whole, parts = table.filter(pl.col("category").is_null()), table.filter(pl.col("category").is_not_null())
    grids = [tidy_grid(whole, "Change of the logit and of verdicts when a region is erased")]
    rows = in_order(parts.filter(metric="difference"), LABELS, "category")
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


def _attacks(scores: pl.DataFrame) -> Section:
    how = (
        "For research on robustness. AI images that a detector catches, at the threshold that lets it call a fixed "
        "share of photographs AI, are attacked; missed is the share whose logit falls to that threshold or below. PGD "
        "sees the detector's gradient, transfer that of another one, both within a budget of grey levels a pixel, "
        "rounded to whole ones; noise of the same budget is their control, no attack under the same recompression "
        "that of the others. A chain found by search was chosen on other images. Where photographs raise more false "
        "alarms under the same treatment, a low share of missed images says nothing good of the detector."
    )
    return Section("attacks", "What do detectors miss after attacks?", how, [*map(of_table, attack_tables(scores))])


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


def _with(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """``table`` with a text column, null where it had none."""
    text = pl.col(column).cast(pl.String) if column in table.columns else pl.lit(None, pl.String).alias(column)
    return table.with_columns(text)
