"""``synthscope data index``, ``verify``, ``audit``, ``align`` and ``sandbox``: tables of images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from synthscope.cli.arguments import Remote, Seed, Source, Threads, View, Where, Workers, exit_with_unreadable, load
from synthscope.errors import SynthscopeError, UsageError
from synthscope.runtime.told import printable


def data_index(
    source: Source,
    out: Annotated[Path, typer.Option("-o", "--out", help="Manifest to write (.parquet).")],
    group: Annotated[str | None, typer.Option(help='"class": images of an ImageNet class stay together.')] = None,
    workers: Workers = None,
    remote: Remote = False,
) -> None:
    """Read the headers of all images of a collection into a manifest; or group the images of a manifest anew."""
    from synthscope.data.index import index_to
    from synthscope.data.layouts.imagenet import group_by_class
    from synthscope.data.manifest import describe, load_manifest, save_manifest
    from synthscope.data.remote.permission import allow_source

    if group not in (None, "class"):
        raise UsageError(f"Expected --group class, got {group!r}. Correct it.")
    allow_source(source)
    if source.endswith(".parquet") and ":" not in source:
        table = load_manifest(source)
        save_manifest(group_by_class(table) if group else table, out)
    else:
        index_to(source, out, group=cast(Any, group), workers=workers)
    table = load_manifest(out)
    print(describe(table))
    exit_with_unreadable(table)


def data_verify(
    source: Source,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Manifest to write; default: the same file.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete damaged files; lists them in deleted.csv.")] = False,
    workers: Workers = None,
    remote: Remote = False,
) -> None:
    """Decode every image, fill in its SHA-256, list what cannot be used and duplicates; is my GenImage complete?"""
    from synthscope.data.completeness import completeness
    from synthscope.data.damage import delete_damaged
    from synthscope.data.duplicates import conflict, describe_duplicates, duplicates
    from synthscope.data.manifest import describe, load_manifest, missing_labels, save_manifest, verify
    from synthscope.data.remote.permission import allow_source

    allow_source(source)
    target = out or (Path(source) if source.endswith(".parquet") else None)
    if target is None:
        raise UsageError(f"Expected a manifest to update or --out, got {source!r}. Add -o manifest.parquet.")
    table = verify(load_manifest(source), workers=workers)
    save_manifest(table, target)
    print(describe(table))
    if sentence := missing_labels(table, source):
        print(sentence, file=sys.stderr)
    if (genimage := table.filter(table["source"].fill_null("").str.starts_with("genimage:"))).height:
        print(f"\n{completeness(genimage).to_text()}")
    if delete:
        listing = target.parent / "deleted.csv"
        deleted = delete_damaged(table, listing)
        save_manifest(table.join(deleted, on="path", how="anti", maintain_order="left"), target)
        print(f"\n{deleted.height} damaged files deleted{f', listed in {listing}' if deleted.height else ''}.")
    found = duplicates(table)
    if told := describe_duplicates(found):
        print(f"\n{told}")
    if wrong := conflict(found):
        raise SynthscopeError(wrong)
    exit_with_unreadable(table)


def data_audit(
    source: Source,
    view: View = None,
    where: Where = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Also write the table (.parquet or .csv).")] = None,
    remote: Remote = False,
) -> None:
    """Can format, size, aspect, JPEG quality or bytes per pixel alone tell the label, or the history of the pixels?"""
    from synthscope.data.audit import audit, warning
    from synthscope.data.duplicates import conflict, describe_duplicates, duplicates
    from synthscope.data.manifest import check_two_classes
    from synthscope.data.near_duplicates.known import known_clusters
    from synthscope.schema import write_table
    from synthscope.tables.benchmark import audit_table

    images = load(source, where, view)
    check_two_classes(images, source)
    table = audit(images)
    print(audit_table(table).to_text())
    found, unhashed = duplicates(images), images.filter(images["error"].is_null() & images["sha256"].is_null()).height
    for sentence in (warning(table), describe_duplicates(found), conflict(found), *known_clusters(source, images)):
        if sentence:
            print(f"\n{printable(sentence)}")
    if unhashed:
        print(f"\nDuplicates are not looked for among {unhashed:,} images without a SHA-256: synthscope data verify.")
    if out is not None:
        write_table(table, out)


def data_align(
    source: Source,
    out: Annotated[Path, typer.Option("-o", "--out", help="Manifest (.parquet); with --write a folder.")],
    write: Annotated[bool, typer.Option("--write", help="Write files instead of views that differ by class.")] = False,
    protocol: Annotated[str, typer.Option(help="size_constrained | jpeg96")] = "size_constrained",
    smallest: Annotated[int | None, typer.Option("--min", help="Pixels of the shorter side; also the crop.")] = None,
    largest: Annotated[int | None, typer.Option("--max", help="Pixels of the longer side.")] = None,
    quality: Annotated[str | None, typer.Option(help="JPEG quality of the images that count: 96 or 95..96.")] = None,
    crop: Annotated[int | None, typer.Option(help="Centre crop, in pixels.")] = None,
    grid: Annotated[int | None, typer.Option(help="Crop on a grid of so many pixels; 16 keeps JPEG's blocks.")] = None,
    balance: Annotated[str | None, typer.Option(help="As many real as AI images of each: class | subset.")] = None,
    metadata: Annotated[Path | None, typer.Option(help='metadata.csv of "Fake or JPEG?": qualities, classes.')] = None,
    where: Where = None,
    seed: Seed = 0,
    workers: Workers = None,
) -> None:
    """Choose real and AI images alike in size and JPEG quality, and compress the AI images once ("Fake or JPEG?")."""
    from synthscope.data.align.files import write_aligned
    from synthscope.data.align.protocols import protocol_named
    from synthscope.data.align.select import align, describe_changes
    from synthscope.data.manifest import save_manifest
    from synthscope.data.metadata import join_metadata

    if write == (out.suffix == ".parquet"):
        form = "a folder beside --write" if write else "a manifest (.parquet), or a folder and --write"
        raise UsageError(f"Expected {form} after -o, got {out}. Change one of the two.")
    given = {
        "min": smallest, "max": largest, "quality": _range(quality), "crop": crop, "grid": grid, "balance": balance
    }  # fmt: skip
    rule = protocol_named(protocol, {name: value for name, value in given.items() if value is not None})
    images = load(source, where, None)
    if metadata is not None:
        images, joined = join_metadata(images, metadata)
        print(f"{joined}\n")
    table = align(images, rule, seed=seed)
    print(describe_changes(images, table))
    if rule.balance == "class" and (unknown := images["class_index"].null_count()):
        advice = "give them with ?val_labels=FILE or --metadata, or balance by subset"
        print(f"{unknown:,} images of unknown class are left out; {advice}")
    if write:
        table, out = write_aligned(table, out, workers=workers), out / "manifest.parquet"
    save_manifest(table, out)
    for view, label in table.select("view", "label").unique().sort("label", "view").iter_rows():
        print(f"{'AI' if label else 'real'} images are seen {'as stored' if view == 'none' else f'through {view}'}")
    print(out)
    exit_with_unreadable(table)


def data_sandbox(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
    size: Annotated[int, typer.Option(help="Side of a picture in pixels, a multiple of 8.")] = 128,
    train: Annotated[int, typer.Option(help="Generated training images per generator; as many photographs.")] = 160,
    val: Annotated[int, typer.Option(help="Generated test images per generator; as many photographs.")] = 40,
    classes: Annotated[int, typer.Option(help="Kinds of main object.")] = 10,
    seed: Seed = 0,
    fingerprint: Annotated[str, typer.Option(help="on | off: do generators leave the traces of a decoder?")] = "on",
    artifacts: Annotated[str, typer.Option(help="on | off | RATE: share of generated images with artifacts.")] = "on",
    formats: Annotated[str, typer.Option(help="raw | aligned: do file formats and sizes tell the label?")] = "raw",
    workers: Threads = 2,
) -> None:
    """Write a small world with known generators and known artifacts, in the layouts of the real data sets."""
    from synthscope.sandbox import build_sandbox

    report = build_sandbox(
        out, size=size, classes=classes, train=train, val=val, seed=seed, fingerprint=bool(_switch(fingerprint)),
        artifacts=_switch(artifacts, rate=True), formats=cast(Any, formats), workers=workers,
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


def _range(text: str | None) -> tuple[int, int] | None:
    """``96`` or ``95..96``."""
    if text is None:
        return None
    first, dots, last = text.partition("..")
    try:
        return int(first), int(last if dots else first)
    except ValueError:
        raise UsageError(f"Expected a quality such as 96 or 95..96, got {text!r}. Correct it.") from None
