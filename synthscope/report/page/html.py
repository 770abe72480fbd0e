"""One self-contained page for a run folder: answer, matrices, degradations, evidence, errors, how it was measured.

The page holds no script, loads nothing, and says so in its content security policy; every text from a table is escaped.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from synthscope.data.audit import warning
from synthscope.report.figures import predictions as curves
from synthscope.report.figures import scores as figures
from synthscope.report.figures.fidelity import save_fidelity_figure
from synthscope.report.figures.style import save_figure
from synthscope.report.names import distinct, metric_name, view_names
from synthscope.report.page import grids
from synthscope.report.page import sections as explanations
from synthscope.report.page.answer import answer, answer_over_seeds, headline_metric, missing, ranked
from synthscope.report.page.drawings import Drawing, drawing, stored_drawing
from synthscope.report.page.mistakes import galleries
from synthscope.report.page.run import (
    Run,
    detector_facts,
    explain_settings,
    has_heatmaps,
    image_facts,
    read_experiments,
    read_run,
    test_column,
)
from synthscope.runtime import whole_file
from synthscope.schema import conform
from synthscope.scoring.seeds import SEEDS
from synthscope.tables.benchmark import audit_table, difference_table, tables_of
from synthscope.tables.published.beside import beside
from synthscope.tables.seeds import seed_tables
from synthscope.tables.wording import views_of

TABS = ("accuracy", "balanced_accuracy", "auroc", "average_precision")
MAX_LISTED, MAX_GALLERIES = 200, 4


def write_report(
    run: str | Path, *, out: Path | None = None, audit: pl.DataFrame | None = None, title: str | None = None
) -> Path:
    """Write ``run/report.html`` (or ``out``), and beside the scores ``run/figures/`` and ``run/tables/``.

    Args:
        run: Folder with ``scores.parquet`` or ``explanations.parquet``. Read where present: ``predictions.parquet``,
            ``manifest.parquet``, ``audit.parquet``, ``differences.parquet``, ``run.json``, ``heatmaps/``,
            ``annotations.parquet`` and the tables of ``EXPERIMENTS``.
        out: The page to write.
        audit: Table of ``data.audit`` to show instead of ``audit.parquet``; a ``view`` column is optional.
        title: Headline; default: the name of the folder.

    Returns:
        Path of the page.

    Raises:
        SynthscopeError: The run has neither scores nor explanations, or a file in it is broken.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    run = Path(run)
    environment = Environment(
        loader=PackageLoader("synthscope.report.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["breakable"] = _breakable
    others = any((run / f"{name}.parquet").is_file() for name in ("explanations", "truth"))
    scored = (run / "scores.parquet").is_file() or not others
    tables = read_experiments(run)
    seeds = conform(tables["seeds"], SEEDS, str(run / "seeds.parquet"))
    contents = _contents(read_run(run, audit), run / "figures", seeds) if scored else _unscored(run)
    evidence = _evidence(run, tables, run / "figures")
    page = environment.get_template("report.html").render(
        title=title or run.resolve().name, scored=scored, seeded=seeds.height > 0, **evidence, **contents
    )
    if scored:
        write_tables(run)
    target = out or run / "report.html"
    with whole_file(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return target


def write_tables(run: Path) -> list[Path]:
    """Write the tables of ``run/scores.parquet`` as Markdown, LaTeX and CSV into ``run/tables/``; returns the files."""
    source = read_run(run)
    tables = [table for metric in _tabs(source.scores) for table in tables_of(source.scores, metric=metric)]
    tables += seed_tables(read_experiments(run)["seeds"])
    if source.audit.height:
        tables.append(audit_table(source.audit))
    for view in views_of(source.differences):
        rows = source.differences.filter(view=view)
        tables += [
            difference_table(source.differences, metric=metric, view=view) for metric in distinct(rows, "metric")
        ]
    written = []
    for table in tables:
        for suffix, text in (("md", table.to_markdown()), ("tex", table.to_latex()), ("csv", table.to_csv())):
            written.append(run / "tables" / f"{table.name}.{suffix}")
            with whole_file(written[-1]) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return written


def _breakable(text: str) -> Markup:
    """Escaped text that may break after the signs that join the words of an id."""
    return Markup(re.sub(r"([_|+]|[:.,](?!\d))(?=\w)", r"\1<wbr>", str(escape(text))))  # noqa: S704 - escaped just here


def _tabs(scores: pl.DataFrame) -> list[str]:
    """Metrics that get a matrix of their own."""
    return [name for name in TABS if name in scores["metric"]] or [headline_metric(scores)]


def _contents(run: Run, folder: Path, seeds: pl.DataFrame) -> dict[str, Any]:
    """Everything the template prints; the figures are written to ``folder`` on the way."""
    scores, words = run.scores, view_names(run.scores)
    views = views_of(scores)
    metric, raw = headline_metric(scores), views[0]
    tabs = _tabs(scores)
    leaders = distinct(ranked(scores, metric, raw), "detector") or distinct(scores, "detector")
    return {
        "answer": (answer_over_seeds(seeds) or answer(scores)) + missing(run.failures),
        "warnings": [text for _, rows in run.audit.group_by("view", maintain_order=True) if (text := warning(rows))],
        "recipes": [(word, view) for view, word in words.items() if view != "none"],
        "views": grids.views(scores, metric),
        "tabs": [(metric_name(name), [grids.matrix(scores, name, view) for view in views]) for name in tabs],
        "every_metric": [grids.all_metrics(scores, view) for view in views],
        "degraded": [grid for view in views if (grid := grids.degraded(scores, tabs[0], view)).rows],
        "published": [grids.of_table(table) for view in views for table in beside(scores, metric=tabs[0], view=view)],
        "differences": [grids.differences(run.differences, view) for view in views_of(run.differences)],
        "audit": [
            (words.get(view, view), rows.rows(named=True))
            for (view,), rows in run.audit.group_by("view", maintain_order=True)
        ],
        "figures": _figures(run, folder, metric, views, leaders),
        "galleries": galleries(run.predictions, leaders[:MAX_GALLERIES], view=raw),
        "unseen_galleries": max(len(leaders) - MAX_GALLERIES, 0),
        "unreadable": run.unreadable.head(MAX_LISTED).rows(),
        "n_unreadable": run.unreadable.height,
        "detectors": detector_facts(run),
        "images": image_facts(run),
        "settings": run.settings,
    }


def _unscored(run: Path) -> dict[str, Any]:
    """What the page of a run of heatmaps, or of the truth test, prints beside its evidence."""
    errors = pl.DataFrame(schema=dict.fromkeys(["path", "error"], pl.String))
    if (run / "explanations.parquet").is_file():
        errors = pl.read_parquet(run / "explanations.parquet", columns=["path", "error"])
    errors = errors.drop_nulls("error").unique("path")
    unreadable = errors.sort("path").head(MAX_LISTED).rows()
    return {"settings": explain_settings(run), "unreadable": unreadable, "n_unreadable": errors.height}


def _figures(run: Run, folder: Path, metric: str, views: list[str], leaders: list[str]) -> dict[str, list[Drawing]]:
    """Drawings under the name of the section that shows them."""
    words, raw = view_names(run.scores), views[0]
    drawn: dict[str, list[Drawing]] = {"audit": [], "matrix": [], "degraded": [], "images": []}

    def add(section: str, stem: str, title: str, figure: Figure, alt: str) -> None:
        drawn[section].append(drawing(figure, folder / stem, title, alt))

    if run.audit.height:
        alt = "Bars: balanced accuracy of file attributes alone, per subset; the table holds the numbers."
        add("audit", "audit", "What file attributes alone can tell", figures.audit_figure(run.audit), alt)
    for index, view in enumerate(views):
        tag, word = f"-view{index}" if index else "", words[view]
        save_figure(figures.matrix_figure(run.scores, _tabs(run.scores)[0], view), folder / f"matrix{tag}")
        title = f"{metric_name(metric)} with intervals, {word} images"
        alt = "Dots with 95 % intervals, a panel per test set; the tables hold the numbers."
        add("matrix", f"intervals{tag}", title, figures.interval_figure(run.scores, metric, view), alt)
        if not grids.comparable(grids.chosen(run.scores, metric, view)).is_empty():
            title = f"{metric_name(metric)} under degradations, {word} images"
            alt = "Dots with 95 % intervals, a panel per degradation; the tables hold the numbers."
            add("degraded", f"degradations{tag}", title, figures.degradation_figure(run.scores, metric, view), alt)
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


def _evidence(run: Path, tables: dict[str, pl.DataFrame], folder: Path) -> dict[str, Any]:
    """What the page shows of explanations and of the experiments on them; figures are written to ``folder``."""
    scores = tables["explanation_scores"]
    grids, drawn, looks = [], [], None
    if scores.height:
        grids = explanations.explanation_grids(scores)
        figure = explanations.explanation_figure(scores)
        alt = "Dots with 95 % intervals, a panel per measure; the table holds the numbers."
        drawn.append(drawing(figure, folder / "explanations", "Heatmaps against annotations", alt))
    if has_heatmaps(run):
        from synthscope.report.heatmaps.examples import gallery  # needs torch, which tables and figures do not

        looks = gallery(run)
    sections = []
    for section in explanations.sections(tables):
        pictures = [
            drawing(figure, folder / stem, title, f"{title}: dots with 95 % intervals; the tables hold the numbers.")
            for stem, title, figure in section.figures
        ]
        if section.anchor == "truth" and (run / "truth.svg").is_file():
            pictures = [stored_drawing(run / "truth.png", "Artifacts less fingerprints", "The numbers of the table.")]
        if section.anchor == "fidelity":
            alt = "Recall of every generator over its damage; the tables hold the numbers."
            drawable = (run / "predictions.parquet").is_file() and (run / "fidelity_images.parquet").is_file()
            files = [file for file in save_fidelity_figure(run) if file.suffix == ".png"] if drawable else []
            pictures = [stored_drawing(png, "Recall and fidelity", alt) for png in files]
        sections.append((section, pictures))
    return {
        "finding": explanations.finding(scores) if scores.height else "",
        "explanation_grids": grids,
        "explanation_figures": drawn,
        "looks": looks,
        "sections": sections,
    }
