"""An aligned manifest as files in the GenImage layout, for programs that read folders."""

from __future__ import annotations

import hashlib
import json
from io import BytesIO
from pathlib import Path

import polars as pl

from synthscope.data.degrade.jpeg import Jpeg
from synthscope.data.degrade.recipe import Recipe, parse_recipe
from synthscope.data.images import FACTS, measure, read_file, read_rgb
from synthscope.data.in_work import image_task
from synthscope.data.layouts.folders import MERGED
from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.runtime import track, whole_file
from synthscope.runtime.files import read_text, write_text
from synthscope.runtime.threads import in_threads
from synthscope.schema import MANIFEST

RECORD = "alignment.json"


def write_aligned(table: pl.DataFrame, folder: str | Path, *, workers: int | None = None) -> pl.DataFrame:
    """Write ``{subset}/{split}/{ai,nature}/*``; reals without a subset go to ``imagenet_ai``, as GenImage names it.

    JPEG files are copied byte for byte. An image whose view begins with ``jpeg`` is written as JPEG of that quality by
    Pillow (4:2:0). Nothing is cropped, since that would mean to compress a second time: a crop stays the view of the
    rows, now the same for both classes. A run that was stopped goes on where it was.

    Args:
        table: A manifest that ``align`` made.
        folder: An empty or new folder, or one of the same images that is not finished.
        workers: Threads; None = one a core.

    Returns:
        The manifest of the files; an image that could not be read keeps its path and has an ``error``.

    Raises:
        SynthscopeError: The folder holds something else, two images would get one name, or a subset is no folder name.
    """
    root = Path(folder).expanduser().absolute()
    recipes = {view: parse_recipe(view) for view in table["view"].unique()}
    targets = [_target(*row) for row in table.select("path", "label", "subset", "split", "view").iter_rows()]
    _claim(root, table.with_columns(target=pl.Series(targets, dtype=pl.String)))
    jobs = zip(table["path"], targets, table["view"], strict=True)
    done = in_threads(lambda job: _write(job[0], root / job[1], recipes[job[2]]), jobs, workers)
    facts = list(track(done, "writing", total=table.height))
    measured = pl.DataFrame(facts, schema={name: MANIFEST[name] for name in FACTS}, orient="row")
    rest = {view: str(_without_jpeg(recipe)) for view, recipe in recipes.items()}
    places = pl.Series([str(root / target) for target in targets], dtype=pl.String)
    return table.with_columns(measured.get_columns()).with_columns(
        path=pl.when(pl.col("error").is_null()).then(places).otherwise("path"),
        source=pl.lit(f"genimage:{root}"),
        view=pl.col("view").replace_strict(rest, return_dtype=pl.String),
        protocol=pl.lit(None, pl.String),
    )


def _without_jpeg(recipe: Recipe) -> Recipe:
    return Recipe(tuple(step for step in recipe.steps if not isinstance(step, Jpeg)))


def _target(path: str, label: int, subset: str | None, split: str | None, view: str) -> str:
    """Where the file goes, relative to the folder."""
    place = MERGED if subset is None else subset
    if place in ("", ".", "..") or "/" in place or "\\" in place:
        raise SynthscopeError(f"Expected a subset that can name a folder, got {place!r} of {path}. Rename it.")
    name = Path(path)
    file = f"{name.stem}.JPEG" if view.startswith("jpeg:") else name.name
    return "/".join([place, *([split] if split else []), "ai" if label else "nature", file])


def _claim(root: Path, table: pl.DataFrame) -> None:
    """Make the folder that of these images, or see that it is."""
    twice = table.filter(pl.col("target").is_duplicated()).sort("target", "path")
    if twice.height:
        raise SynthscopeError(
            f"Expected a file name of its own for every image, got {twice['path'][0]} and {twice['path'][1]} for "
            f"{twice['target'][0]}. Rename one, or align fewer collections at a time."
        )
    lines = table.select("target", "path", "view").sort("target").write_csv()
    record = {"images": table.height, "sha256": hashlib.sha256(lines.encode()).hexdigest()}
    file = root / RECORD
    if file.is_file() and read_text(file) == json.dumps(record):
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise SynthscopeError(f"Expected an empty folder at {root}, got other files in it. Choose another folder.")
    write_text(file, json.dumps(record))


@image_task()
def _write(path: str, target: Path, view: Recipe) -> tuple[int | str | None, ...]:
    """Write one file unless it is there; its facts, or those of ``path`` where that cannot be read."""
    quality = next((step.q for step in view.steps if isinstance(step, Jpeg)), None)
    try:
        if not target.exists():
            data = _jpeg(path, quality) if quality is not None else read_file(path)[0]
            with whole_file(target) as temporary:
                temporary.write_bytes(data)
    except UnreadableImageError:
        return measure(path, decode=True)
    return measure(str(target))


def _jpeg(path: str, quality: int) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(read_rgb(path)).save(file, "JPEG", quality=quality)
    return file.getvalue()
