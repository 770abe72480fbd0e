"""``synthscope data dedupe``: which images look alike?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import Remote, Source, Where, Workers, exit_with_unreadable, load
from synthscope.runtime.told import printable

SHOWN = 20  # lines of clusters on the terminal
Threshold = Annotated[
    int, typer.Option("--threshold", help="Bits of 64 in which perceptual hashes of copies may differ.")
]
Hashes = Annotated[
    Path | None,
    typer.Option("--hashes", help="Folder of hashes, with which a stopped run goes on; default MANIFEST.hashes."),
]


def dedupe_command(
    source: Source,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="List of clusters to write (.csv or .parquet).")
    ] = None,
    threshold: Threshold = 6,
    drop: Annotated[Path | None, typer.Option("--drop", help="Manifest to write, without later copies.")] = None,
    where: Where = None,
    hashes: Hashes = None,
    workers: Workers = None,
    remote: Remote = False,
) -> None:
    """List images that look alike, and warn where they stand in several splits or are called real and AI."""
    import polars as pl

    from synthscope.data.manifest import errors_of, save_manifest
    from synthscope.data.near_duplicates.clusters import copies, describe_clusters, find_clusters
    from synthscope.data.near_duplicates.stored import describe_hashes, hash_images, hashes_beside
    from synthscope.schema import write_table
    from synthscope.tables.render import plain_text

    images = load(source, where, None, unlabelled=True)
    place = hashes or (hashes_beside(source) if Path(source).is_file() else out and hashes_beside(out))
    hashed = hash_images(images, place, workers=workers)
    clusters = find_clusters(images, hashed, threshold)
    if clusters.height:
        print(plain_text(clusters.select("cluster", "distance", "label", "split", "path").head(SHOWN)))
        more = f"… {clusters.height - SHOWN:,} more; -o writes all.\n" if clusters.height > SHOWN else ""
        print(more)
    for sentence in [*describe_clusters(clusters), *describe_hashes(hashed)]:
        print(printable(sentence))
    if out is not None:
        write_table(clusters, out)
    if drop is not None:
        later = copies(clusters, threshold)
        save_manifest(images.filter(~images["path"].is_in(later.implode())), drop)
        print(f"{drop}: {len(later):,} later copies are left out.")
    exit_with_unreadable(pl.concat([errors_of(images), errors_of(hashed)]))
