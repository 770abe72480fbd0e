"""``synthscope annotate``: regions that people marked in images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import Seed
from synthscope.runtime.told import printable

annotate = typer.Typer(
    help="Annotations of artifacts: import, export, validate, agreement, config.", no_args_is_help=True
)
Annotations = Annotated[
    str, typer.Argument(help="A table (.parquet) or FORMAT:PATH, such as xaigd:DIR, coco:FILE or labelstudio:FILE.")
]


@annotate.command("import")
def import_command(
    source: Annotations,
    out: Annotated[Path, typer.Option("-o", "--out", help="Table to write (.parquet).")],
) -> None:
    """Read annotations of any format into one table; add sizes and SHA-256 of the images that are there."""
    from synthscope.annotations import load_annotations, save_annotations
    from synthscope.annotations.records import fill_in_files

    table = fill_in_files(load_annotations(source))
    save_annotations(table, out)
    clean = table.filter(table["region"].is_null())["path"].n_unique()
    print(f"{table['region'].count()} regions in {table['path'].n_unique()} images, {clean} of them without any: {out}")
    if unknown := table.filter(table["width"].is_null())["path"].n_unique():
        print(f"The sizes of {unknown} images are not known: the files are not there.", file=sys.stderr)


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
