"""A folder that people can start from: each annotator's images under neutral names, labels, rubric, earlier marks.

DIR/rubric.md  README.md  labels…     for everybody
DIR/key.parquet                       which image a name stands for, whose it is: not for the annotators
DIR/ANNOTATOR/images/000001.png …     links where the disk allows, else copies
DIR/ANNOTATOR/tasks.json | earlier.xml
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from synthscope.annotations.project.assign import assign
from synthscope.annotations.project.tools import TOOLS, Tool
from synthscope.annotations.records import ANNOTATIONS, IMAGE_COLUMNS, fill_in_files
from synthscope.data.images import read_file
from synthscope.errors import SynthscopeError, UnreadableImageError, UsageError, suggest
from synthscope.runtime import track
from synthscope.runtime.files import whole_folder, write_json, write_text, writing
from synthscope.schema import write_parquet

KEY = pl.Schema(
    {"name": pl.String, "annotator": pl.String, "round": pl.Int32} | {c: ANNOTATIONS[c] for c in IMAGE_COLUMNS}
)
OVERLAP = 0.2


class Project(NamedTuple):
    """What was built."""

    folder: Path
    key: pl.DataFrame  # columns of KEY
    round: int
    unreadable: list[str]  # paths that were left out


def build_project(
    images: pl.DataFrame,
    target: str,
    *,
    annotators: Sequence[str] = ("annotator",),
    overlap: float | None = None,
    per_annotator: int | None = None,
    relay: pl.DataFrame | None = None,
    only: Sequence[str] | None = None,
    seed: int = 0,
) -> Project:
    """Write an annotation project for Label Studio, CVAT or labelme.

    Args:
        images: Columns of ``schema.MANIFEST``; files that are known to be unusable are left out.
        target: ``"labelstudio:DIR"``, ``"cvat:DIR"`` or ``"labelme:DIR"``; the folder is absent or empty.
        annotators: Names, each of which gets a folder.
        overlap: Share of the images that two annotators mark; default 0.2 of several annotators in a first round.
        per_annotator: Most images an annotator.
        relay: Annotations of earlier rounds, with the columns of ``ANNOTATIONS``: only their images are given out, each
            to somebody else than before, with all marks of the last round on it.
        only: Paths of the images to give out, such as those of the adjudication list.
        seed: Of assignment, order and names.

    Raises:
        UsageError: An unknown tool or name, or an assignment that cannot be (see ``assign.assign``).
        SynthscopeError: No image is left, a folder that is in use, or a full disk.
    """
    tool, folder = _target(target)
    for name in annotators:
        if not re.fullmatch(r"\w[\w.@-]*", name):
            raise UsageError(
                f"Expected names of letters, digits and . _ - @, got {name!r}. Change the annotator's name."
            )
    if overlap is None:
        overlap = OVERLAP if len(annotators) > 1 and relay is None else 0.0
    wanted = _wanted(images, relay, only)
    barred = {} if relay is None else _annotators(relay)
    given = assign(wanted, annotators, overlap=overlap, per_annotator=per_annotator, barred=barred, seed=seed)
    facts = pl.DataFrame({"path": given["path"].unique(maintain_order=True)}).with_columns(
        pl.lit(None, ANNOTATIONS[name]).alias(name) for name in ("sha256", "width", "height")
    )
    facts = fill_in_files(facts).join(wanted.select("path", "generator", uid="group"), on="path")
    unreadable = images.drop_nulls("error")["path"].unique().sort().to_list()
    unreadable += facts.filter(pl.col("sha256").is_null())["path"].to_list()
    round_ = 1 if relay is None else max(relay["round"].fill_null(1).to_list()) + 1
    key = given.join(facts.drop_nulls("sha256"), on="path", maintain_order="left").sort("path")
    numbers = key.select(pl.col("path").unique(maintain_order=True)).sample(fraction=1, shuffle=True, seed=seed)
    numbers = numbers.with_row_index("number", offset=1).with_columns(
        name=pl.col("number").cast(pl.String).str.zfill(6)
        + pl.col("path").map_elements(_suffix, return_dtype=pl.String)
    )
    key = key.join(numbers, on="path").with_columns(round=pl.lit(round_, pl.Int32)).sort("annotator", "number")
    key = key.select(pl.col(name).cast(dtype) for name, dtype in KEY.items())
    if key.is_empty():
        raise SynthscopeError(
            f"Expected images to annotate, got none that can be read of {len(unreadable)}. Check them."
        )
    _write(folder, tool, TOOLS[tool], key, None if relay is None else relay.filter(_last(relay)))
    return Project(folder, key, round_, unreadable)


def _target(target: str) -> tuple[str, Path]:
    tool, colon, path = target.partition(":")
    if not colon or not path:
        raise UsageError(f"Expected TOOL:DIR, got {target!r}. Write {', '.join(TOOLS)} and a folder.")
    if tool not in TOOLS:
        raise UsageError(f"Expected a tool for an annotation project, got {tool!r}. {suggest(tool, TOOLS)}")
    folder = Path(path).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SynthscopeError(f"Expected an empty folder at {folder}, got one in use. Choose another for this round.")
    return tool, folder


def _wanted(images: pl.DataFrame, relay: pl.DataFrame | None, only: Sequence[str] | None) -> pl.DataFrame:
    """Images to give out: columns path, generator, cell, group."""
    usable = images.filter(pl.col("error").is_null()).unique("path", keep="first", maintain_order=True)
    for paths, what in ((None if relay is None else relay["path"], "earlier marks"), (only, "the list")):
        if paths is not None:
            usable = usable.filter(pl.col("path").is_in(list(paths)))
            if usable.is_empty():
                raise SynthscopeError(f"Expected images of {what} among those given, got none. Give the same images.")
    generator = pl.coalesce("generator", pl.col("label").cast(pl.String), pl.lit(""))
    cell = pl.concat_str(
        generator, pl.coalesce("synset", pl.col("class_index").cast(pl.String), pl.lit("")), separator="\n"
    )
    return usable.select("path", generator.alias("generator"), cell.alias("cell"), "group")


def _annotators(relay: pl.DataFrame) -> dict[str, frozenset[str]]:
    known = relay.drop_nulls("annotator").group_by("path").agg(pl.col("annotator").unique())
    return {path: frozenset(names) for path, names in known.iter_rows()}


def _last(relay: pl.DataFrame) -> pl.Expr:
    """Rows of the last round of their image: it holds what was kept of the rounds before."""
    return pl.col("round").fill_null(1) == pl.col("round").fill_null(1).max().over("path")


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()


def _write(folder: Path, name: str, tool: Tool, key: pl.DataFrame, relay: pl.DataFrame | None) -> None:
    with whole_folder(folder) as new:
        for (annotator,), own in key.group_by("annotator", maintain_order=True):
            place = new / str(annotator)
            (place / "images").mkdir(parents=True)
            for image in track(own.iter_rows(named=True), f"images of {annotator}", own.height):
                _place(image, place / "images" / image["name"])
            tool.tasks(place, own["name"].to_list(), _earlier(own, relay))
        tool.labels(new)
        write_parquet(key, new / "key.parquet")
        write_json(new / "project.json", {"tool": name, "round": key["round"][0]})
        write_text(new / "rubric.md", (files("synthscope.annotations") / "rubric.md").read_text(encoding="utf-8"))
        steps = "\n".join(f"{number}. {step}" for number, step in enumerate(tool.steps, start=1))
        write_text(new / "README.md", _README.format(steps=steps, round=key["round"][0], folder=folder))


def _place(image: dict[str, Any], target: Path) -> None:
    """A link to the image's file; a copy where it lies on another disk, behind a URL or in a shard."""
    try:
        os.link(image["path"], target)
    except OSError:
        try:
            data, _ = read_file(image["path"], image["sha256"])
        except UnreadableImageError as error:
            raise SynthscopeError(f"Expected the image {image['path']} to stay as it was, got: {error}") from error
        with writing(target):
            target.write_bytes(data)


def _earlier(own: pl.DataFrame, relay: pl.DataFrame | None) -> pl.DataFrame:
    """Regions of the last round under the project's names, numbered anew and without a word of whose they are."""
    if relay is None:
        return pl.DataFrame(schema=ANNOTATIONS)
    rows = relay.drop_nulls("region").drop("sha256", "uid", "generator", "width", "height")
    rows = own.select("path", "name", "width", "height").join(rows, on="path", maintain_order="left_right")
    nothing = [
        pl.lit(None, ANNOTATIONS[c]).alias(c) for c in ("sha256", "uid", "generator", "annotator", "round", "revision")
    ]
    rows = rows.with_columns(
        *nothing, path=pl.col("name"), region=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("name")
    )
    return rows.select(ANNOTATIONS.names())


_README = """# Round {round} of an annotation project

{steps}

What to mark is in rubric.md. `key.parquet` says which image a name stands for: keep it from annotators, who should not
know where an image is from. Then

    synthscope annotate import project:{folder} -o round{round}.parquet
"""
