"""``synthscope data export`` and ``push``: a manifest's images as a data set that others read, and to the hub."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from synthscope.cli.arguments import Remote, Source, Where, exit_with_unreadable, load
from synthscope.errors import UsageError
from synthscope.runtime.told import printable

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def data_export(
    source: Source,
    out: Annotated[str, typer.Option("-o", "--out", help="hf:FOLDER | wds:FOLDER | genimage:FOLDER")],
    shard_size: Annotated[str, typer.Option(help="Bytes of images in a file of hf: and wds:, such as 1GB.")] = "512MB",
    link: Annotated[bool, typer.Option("--link", help="Of genimage:, hard links instead of copies.")] = False,
    where: Where = None,
    remote: Remote = False,
) -> None:
    """Write images as Parquet of Hugging Face, WebDataset's shards or GenImage's folders; run again to go on."""
    from synthscope.data.export.run import export

    done = export(load(source, where, None, unlabelled=True), out, shard_size=in_bytes(shard_size), link=link)
    print(f"{done.images:,} images in {printable(done.folder)}")
    exit_with_unreadable(done.unreadable)


def data_push(
    folder: Annotated[Path, typer.Argument(help="What data export has written.")],
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Data set of the Hugging Face Hub.")],
    private: Annotated[bool | None, typer.Option("--private/--public", help="Who may see it; must be said.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Upload; without it nothing leaves this machine.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files and their bytes.")] = False,
) -> None:
    """Upload a folder to the Hugging Face Hub; run again to go on. The token is HF_TOKEN or that of hf auth login."""
    from synthscope.data.export.push import push, to_push

    files = to_push(folder)
    if dry_run:
        for file, size in files:
            print(f"{size:>15,}  {printable(file)}")
    total = f"{len(files):,} files, {sum(size for _, size in files):,} bytes"
    print(f"{total} to {printable(repository)}", file=sys.stdout if dry_run else sys.stderr)
    if dry_run:
        return
    if private is None or not yes:
        raise UsageError(f"Expected --private or --public, and --yes to upload {total}, got not both. Add them.")
    print(push(folder, repository, private=private))


def in_bytes(text: str) -> int:
    """A size such as ``512MB`` (millions) or ``1GiB``.

    >>> in_bytes("512MB"), in_bytes("1 KiB"), in_bytes("7")
    (512000000, 1024, 7)
    """
    match = re.fullmatch(r"(\d{1,15})\s*([KMG]I?)?B?", text.strip().upper())
    if match is None or int(match[1]) == 0:
        raise UsageError(f"Expected a size such as 512MB or 1GiB, got {text!r}. Correct it.")
    return int(match[1]) * _UNITS[match[2] or ""]
