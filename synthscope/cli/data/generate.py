"""``synthscope data generate``: images of classes or captions by many generators, in GenImage's layout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthscope.cli.arguments import Seed, Where, at_least, load
from synthscope.errors import UsageError
from synthscope.runtime.told import printable

if TYPE_CHECKING:
    from synthscope.generation.contract import Order
    from synthscope.generation.estimate import Estimate

Count = Annotated[int, typer.Option(callback=at_least(0), help="Images of each class for each generator.")]


def generate_command(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
    generator: Annotated[
        list[str],
        typer.Option(
            "-g",
            "--generator",
            help="diffusers:, vae:, inversion:, inpaint: and FOLDER?steps=20 or OWNER/NAME; http:URL?model=…",
        ),
    ],
    classes: Annotated[str | None, typer.Option(help="imagenet, or a list: .txt or .csv.")] = None,
    train: Count = 0,
    val: Count = 0,
    template: Annotated[list[str] | None, typer.Option(help='"a photo of {name}"; may be repeated.')] = None,
    prompts: Annotated[Path | None, typer.Option(help="Prompts or templates, a line each; or .csv.")] = None,
    negative: Annotated[str, typer.Option(help="Negative prompt.")] = "",
    captions: Annotated[
        Path | None, typer.Option(help="Instead of classes: a table path,caption of real images.")
    ] = None,
    reals: Annotated[
        str | None, typer.Option(help="Manifest or LAYOUT:PATH: a real of its class for every fake.")
    ] = None,
    reconstruct: Annotated[
        str | None, typer.Option(help="Instead of classes: a fake of every photograph of a manifest or LAYOUT:PATH.")
    ] = None,
    like_source: Annotated[
        bool, typer.Option("--like-source", help="Save fakes as their sources are: container, size, JPEG tables.")
    ] = False,
    resave_source: Annotated[
        bool, typer.Option("--resave-source", help="And the copies of the sources anew; for inpaint.")
    ] = False,
    where: Where = None,
    seed: Seed = 0,
    shard: Annotated[str | None, typer.Option(help="i/n: make one of n parts; the parts merge in one folder.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch models from the hub; says which.")] = False,
    max_cost: Annotated[float, typer.Option(min=0, help="What all images of paid APIs together may cost.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Images, hours and bytes, from a few images.")] = False,
) -> None:
    """Make images of classes or captions with several generators, each beside a real one. Run again to go on."""
    from synthscope.generation.contract import Permission
    from synthscope.generation.estimate import estimate
    from synthscope.generation.reconstruct.alike import LikeSource, saving
    from synthscope.generation.reconstruct.regions import write_regions
    from synthscope.generation.run import generate
    from synthscope.generation.spec import open_generator
    from synthscope.inference.predict import parse_shard

    part = parse_shard(shard) or (0, 1)
    permission = Permission(download, max_cost)
    if resave_source and not like_source:
        raise UsageError("Expected --resave-source beside --like-source, got it alone. Add that, or leave this out.")
    of_classes = bool(classes or train or val or template or prompts or reals)
    if of_classes + (captions is not None) + (reconstruct is not None) > 1:
        raise UsageError("Expected classes and prompts, or --captions, or --reconstruct, got several. Choose one.")
    if captions is not None:
        orders = _captioned(captions, negative)
    elif reconstruct is not None:
        orders = _of_sources(reconstruct, where)
    else:
        orders = _of_classes(classes or "imagenet", train, val, template, prompts, negative, reals, where, seed)
    generators = [open_generator(spec, permission) for spec in generator]
    if like_source:
        generators = [LikeSource(one) for one in generators]
    if dry_run:
        print(_told(estimate(orders, generators, seed=seed)))
        return
    asked = {
        "classes": classes, "train": train, "val": val, "templates": template, "prompts": prompts and str(prompts),
        "negative": negative, "captions": captions and str(captions), "reals": reals, "where": where,
        "reconstruct": reconstruct, "resave_source": resave_source,
    }  # fmt: skip
    save = saving(resave_source=resave_source)
    report = generate(orders, generators, out, seed=seed, asked=asked, permission=permission, save=save, shard=part)
    print(f"{report.made:,} images made, {report.failed:,} failed, {report.missing:,} to come in {out}")
    if not report.missing:
        print(out / "manifest.parquet")
        if (regions := write_regions(out)) is not None:
            print(regions)
    if report.failed:
        print(f"Run again to try the failed ones anew; {out / 'record'} says why.", file=sys.stderr)
        raise typer.Exit(3)


def _of_classes(
    classes: str, train: int, val: int, template: list[str] | None, prompts: Path | None, negative: str,
    reals: str | None, where: str | None, seed: int,
) -> list[Order]:  # fmt: skip
    from synthscope.generation import prompts as prompting
    from synthscope.generation.classes import read_classes
    from synthscope.generation.plan import class_orders, unpaired, with_reals

    kinds = read_classes(classes)
    templates = [prompting.template(text, negative) for text in template or ()]
    if prompts is not None:
        templates += prompting.read_prompts(prompts, kinds, negative)
    templates = templates or [prompting.template(prompting.DEFAULT, negative)]
    orders = class_orders(kinds, templates, train=train, val=val, seed=seed)
    if reals is None:
        return orders
    orders = with_reals(orders, load(reals, where, None), seed)
    if sentence := unpaired(orders):
        print(f"synthscope: warning: {printable(sentence)}", file=sys.stderr)
    return orders


def _captioned(captions: Path, negative: str) -> list[Order]:
    from synthscope.generation.captions import caption_orders

    return caption_orders(captions, negative=negative)


def _of_sources(reconstruct: str, where: str | None) -> list[Order]:
    from synthscope.generation.reconstruct.orders import source_orders

    return source_orders(load(reconstruct, where, None))


def _told(estimates: list[Estimate]) -> str:
    from synthscope.data.manifest import in_columns

    splits = list(estimates[0].images)
    rows = [("generator", *splits, "classes", "images", "s/image", "hours", "GB", "cost")]
    for one in estimates:
        hours = "?" if one.seconds is None else f"{one.seconds * one.total / 3600:.2f}"
        size = "?" if one.bytes is None else f"{(one.bytes * one.total + one.real_bytes) / 1e9:.3f}"
        counts = [f"{one.images[split]:,}" for split in splits]
        pace = "?" if one.seconds is None else f"{one.seconds:.2f}"
        rows.append((one.generator, *counts, f"{one.classes:,}", f"{one.total:,}", pace, hours, size, f"{one.cost:g}"))
    known = [one.seconds * one.total / 3600 for one in estimates if one.seconds is not None]
    told = f"{sum(known):.2f} hours one after the other on this device; --shard i/n divides them."
    return f"{in_columns(rows, left=1)}\n{told}"
