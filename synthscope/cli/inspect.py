"""``synthscope inspect``: what can be said of files, with evidence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import (
    Detectors,
    Explainers,
    Level,
    Workers,
    exit_with_unreadable,
    explainers,
    from_stdin,
    plain,
)
from synthscope.errors import UsageError


def inspect_command(
    files: Annotated[
        list[str],
        typer.Argument(help="Files, folders and 'patterns/*.jpg', - for paths on stdin.", metavar="IMAGES..."),
    ],
    detector: Detectors = None,
    explainer: Explainers = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of evidence and heatmaps.")] = Path("runs/inspect"),
    json: Annotated[bool, typer.Option("--json", help="Print evidence as JSON, a line a file.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print a table: path, logit, p_ai, answer …")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page: a .html file, or for several files a folder with an index.")
    ] = None,
    level: Level = 0.01,
    quick: Annotated[bool, typer.Option("--quick", help="Scores alone: no re-delivery, heatmaps, provenance.")] = False,
    twin: Annotated[
        bool, typer.Option("--twin", help="Also heatmaps of the same networks with random weights.")
    ] = False,
    private: Annotated[bool, typer.Option("--private", help="Also tell prompts, places and serial numbers.")] = False,
    workers: Workers = None,
) -> None:
    """Say what can be said of images: an answer against reference photographs, its stability, heatmaps, provenance."""
    from synthscope.config import validate
    from synthscope.inspection.calibrated import load_calibrated
    from synthscope.inspection.expand import image_paths
    from synthscope.inspection.inspect import Settings
    from synthscope.inspection.run import inspect_files
    from synthscope.inspection.table import summary, table, unread
    from synthscope.inspection.text import evidence_text
    from synthscope.schema import csv_text

    if json and csv:
        raise UsageError("Expected --json or --csv, got both. Choose one.")
    if wrong := [file for file in files if file != "-" and not plain(file)]:
        raise UsageError(f"Expected files or folders of images, got {wrong[0]}. Name the images themselves.")
    told = {"level": level, "stability": not quick, "explainers": () if quick else explainers(explainer)}
    told |= {"twin": twin, "private": private, "provenance": not quick}
    settings = validate(Settings, told, "the options")
    paths = image_paths(from_stdin(files))
    asked = [load_calibrated(spec) for spec in detector or ["bundled"]]
    inspected = []
    for one in inspect_files(paths, asked, settings, out=out, workers=workers):
        inspected.append(one)
        if json:
            print(one.evidence.model_dump_json(), flush=True)
        elif not csv and len(paths) == 1:
            print(evidence_text(one.evidence))
            for heatmap in one.evidence.heatmaps:
                print(f"Heatmap of {heatmap.detector}: {out / (heatmap.overlay or '')}")
    if csv:
        print(csv_text(table(inspected, asked)), end="")
    elif not json and len(paths) > 1:
        print(summary(inspected))
    if html is not None:
        from synthscope.inspection.pages import write_pages

        print(write_pages(inspected, out, html), file=sys.stderr if json or csv else sys.stdout)
    exit_with_unreadable(unread(inspected))
