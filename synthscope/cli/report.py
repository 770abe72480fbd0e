"""``synthscope report``: the page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import at_least


def report_command(
    run: Annotated[Path, typer.Argument(help="Run folder of a benchmark, or of synthscope explain.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="HTML file; default: RUN/report.html.")] = None,
    title: Annotated[str | None, typer.Option(help="Headline of the report.")] = None,
    files: Annotated[str | None, typer.Option(help="Show these images, not those of the rule: '*/ai/00*.png'.")] = None,
    limit: Annotated[int | None, typer.Option(callback=at_least(1), help="Most images of a kind.")] = None,
) -> None:
    """One self-contained HTML page, with tables and figures beside it."""
    from synthscope.report.page.html import write_report

    print(write_report(run, out=out, title=title, files=files, limit=limit))
