"""A card as one self-contained page, in the style of reports: no script, nothing loaded, every text escaped."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from synthscope.data.near_duplicates.clusters import THRESHOLD
from synthscope.report.card.contents import Card
from synthscope.report.card.readme import readme, refuse_another
from synthscope.report.card.samples import sample_grids
from synthscope.report.figures.files import files_figure
from synthscope.report.figures.scores import audit_figure
from synthscope.report.figures.style import to_svg
from synthscope.report.page.drawings import Drawing
from synthscope.report.page.environment import environment
from synthscope.report.page.mistakes import thumbnail
from synthscope.report.uri import data_uri
from synthscope.runtime.files import write_text

SHOWN = 6  # clusters of near-duplicates, and pictures of each


def write_card(card: Card, out: str | Path, *, pictures: bool = True, seed: int = 0) -> list[Path]:
    """Write the page and, beside it, ``README.md`` as hubs of data sets expect it.

    Args:
        card: Of :func:`contents.read_card`.
        out: A folder, for ``card.html``, or a file that ends in .html.
        pictures: Show thumbnails; without, not one pixel of an image is in the page.
        seed: Of the samples.

    Returns:
        Both files.

    Raises:
        SynthscopeError: There is a ``README.md`` that no card wrote, or the place cannot be written.
    """
    page = Path(out) if Path(out).suffix == ".html" else Path(out) / "card.html"
    beside = page.with_name("README.md")
    refuse_another(beside)
    write_text(page, card_page(card, pictures=pictures, seed=seed))
    write_text(beside, readme(card, page.name))
    return [page, beside]


def card_page(card: Card, *, pictures: bool = True, seed: int = 0) -> str:
    """The page as HTML."""
    alt = "Histograms of size, JPEG quality and bits a pixel, real and AI images; the table holds medians and ranges."
    drawn = [_drawing(files_figure(card.images), "Files of real and AI images", alt)]
    audited = []
    if card.audit.height:
        alt = "Balanced accuracy of file attributes and of the history of pixels, per subset; numbers in the table."
        audited = [_drawing(audit_figure(card.audit), "What files and the history of their pixels can tell", alt)]
    return (
        environment("synthscope.report.card")
        .get_template("card.html")
        .render(
            card=card,
            figures={"files": drawn, "audit": audited},
            audit=[("stored", card.audit.rows(named=True))] if card.audit.height else [],
            threshold=THRESHOLD,
            grids=sample_grids(card.images, seed=seed) if pictures else [],
            clusters=_clusters(card.clusters, card.root) if pictures else [],
            unreadable=card.unreadable.with_columns(pl.all().str.replace(card.root, "", literal=True)),
        )
    )


def _drawing(figure: Figure, title: str, alt: str) -> Drawing:
    uri = data_uri(to_svg(figure).encode(), "image/svg+xml")
    return Drawing(title, uri, round(figure.get_figwidth() * 96), alt)


def _clusters(clusters: pl.DataFrame, root: str) -> list[list[dict[str, object]]]:
    """Pictures of some clusters, those of both labels first: path below ``root``, what it is, and thumbnail."""
    mixed = pl.col("label").drop_nulls().n_unique().over("cluster")
    ordered = clusters.sort(mixed, descending=True, maintain_order=True)
    shown = []
    for _, rows in list(ordered.group_by("cluster", maintain_order=True))[:SHOWN]:
        ends = rows.unique("label", keep="first", maintain_order=True)
        chosen = pl.concat([ends, rows]).unique("path", keep="first", maintain_order=True).head(SHOWN)
        pictures = [row | {"uri": thumbnail(row["path"])} for row in chosen.iter_rows(named=True)]
        shown.append([row | {"path": row["path"].removeprefix(root)} for row in pictures])
    return shown
