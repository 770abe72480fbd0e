"""``synthscope annotate``: regions that people marked in images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import Seed, Source, Where, at_least, load
from synthscope.runtime.told import printable

annotate = typer.Typer(
    help="Annotations of artifacts: project, import, report, adjudicate, agreement, validate, export, config.",
    no_args_is_help=True,
)
Annotations = Annotated[
    str, typer.Argument(help="A table (.parquet) or FORMAT:PATH, such as xaigd:DIR, coco:FILE or labelstudio:FILE.")
]


AnnotationList = Annotated[
    list[str],
    typer.Argument(help="Tables (.parquet) or FORMAT:PATH …, such as project:DIR; one or several annotators."),
]


@annotate.command("project")
def project_command(
    source: Source,
    out: Annotated[str, typer.Option("-o", "--out", help="labelstudio:DIR, cvat:DIR or labelme:DIR.")],
    annotators: Annotated[str, typer.Option(help="Their names, with commas.")] = "annotator",
    overlap: Annotated[
        float | None, typer.Option(help="Share of images for two annotators; 0.2 of several in a first round.")
    ] = None,
    per_annotator: Annotated[int | None, typer.Option(callback=at_least(1), help="Most images an annotator.")] = None,
    relay: Annotated[
        str | None, typer.Option(help="Annotations of earlier rounds: each image goes to somebody else, marks shown.")
    ] = None,
    only: Annotated[
        Path | None, typer.Option(help="A .csv or .parquet whose column path lists the images, as of annotate report.")
    ] = None,
    seed: Seed = 0,
    where: Where = None,
) -> None:
    """Make a folder to annotate from: images under neutral names, labels, rubric, who gets what."""
    from synthscope.annotations import load_annotations
    from synthscope.annotations.conflicts import listed_paths
    from synthscope.annotations.project.build import build_project

    project = build_project(
        load(source, where, None, unlabelled=True), out, annotators=annotators.split(","), overlap=overlap,
        per_annotator=per_annotator, relay=load_annotations(relay) if relay else None,
        only=listed_paths(only) if only else None, seed=seed,
    )  # fmt: skip
    each = ", ".join(f"{name} {n}" for name, n in project.key["annotator"].value_counts(sort=True).iter_rows())
    images = project.key["path"].n_unique()
    print(f"Round {project.round}: {images} images, {project.key.height - images} of them for two ({each}).")
    print(f"How to go on: {project.folder / 'README.md'}")
    for path in project.unreadable:
        print(f"Left out, unreadable: {printable(path)}", file=sys.stderr)


@annotate.command("import")
def import_command(
    sources: AnnotationList,
    out: Annotated[Path, typer.Option("-o", "--out", help="Table to write (.parquet).")],
) -> None:
    """Read annotations of any format into one table; add sizes and SHA-256 of the images that are there."""
    from synthscope.annotations import save_annotations
    from synthscope.annotations.load import load_together
    from synthscope.annotations.project.read import unfinished
    from synthscope.annotations.records import fill_in_files

    table = fill_in_files(load_together(sources))
    save_annotations(table, out)
    clean = table.filter(table["region"].is_null())["path"].n_unique()
    print(f"{table['region'].count()} regions in {table['path'].n_unique()} images, {clean} of them without any: {out}")
    if unknown := table.filter(table["width"].is_null())["path"].n_unique():
        print(f"The sizes of {unknown} images are not known: the files are not there.", file=sys.stderr)
    for source in sources:
        if source.startswith("project:"):
            for sentence in unfinished(Path(source.removeprefix("project:")).expanduser(), table):
                print(sentence, file=sys.stderr)


@annotate.command("report")
def report_command(
    sources: AnnotationList,
    out: Annotated[Path, typer.Option("-o", "--out", help="Page to write (.html); the list lies beside it (.csv).")],
    limit: Annotated[int, typer.Option(callback=at_least(0), help="Images shown.")] = 12,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 2000,
    seed: Seed = 0,
) -> None:
    """Agreement of annotators as a page, with the images where they disagree most, and the list to adjudicate."""
    from synthscope.annotations.load import load_together
    from synthscope.report.page.annotators import write_agreement_page
    from synthscope.schema import write_table

    found = write_agreement_page(load_together(sources), out, limit=limit, n_resamples=resamples, seed=seed)
    write_table(found, out.with_suffix(".csv"))
    kinds = ", ".join(f"{n} {kind}" for kind, n in found["kind"].value_counts(sort=True).iter_rows()) or "none"
    print(f"Conflicts in {found['path'].n_unique()} images: {kinds}.")
    print(f"Report: {out}\nTo adjudicate: {out.with_suffix('.csv')}")


@annotate.command("adjudicate")
def adjudicate_command(
    sources: AnnotationList,
    out: Annotated[Path, typer.Option("-o", "--out", help="Table to write (.parquet).")],
    adjudicator: Annotated[str | None, typer.Option(help="The annotator whose word is final.")] = None,
) -> None:
    """One annotation of each image: the adjudicator's; else of the last round, what most marked, or all of two."""
    from synthscope.annotations import save_annotations
    from synthscope.annotations.adjudicate import adjudicate
    from synthscope.annotations.load import load_together

    table = adjudicate(load_together(sources), adjudicator=adjudicator)
    save_annotations(table, out)
    by = table.unique("path")["annotator"].fill_null("nobody named").value_counts(sort=True)
    print(f"{table['region'].count()} regions in {table['path'].n_unique()} images: {out}")
    print(f"By {', '.join(f'{name}: {n} images' for name, n in by.iter_rows())}.")


@annotate.command("export")
def export_command(
    source: Annotations,
    out: Annotated[str, typer.Option("-o", "--out", help="coco:FILE, cvat:FILE, labelstudio:FILE or labelme:DIR.")],
) -> None:
    """Write annotations for another tool. Imported again, they are the same."""
    from synthscope.annotations import load_annotations
    from synthscope.annotations.exchange import export

    print(export(load_annotations(source), out))


@annotate.command("validate")
def validate_command(source: Annotations) -> None:
    """List what is wrong, by row; exit with 1 if anything is."""
    from synthscope.annotations import load_annotations
    from synthscope.annotations.validate import validate

    table = load_annotations(source)
    findings = validate(table)
    for finding in findings:
        print(printable(f"{source}: {finding}"))
    print(f"{len(findings)} findings in {table.height} rows.", file=sys.stderr)
    if findings:
        raise typer.Exit(1)


@annotate.command("agreement")
def agreement_command(
    sources: Annotated[list[str], typer.Argument(help="A table for each annotator, or one that names them.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Also write the table (.parquet or .csv).")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 2000,
    seed: Seed = 0,
) -> None:
    """How far annotators of the same images agree on places and categories."""
    from synthscope.annotations import load_annotations
    from synthscope.annotations.agreement import agreement, by_annotator
    from synthscope.data.manifest import in_columns
    from synthscope.schema import write_table

    tables = [load_annotations(source) for source in sources]
    result = agreement(tables if len(tables) > 1 else by_annotator(tables[0]), n_resamples=resamples, seed=seed)
    rows = [
        (row["category"] or "any", row["measure"], *(f"{row[name]:.3f}" for name in ("value", "ci_low", "ci_high")),
         row["n_images"], row["n_regions"])
        for row in result.to_dicts()
    ]  # fmt: skip
    print(in_columns([("category", "measure", "value", "low", "high", "images", "regions"), *rows], left=2))
    if out is not None:
        write_table(result, out)


@annotate.command("config")
def config_command() -> None:
    """Print the labelling configuration of the taxonomy for Label Studio (XML)."""
    from synthscope.annotations.taxonomy import label_studio_config

    print(label_studio_config(), end="")
