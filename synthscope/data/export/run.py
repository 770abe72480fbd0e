"""``"<form>:<folder>"``: which form a manifest is exported to."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from synthscope.data.export.folders import write_genimage
from synthscope.data.export.hf import write_hf
from synthscope.data.export.wds import write_wds
from synthscope.data.manifest import check_labels
from synthscope.errors import SynthscopeError, UsageError, suggest

FORMS = ("genimage", "hf", "wds")
SHARD = 512 * 10**6  # bytes


class Exported(NamedTuple):
    """What :func:`export` has done."""

    folder: Path
    images: int
    unreadable: pl.DataFrame  # columns path and error


def export(table: pl.DataFrame, target: str, *, shard_size: int = SHARD, link: bool = False) -> Exported:
    """Write the images of a manifest as others read them, with label, generator, subset, split, class, group and view.

    Bytes are those of the files: views are named, not applied. Rows that cannot be read are left out and told. A run
    that was stopped is gone on with by another one of the same arguments, which also tries those rows again.

    Args:
        table: A manifest.
        target: ``hf:FOLDER``, ``wds:FOLDER`` or ``genimage:FOLDER``; empty, absent, or begun by the same export.
        shard_size: Bytes of images in a file of ``hf:`` and ``wds:``, about.
        link: Of ``genimage:``, hard links instead of copies where that can be.

    Raises:
        UsageError: Another target, or ``link`` for shards.
        SynthscopeError: No images, images without label for ``genimage:``, a folder of something else, a full disk.
    """
    form, colon, folder = target.partition(":")
    if not colon or form not in FORMS or not folder:
        raise UsageError(f"Expected hf:FOLDER, wds:FOLDER or genimage:FOLDER, got {target!r}. {suggest(form, FORMS)}")
    if link and form != "genimage":
        raise UsageError(f"Expected --link for folders of files, got {form}:. Leave it out.")
    usable = table.filter(pl.col("error").is_null())
    if usable.is_empty():
        raise SynthscopeError(f"Expected images that can be read, got none of {table.height}. Check the manifest.")
    out = Path(folder).expanduser()
    if form == "genimage":
        check_labels(usable, "what is exported to folders named after it")
        unreadable = write_genimage(usable, out, link=link)
    else:
        unreadable = (write_hf if form == "hf" else write_wds)(usable, out, shard_size)
    lost = pl.DataFrame(list(unreadable.items()), schema={"path": pl.String, "error": pl.String}, orient="row")
    known = table.filter(pl.col("error").is_not_null()).select("path", "error")
    images = usable.filter(~pl.col("path").is_in(list(unreadable))).height
    return Exported(out, images, pl.concat([known, lost]))
