"""``synthscope data split`` and ``pair``: divide images so that nothing leaks, and put fakes beside photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import Remote, Seed, Source, Where, Workers, exit_with_unreadable, load
from synthscope.cli.data.dedupe import Hashes, Threshold

Manifest = Annotated[Path, typer.Option("-o", "--out", help="Manifest to write (.parquet).")]


def split_command(
    source: Source,
    out: Manifest,
    val: Annotated[float, typer.Option(help="Share of the images that settings are chosen by.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the images that are tested on.")] = 0.1,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Keep whole, beside groups and near-duplicates: class | source | generator; repeatable."),
    ] = None,
    threshold: Threshold = 6,
    where: Where = None,
    seed: Seed = 0,
    hashes: Hashes = None,
    workers: Workers = None,
    remote: Remote = False,
) -> None:
    """Divide images into train, val and test: groups, copies and near-duplicates stay in one split."""
    from synthscope.data.manifest import save_manifest
    from synthscope.data.near_duplicates.clusters import find_clusters
    from synthscope.data.near_duplicates.stored import hash_images, hashes_beside
    from synthscope.data.splits import describe_outcome, divide, outcome, split_shares

    shares = split_shares(val, test)
    images = load(source, where, None, unlabelled=True)
    place = hashes or hashes_beside(source if Path(source).is_file() else out)
    hashed = hash_images(images, place, workers=workers)
    clusters = find_clusters(images, hashed, threshold)
    table = divide(images, shares, by=by or (), near=clusters, seed=seed)
    save_manifest(table, out)
    print(describe_outcome(outcome(table, shares)))
    print(f"{clusters['cluster'].n_unique():,} clusters of near-duplicates, each in one split.")
    exit_with_unreadable(hashed)


def pair_command(source: Source, out: Manifest, where: Where = None, seed: Seed = 0, remote: Remote = False) -> None:
    """Keep as many real as AI images: AI images beside those of their group, else their class, else their source."""
    from synthscope.data.manifest import describe, save_manifest
    from synthscope.data.pairing import pair

    images = load(source, where, None)
    table, counts = pair(images, seed=seed)
    save_manifest(table, out)
    print(describe(table))
    told = ", ".join(f"{n:,} by {level.removesuffix('_index')}" for level, n in counts.items())
    print(f"AI images paired: {told}. {images.height - table.height:,} of {images.height:,} rows are left out.")
