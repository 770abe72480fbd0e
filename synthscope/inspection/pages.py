"""Write the page of one file, or the pages of many with an index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from synthscope.data.images import read_rgb
from synthscope.data.in_work import image_task
from synthscope.errors import UnreadableImageError, UsageError
from synthscope.inspection.evidence import Evidence
from synthscope.inspection.page.html import evidence_page, index_page
from synthscope.inspection.page.listing import Row
from synthscope.inspection.page.pictures import THUMBNAIL, jpeg
from synthscope.inspection.run import Inspected
from synthscope.report.uri import data_uri
from synthscope.runtime import track
from synthscope.runtime.files import whole_file, write_text
from synthscope.runtime.threads import in_threads

KINDS = {"overlay": "image/png", "raw": "application/octet-stream"}


def write_pages(inspected: Sequence[Inspected], run: Path, out: Path, *, workers: int | None = None) -> Path:
    """Pages that stand alone, with all pictures inside.

    Args:
        inspected: Files of one run.
        run: Folder of the run, which holds their heatmaps.
        out: A ``.html`` file for one file; else a folder, which gets ``index.html``, ``pages/`` and ``thumbnails/``.
        workers: Threads; None = one a core.

    Returns:
        The page to open.

    Raises:
        UsageError: A ``.html`` file for several.
        SynthscopeError: Something that cannot be written.
    """
    if out.suffix == ".html":
        if len(inspected) != 1:
            raise UsageError(f"Expected a folder for the pages of {len(inspected)} files, got {out}. Leave .html out.")
        write_text(out, _page(inspected[0], run)[0])
        return out
    write = partial(_write, run=run, out=out)
    pages = in_threads(write, enumerate(inspected, 1), workers)
    rows = list(track(pages, "write pages", total=len(inspected), unit="pages"))
    write_text(out / "index.html", index_page(rows))
    return out / "index.html"


@image_task()
def _write(numbered: tuple[int, Inspected], *, run: Path, out: Path) -> Row:
    number, one = numbered
    stem = f"{number:05d}-{(one.evidence.file.sha256 or 'unread')[:12]}"
    page, thumbnail = _page(one, run)
    write_text(out / "pages" / f"{stem}.html", page)
    if thumbnail:
        with whole_file(out / "thumbnails" / f"{stem}.jpg") as temporary:
            temporary.write_bytes(thumbnail)
    return Row(one.evidence, f"pages/{stem}.html", f"thumbnails/{stem}.jpg" if thumbnail else "")


def _page(one: Inspected, run: Path) -> tuple[str, bytes]:
    """The page and a thumbnail, which is empty where the file is no readable image."""
    evidence = with_data_uris(one.evidence, run)
    try:
        rgb = read_rgb(one.path)
    except UnreadableImageError:
        return evidence_page(evidence, ""), b""
    return evidence_page(evidence, data_uri(jpeg(rgb), "image/jpeg")), jpeg(rgb, THUMBNAIL)


def with_data_uris(evidence: Evidence, run: Path) -> Evidence:
    """Evidence that holds its heatmaps' files instead of their names."""
    heatmaps = tuple(
        one.model_copy(
            update={
                name: data_uri((run / stored).read_bytes(), kind)
                for name, kind in KINDS.items()
                if (stored := getattr(one, name)) is not None
            }
        )
        for one in evidence.heatmaps
    )
    return evidence.model_copy(update={"heatmaps": heatmaps})
