"""Everything that a card says, computed once for its page and its README."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import polars as pl

from synthscope.data.audit import audit, warning
from synthscope.data.card.about import About, answers
from synthscope.data.card.composition import SPLITS, Fact, counts, files, shares
from synthscope.data.card.licences import with_licences
from synthscope.data.card.prompts import prompt_facts, prompts_beside, templates
from synthscope.data.duplicates import conflict, describe_duplicates, duplicates
from synthscope.data.near_duplicates.clusters import describe_clusters, find_clusters, leak
from synthscope.data.near_duplicates.stored import describe_hashes, hash_images
from synthscope.errors import SynthscopeError


@dataclass(frozen=True)
class Card:
    """A datasheet: what people say of a data set, and what was computed."""

    about: About
    title: str
    root: str  # folder of all the images, which is left out wherever paths are told
    images: pl.DataFrame  # usable rows of the manifest, a path each, with their SHA-256
    unreadable: pl.DataFrame  # path, error
    lead: str  # the data set in a sentence
    warnings: list[str]
    counts: list[Fact]
    files: list[Fact]
    licences: list[Fact]
    sources: list[Fact]
    views: list[Fact]
    prompts: list[tuple[str, str]]
    templates: list[Fact]
    copies: list[str]  # sentences on duplicates and near-duplicates
    clusters: pl.DataFrame
    audit: pl.DataFrame  # empty where there is one label only

    def stated(self, section: str) -> list[tuple[str, str | None]]:
        """Questions and answers of a section."""
        return answers(self.about, section)


def read_card(
    table: pl.DataFrame,
    source: str,
    about: About,
    *,
    licences: Path | None = None,
    hashes: Path | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> Card:
    """Compute a card; every image is decoded once, and the hashes are kept for the next time.

    Args:
        table: A manifest.
        source: Where it was read from: prompts and licences are looked for there.
        about: What people say.
        licences: See :func:`data.card.licences.with_licences`.
        hashes: Folder of perceptual hashes; see :func:`hash_images`.
        seed: Of the audit.
        workers: Threads.

    Raises:
        SynthscopeError: No usable image, or a table beside the manifest that cannot be read.
    """
    licensed, prompts = with_licences(table.unique("path"), source, licences), prompts_beside(source)
    hashed = hash_images(table, hashes, workers=workers)
    broken = pl.concat([found.select("path", "error").drop_nulls("error") for found in (table, hashed)]).unique("path")
    images = table.join(broken, on="path", how="anti").sort("label", "generator", "path", nulls_last=True)
    images = images.drop("sha256").join(hashed.select("path", "sha256"), on="path", how="left", maintain_order="left")
    once = images.unique("path", keep="first", maintain_order=True)
    if once.is_empty():
        raise SynthscopeError(f"Expected images in {source}, got none that can be used. Check it by data verify.")
    found, clusters = duplicates(images), find_clusters(once, hashed)
    labelled = images.drop_nulls("label")
    audited = audit(labelled, seed=seed) if labelled["label"].n_unique() == 2 else pl.DataFrame()
    licensed = licensed.join(once.select("path"), on="path", how="semi")
    root = common_folder(table["path"])
    told = [describe_duplicates(found) or "No file lies under several paths."]
    told += [*describe_clusters(clusters), *describe_hashes(hashed)]
    warnings = [conflict(found), leak(clusters), warning(audited) if audited.height else None]
    return Card(
        about=about,
        title=about.title or _name(source),
        root=root,
        images=once,
        unreadable=broken.sort("path"),
        lead=_lead(once),
        warnings=[sentence.replace(root, "") for sentence in warnings if sentence],
        counts=counts(once),
        files=files(once),
        licences=shares(licensed, "licence", "Licence") if licensed["licence"].count() else [],
        sources=shares(once.with_columns(source=_public(pl.col("source"))), "source", "Read from"),
        views=shares(once, "view", "View") if (once["view"].fill_null("none") != "none").any() else [],
        prompts=[] if prompts is None else prompt_facts(prompts),
        templates=[] if prompts is None else templates(prompts),
        copies=[sentence.replace(root, "") for sentence in told if sentence not in warnings],
        clusters=clusters,
        audit=audited,
    )


def common_folder(paths: Iterable[str]) -> str:
    """The folder that all paths have in common, with its last stroke; "" where they have none.

    >>> common_folder(["/home/me/a/1.png", "/home/me/b/2.png"]), common_folder(["/a/1.png", "s3://b/1.png"])
    ('/home/me/', '')
    """
    folders = {path.rpartition("/")[0] for path in paths}
    first, last = (each(folder.split("/") for folder in folders) for each in (min, max))
    common = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]
    return "/".join([*common, ""]) if any(common) else ""


def _public(source: pl.Expr) -> pl.Expr:
    """A source as it was typed, but without the folders that its own lies in: they belong to a machine."""
    return source.str.replace(r"^(\w+:)?(?:[^?]*/)?([^/?]+)/?(?:\?.*)?$", "$1$2")


def _name(source: str) -> str:
    """Of the manifest's file without its ending, or of the folder.

    >>> _name("runs/mine.parquet"), _name("genimage:/data/GenImage/?val_labels=x")
    ('mine', 'GenImage')
    """
    place = Path(source)
    return place.stem if place.suffix == ".parquet" else Path(source.partition(":")[2].partition("?")[0]).name


def _lead(images: pl.DataFrame) -> str:
    real, ai = (images.filter(label=label) for label in (0, 1))
    makers = ai["generator"].drop_nulls().n_unique()
    text = f"{images.height:,} images: {real.height:,} real and {ai.height:,} AI-generated"
    text += f" by {makers:,} generator{'s' if makers != 1 else ''}" if makers else ""
    if unlabelled := images["label"].null_count():
        text += f", {unlabelled:,} without label"
    splits = {name: images.filter(split=name).height for name in SPLITS if name}
    placed = ", ".join(f"{n:,} for {name}" for name, n in splits.items() if n)
    classes = images["class_index"].drop_nulls().n_unique()
    text += f"; {placed}" if placed else "; not divided into splits"
    return f"{text}{f'; {classes:,} ImageNet classes' if classes else ''}."
