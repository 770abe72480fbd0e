"""``synthscope export``: a detector for programs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export_command(
    detector: Annotated[str, typer.Argument(help="Detector folder, bundled, local-dir: or hf-hub:.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the graph, detector.json and run.py.")],
    form: Annotated[str, typer.Option("--format", help="onnx | openvino")] = "onnx",
    image: Annotated[
        list[Path] | None, typer.Option("--image", help="A file on which both are compared; may be repeated.")
    ] = None,
) -> None:
    """Write a detector's graph, its preprocessing in words, and a program that runs both without torch."""
    from synthscope.inference.export.folder import export_detector

    parity = export_detector(detector, out, form=form, images=image or [])
    print(out)
    print(parity)
