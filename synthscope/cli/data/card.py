"""``synthscope data card``: a datasheet of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import Remote, Seed, Source, Where, Workers, exit_with_unreadable, load
from synthscope.cli.data.dedupe import Hashes


def card_command(
    source: Source,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder, or the page to write (.html).")],
    about: Annotated[Path | None, typer.Option(help="What only people know, a .yaml file; see docs/data.md.")] = None,
    licences: Annotated[
        Path | None, typer.Option(help="Table of licences (.csv, .parquet) by path, sha256, generator or source.")
    ] = None,
    no_images: Annotated[bool, typer.Option("--no-images", help="Show no pictures.")] = False,
    where: Where = None,
    seed: Seed = 0,
    hashes: Hashes = None,
    workers: Workers = None,
    remote: Remote = False,
) -> None:
    """Write a datasheet: what is in a data set, what its files give away, copies, samples; a page and README.md."""
    from synthscope.data.card.about import read_about
    from synthscope.data.near_duplicates.stored import hashes_beside
    from synthscope.report.card.contents import read_card
    from synthscope.report.card.html import write_card

    told = read_about(about)
    images = load(source, where, None, unlabelled=True)
    place = hashes or hashes_beside(source if Path(source).is_file() else out / "card.parquet")
    card = read_card(images, source, told, licences=licences, hashes=place, seed=seed, workers=workers)
    for file in write_card(card, out, pictures=not no_images, seed=seed):
        print(file)
    exit_with_unreadable(card.unreadable)
