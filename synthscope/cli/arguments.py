"""Arguments that several verbs share, and what they do with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthscope.runtime.told import printable

if TYPE_CHECKING:
    import polars as pl

Source = Annotated[str, typer.Argument(help="A manifest (.parquet) or LAYOUT:PATH, such as genimage:/data/GenImage.")]
Where = Annotated[str | None, typer.Option("--where", help='Keep some rows: "split=val subset=ADM,glide label=1".')]
Workers = Annotated[int | None, typer.Option("-j", "--workers", help="Parallel workers; never changes a result.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Change one value of the recipe: key.path=value.")]
View = Annotated[str | None, typer.Option(help='Recipe applied after decoding: "crop:size=256,grid=16|jpeg:q=96".')]
Out = Annotated[Path, typer.Option("-o", "--out", help="Run folder.")]


def load(source: str, where: str | None, view: str | None) -> pl.DataFrame:
    """The images of ``source``, filtered and seen through ``view``."""
    from synthscope.data.manifest import filter_manifest, load_manifest, with_view

    table = load_manifest(source)
    table = filter_manifest(table, where) if where else table
    return with_view(table, view) if view else table


def exit_with_unreadable(table: pl.DataFrame) -> None:
    """List the files that could not be used and exit with 3, if there are any."""
    from synthscope.data.manifest import errors_of

    bad = errors_of(table).unique(maintain_order=True)
    if bad.height:
        print(f"{bad.height} unreadable:", file=sys.stderr)
        for path, error in bad.iter_rows():
            print(f"  {printable(path)}: {printable(error)}", file=sys.stderr)
        raise typer.Exit(3)
