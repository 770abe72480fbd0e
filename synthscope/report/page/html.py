"""One self-contained page for a run folder: answer, matrices, degradations, heatmaps, errors, how it was measured.

The page holds no script, loads nothing, and says so in its content security policy; every text from a table is escaped.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthscope.report.choice import Choice
from synthscope.report.page.contents import heatmap_contents, scored_contents, tabs, unscored_contents
from synthscope.report.page.environment import environment
from synthscope.report.page.run import read_experiments, read_run
from synthscope.runtime.files import write_text
from synthscope.schema import conform
from synthscope.scoring.seeds import SEEDS
from synthscope.tables.benchmark import audit_table, tables_of
from synthscope.tables.differences import difference_tables
from synthscope.tables.generalization import generalization_tables
from synthscope.tables.left_out import left_out_tables
from synthscope.tables.seeds import seed_tables
from synthscope.tables.slices import class_tables, worst_group_tables


def write_report(
    run: str | Path,
    *,
    out: Path | None = None,
    audit: pl.DataFrame | None = None,
    title: str | None = None,
    files: str | None = None,
    limit: int | None = None,
) -> Path:
    """Write ``run/report.html`` (or ``out``), and beside the scores ``run/figures/`` and ``run/tables/``.

    Args:
        run: Folder with ``scores.parquet`` or ``explanations.parquet``. Read where present: ``predictions.parquet``,
            ``manifest.parquet``, ``audit.parquet``, ``differences.parquet``, ``generalization.parquet``,
            ``left_out.parquet``, ``costs.parquet``, ``run.json``, ``heatmaps/``, ``annotations.parquet`` and the tables
            of ``EXPERIMENTS``.
        out: The page to write.
        audit: Table of ``data.audit`` to show instead of ``audit.parquet``; a ``view`` column is optional.
        title: Headline; default: the name of the folder.
        files: Pattern of the paths, or of their ends, of the images that the galleries show; default: by a rule.
        limit: Most pictures of a kind in a gallery; default: 12, and three heatmaps of the rule.

    Returns:
        Path of the page.

    Raises:
        UsageError: ``files`` match none of the run's images, or ``limit`` is below 1.
        SynthscopeError: The run has neither scores nor heatmaps, or a file in it is broken.
    """
    run, choice = Path(run), Choice(files, limit)
    choice.check(run)
    others = any((run / f"{name}.parquet").is_file() for name in ("explanations", "truth", "attacks"))
    scored = (run / "scores.parquet").is_file() or not others
    tables = read_experiments(run)
    seeds = conform(tables["seeds"], SEEDS, str(run / "seeds.parquet"))
    figures = run / "figures"
    contents = scored_contents(read_run(run, audit), figures, seeds, choice) if scored else unscored_contents(run)
    heatmaps = heatmap_contents(run, tables, figures, choice)
    page = (
        environment()
        .get_template("report.html")
        .render(title=title or run.resolve().name, scored=scored, seeded=seeds.height > 0, **heatmaps, **contents)
    )
    if scored:
        write_tables(run)
    target = out or run / "report.html"
    write_text(target, page)
    return target


def write_tables(run: Path) -> list[Path]:
    """Write the tables of ``run/scores.parquet`` as Markdown, LaTeX and CSV into ``run/tables/``; returns the files."""
    source = read_run(run)
    tables = [table for metric in tabs(source.scores) for table in tables_of(source.scores, metric=metric)]
    for metric in tabs(source.scores):
        tables += left_out_tables(source.left_out, source.costs, metric=metric)
        tables += generalization_tables(source.generalization, metric=metric)
    tables += worst_group_tables(source.worst_groups) + class_tables(source.classes)
    tables += seed_tables(read_experiments(run)["seeds"])
    if source.audit.height:
        tables.append(audit_table(source.audit))
    tables += difference_tables(source.differences)
    written = []
    for table in tables:
        for suffix, text in (("md", table.to_markdown()), ("tex", table.to_latex()), ("csv", table.to_csv())):
            written.append(run / "tables" / f"{table.name}.{suffix}")
            write_text(written[-1], text)
    return written
