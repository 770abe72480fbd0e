"""``synthscope data``: tables of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from synthscope.cli.arguments import Source, View, Where, Workers, exit_with_unreadable, load
from synthscope.errors import UsageError

data = typer.Typer(help="Tables of images: index, verify, audit, sandbox.", no_args_is_help=True)


@data.command("index")
def data_index(
    source: Source,
    out: Annotated[Path, typer.Option("-o", "--out", help="Manifest to write (.parquet).")],
    workers: Workers = None,
) -> None:
    """Read the headers of all images of a collection into a manifest."""
    from synthscope.data.layouts import index_to
    from synthscope.data.manifest import describe, load_manifest

    index_to(source, out, workers=workers)
    table = load_manifest(out)
    print(describe(table))
    exit_with_unreadable(table)


@data.command("verify")
def data_verify(
    source: Source,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Manifest to write; default: the same file.")] = None,
    workers: Workers = None,
) -> None:
    """Decode every image, fill in its SHA-256, and list what cannot be used."""
    from synthscope.data.manifest import describe, load_manifest, save_manifest, verify

    target = out or (Path(source) if source.endswith(".parquet") else None)
    if target is None:
        raise UsageError(f"Expected a manifest to update or --out, got {source!r}. Add -o manifest.parquet.")
    table = verify(load_manifest(source), workers=workers)
    save_manifest(table, target)
    print(describe(table))
    exit_with_unreadable(table)


@data.command("audit")
def data_audit(
    source: Source,
    view: View = None,
    where: Where = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Also write the table (.parquet or .csv).")] = None,
) -> None:
    """Can format, size, aspect, JPEG quality or bytes per pixel alone tell the label?"""
    from synthscope.data.audit import audit, warning
    from synthscope.data.manifest import check_two_classes
    from synthscope.evaluation.tables import audit_table, write_table

    images = load(source, where, view)
    check_two_classes(images, source)
    table = audit(images)
    print(audit_table(table).to_text())
    if sentence := warning(table):
        print(f"\n{sentence}")
    if out is not None:
        write_table(table, out)


@data.command("sandbox")
def data_sandbox(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
    size: Annotated[int, typer.Option(help="Side of a picture in pixels, a multiple of 8.")] = 128,
    train: Annotated[int, typer.Option(help="Generated training images per generator; as many photographs.")] = 160,
    val: Annotated[int, typer.Option(help="Generated test images per generator; as many photographs.")] = 40,
    classes: Annotated[int, typer.Option(help="Kinds of main object.")] = 10,
    seed: int = 0,
    fingerprint: Annotated[str, typer.Option(help="on | off: do generators leave the traces of a decoder?")] = "on",
    artifacts: Annotated[str, typer.Option(help="on | off | RATE: share of generated images with artifacts.")] = "on",
    formats: Annotated[str, typer.Option(help="raw | aligned: do file formats and sizes tell the label?")] = "raw",
    workers: Workers = None,
) -> None:
    """Write a small world with known generators and known artifacts, in the layouts of the real data sets."""
    from synthscope.data.sandbox import build_sandbox

    report = build_sandbox(
        out, size=size, classes=classes, train=train, val=val, seed=seed, fingerprint=bool(_switch(fingerprint)),
        artifacts=_switch(artifacts, rate=True), formats=cast(Any, formats), workers=workers or 2,
    )  # fmt: skip
    print(f"{report.real} real and {report.ai} AI images, {sum(report.regions.values())} artifacts in {report.folder}")
    for folder in (report.genimage, report.xaigd):
        print(f"  {folder}")


def _switch(text: str, *, rate: bool = False) -> bool | float:
    """``on`` or ``off``, or a number where a rate may stand."""
    if text in ("on", "off"):
        return text == "on"
    try:
        if rate:
            return float(text)
    except ValueError:
        pass
    raise UsageError(f"Expected on, off{' or a rate' if rate else ''}, got {text!r}. Choose one.")
