"""Everything that the templates print; figures are written beside the page on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from synthscope.data.audit import warning
from synthscope.report.choice import Choice
from synthscope.report.figures import predictions as curves
from synthscope.report.figures import scores as figures
from synthscope.report.figures.fidelity import save_fidelity_figure
from synthscope.report.figures.left_out import left_out_figure
from synthscope.report.figures.style import save_figure
from synthscope.report.heatmaps.examples import gallery
from synthscope.report.names import distinct, metric_name
from synthscope.report.page import grids, heatmaps
from synthscope.report.page.answer import answer, answer_over_seeds, headline_metric, missing, ranked
from synthscope.report.page.drawings import Drawing, drawing, stored_drawing
from synthscope.report.page.mistakes import galleries
from synthscope.report.page.run import (
    Run,
    detector_facts,
    explain_settings,
    has_heatmaps,
    image_facts,
    seen_of_images,
    test_column,
)
from synthscope.report.page.sections import sections
from synthscope.report.rows import chosen, comparable
from synthscope.schema import conform, read_table
from synthscope.scoring.heatmaps.summary import HEATMAP_SCORES
from synthscope.tables.differences import difference_tables
from synthscope.tables.generalization import generalization_tables
from synthscope.tables.left_out import left_out_tables
from synthscope.tables.published.beside import beside
from synthscope.tables.slices import class_tables, worst_group_tables
from synthscope.tables.treatments import treatment_notes, treatment_rows
from synthscope.tables.wording import short_names, view_names, view_notes, views_of

TABS = ("accuracy", "balanced_accuracy", "auroc", "average_precision")
MAX_LISTED, MAX_GALLERIES = 200, 4


def tabs(scores: pl.DataFrame) -> list[str]:
    """Metrics that get a matrix of their own."""
    return [name for name in TABS if name in scores["metric"]] or [headline_metric(scores)]


def scored_contents(run: Run, folder: Path, seeds: pl.DataFrame, choice: Choice) -> dict[str, Any]:
    """What the page prints of scores; the figures are written to ``folder`` on the way."""
    scores, words = run.scores, view_names(run.scores)
    views = views_of(scores)
    metric, raw = headline_metric(scores), views[0]
    shown = tabs(scores)
    leaders = distinct(ranked(scores, metric, raw), "detector") or distinct(scores, "detector")
    looked = leaders[:MAX_GALLERIES]
    return {
        "answer": (answer_over_seeds(seeds) or answer(scores)) + missing(run.failures),
        "warnings": [text for _, rows in run.audit.group_by("view", maintain_order=True) if (text := warning(rows))],
        "view_notes": [note for view in views for note in view_notes(scores.filter(view=view))],
        "treatments": [
            (view, treatment_rows(run.treatments, view).rows(named=True), treatment_notes(run.treatments, view)[1:])
            for view in run.treatments["view"].unique(maintain_order=True)
        ],
        "views": grids.views(scores, metric),
        "tabs": [(metric_name(name), [grids.matrix(scores, name, view) for view in views]) for name in shown],
        "every_metric": [grids.all_metrics(scores, view) for view in views],
        "degraded": [grid for view in views if (grid := grids.degraded(scores, shown[0], view)).rows],
        "generalization": [
            grids.of_table(table)
            for table in (
                *left_out_tables(run.left_out, run.costs, metric=shown[0]),
                *generalization_tables(run.generalization, metric=shown[0]),
            )
        ],
        "slices": [grids.of_table(table) for table in worst_group_tables(run.worst_groups)],
        "classes": [
            grids.of_table(table) for table in class_tables(run.classes.filter(pl.col("detector").is_in(looked)))
        ],
        "published": [grids.of_table(table) for view in views for table in beside(scores, metric=shown[0], view=view)],
        "differences": _differences(run.differences),
        "audit": [
            (words.get(view, view), rows.rows(named=True))
            for (view,), rows in run.audit.group_by("view", maintain_order=True)
        ],
        "figures": _figures(run, folder, metric, views, leaders),
        "galleries": galleries(run.predictions, looked, view=raw, choice=choice, inputs=run.inputs),
        "sights": {name: seen_of_images(run, detector) for detector, name in short_names(looked).items()},
        "unseen_galleries": max(len(leaders) - MAX_GALLERIES, 0),
        "unreadable": run.unreadable.head(MAX_LISTED).rows(),
        "n_unreadable": run.unreadable.height,
        "detectors": detector_facts(run),
        "images": image_facts(run),
        "settings": run.settings,
    }


def _differences(table: pl.DataFrame) -> list[grids.Grid]:
    pairs = table.filter(kind="detectors")
    others = difference_tables(table.filter(pl.col("kind") != "detectors"))
    return [*map(grids.of_table, others), *(grids.differences(pairs, view) for view in views_of(pairs))]


def unscored_contents(run: Path) -> dict[str, Any]:
    """What the page of a run without scores prints beside its heatmaps or truth test."""
    errors = pl.DataFrame(schema=dict.fromkeys(["path", "error"], pl.String))
    if (run / "explanations.parquet").is_file():
        errors = read_table(run / "explanations.parquet", columns=["path", "error"])
    errors = errors.drop_nulls("error").unique("path")
    unreadable = errors.sort("path").head(MAX_LISTED).rows()
    return {"settings": explain_settings(run), "unreadable": unreadable, "n_unreadable": errors.height}


def heatmap_contents(run: Path, tables: dict[str, pl.DataFrame], folder: Path, choice: Choice) -> dict[str, Any]:
    """What the page shows of heatmaps and of the experiments beside the scores; figures are written to ``folder``."""
    scores = conform(tables["explanation_scores"], HEATMAP_SCORES, "the heatmap scores")
    found, drawn, shown = [], [], None
    if scores.height:
        found = heatmaps.heatmap_grids(scores)
        figure = heatmaps.measures_figure(scores)
        alt = "Dots with 95 % intervals, a panel per measure; the table holds the numbers."
        drawn.append(drawing(figure, folder / "explanations", "Heatmaps against annotations", alt))
    if has_heatmaps(run):
        shown = gallery(run, choice)
    parts = []
    for section in sections(tables):
        pictures = [
            drawing(figure, folder / stem, title, f"{title}: dots with 95 % intervals; the tables hold the numbers.")
            for stem, title, figure in section.figures
        ]
        if section.anchor == "truth" and (run / "truth.svg").is_file():
            pictures = [stored_drawing(run / "truth.png", "Artifacts less fingerprints", "The numbers of the table.")]
        if section.anchor == "attacks" and (run / "attacks.svg").is_file():
            pictures = [stored_drawing(run / "attacks.png", "Missed after attacks", "The numbers of the tables.")]
        if section.anchor == "fidelity":
            alt = "Recall of every generator over its damage; the tables hold the numbers."
            drawable = (run / "predictions.parquet").is_file() and (run / "fidelity_images.parquet").is_file()
            files = [file for file in save_fidelity_figure(run) if file.suffix == ".png"] if drawable else []
            pictures = [stored_drawing(png, "Recall and fidelity", alt) for png in files]
        parts.append((section, pictures))
    return {
        "finding": heatmaps.finding(scores) if scores.height else "",
        "heatmap_grids": found,
        "measures_figures": drawn,
        "gallery": shown,
        "sections": parts,
    }


def _figures(run: Run, folder: Path, metric: str, views: list[str], leaders: list[str]) -> dict[str, list[Drawing]]:
    """Drawings under the name of the section that shows them."""
    words, raw = view_names(run.scores), views[0]
    drawn: dict[str, list[Drawing]] = {"audit": [], "matrix": [], "degraded": [], "unseen": [], "images": []}

    def add(section: str, stem: str, title: str, figure: Figure, alt: str) -> None:
        drawn[section].append(drawing(figure, folder / stem, title, alt))

    if run.audit.height:
        alt = "Balanced accuracy of file attributes and of the history of pixels, per subset; numbers in the table."
        add(
            "audit",
            "audit",
            "What files and the history of their pixels can tell",
            figures.audit_figure(run.audit),
            alt,
        )
    for index, view in enumerate(views):
        tag, word = f"-view{index}" if index else "", words[view]
        save_figure(figures.matrix_figure(run.scores, tabs(run.scores)[0], view), folder / f"matrix{tag}")
        title = f"{metric_name(metric)} with intervals, {word} images"
        alt = "Dots with 95 % intervals, a panel per test set; the tables hold the numbers."
        add("matrix", f"intervals{tag}", title, figures.interval_figure(run.scores, metric, view), alt)
        if not comparable(chosen(run.scores, metric, view)).is_empty():
            title = f"{metric_name(metric)} under degradations, {word} images"
            alt = "Dots with 95 % intervals, a panel per degradation; the tables hold the numbers."
            add("degraded", f"degradations{tag}", title, figures.degradation_figure(run.scores, metric, view), alt)
    if metric in run.left_out["metric"]:
        alt = "Dots with 95 % intervals, a row per detector; the table holds the numbers."
        figure = left_out_figure(run.left_out, metric)
        add("unseen", "left_out", "On test sets that were left out of training", figure, alt)
    if run.predictions.is_empty():
        return drawn
    few, many = (run.predictions.filter(pl.col("detector").is_in(leaders[:n])) for n in (curves.MAX_LINES, 12))
    roc = curves.roc_figure(few, raw, test_column(run))
    add(
        "images", "roc", "AI images found against real images called AI (ROC)", roc, "ROC curves, a panel per test set."
    )
    alt = "Predicted probability against the frequency of AI, a panel per detector."
    add("images", "reliability", "Reliability of p(AI)", curves.reliability_figure(many, raw), alt)
    alt = "Histograms of the logits of real and AI images, a panel per detector."
    add("images", "logits", "Logits and threshold", curves.logit_histogram(many, raw), alt)
    return drawn
