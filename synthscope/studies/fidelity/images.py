"""PAR and NIQE of annotated AI images as their view shows them to detectors; measured once, resumable."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.annotations import rows_by_image
from synthscope.annotations.targets import targets
from synthscope.data.degrade.recipe import parse_recipe, read_viewed
from synthscope.data.images import read_file, read_rgb
from synthscope.data.in_work import image_task
from synthscope.errors import SynthscopeError, UnreadableImageError
from synthscope.metrics.fidelity import PATCH, NiqeModel, par, patch_for
from synthscope.runtime import Progress, seed_for, track
from synthscope.runtime.told import printable
from synthscope.schema import PREDICTIONS, read_table, write_table

IMAGES = pl.Schema(
    {name: PREDICTIONS[name] for name in ("path", "sha256", "generator")}
    | {
        "view": pl.String,  # recipe that was applied before measuring
        "par": pl.Float64,  # 0 = people looked and marked nothing
        "niqe": pl.Float64,  # null = too small, without contrast, or no model
        "patch": pl.Int64,  # side in pixels of NIQE's patches
        "key": pl.String,  # of the model and the annotations
        "error": pl.String,
    }
)
MAX_REAL, PROBED = 500, 25  # photographs to fit on (the paper has 125), images whose size is looked at
CHUNK = 64  # images between two writes of the table
Rows = list[dict[str, Any]]


def measure_images(
    images: pl.DataFrame,
    photographs: pl.DataFrame,
    annotations: pl.DataFrame,
    *,
    out: Path,
    workers: int = 2,
    seed: int = 0,
) -> pl.DataFrame:
    """PAR and NIQE of AI images, kept in ``out/fidelity_images.parquet``; a run that was stopped goes on.

    Args:
        images: ``path``, ``sha256``, ``generator``, ``recipe`` (the view of the file) and ``view`` (its name, which
            all images that are compared share); those without annotation are left out.
        photographs: ``path``, ``sha256``, ``recipe`` and ``view`` of real images. NIQE is fitted on up to 500 of each
            view, by hash, and kept as ``niqe-HASH.npz``; where they are too few, NIQE is null.
        annotations: Table of :mod:`synthscope.annotations`.
        out: Run folder.
        workers: Threads.
        seed: Chooses the photographs.

    Returns:
        Columns of ``IMAGES``.

    Raises:
        SynthscopeError: No annotated image.
    """
    marked = rows_by_image(annotations)
    wanted = images.filter(pl.col("path").is_in(list(marked)) | pl.col("sha256").is_in(list(marked)))
    if wanted.is_empty():
        raise SynthscopeError(
            "Expected annotated AI images among the predictions, got none. Check that the annotations name the images "
            "by path or sha256."
        )
    jobs: list[tuple[dict[str, Any], pl.DataFrame, NiqeModel | None, str]] = []
    for (view,), group in wanted.sort("view", "path").group_by("view", maintain_order=True):
        model, name = _model(group, photographs.filter(pl.col("view") == view), out, workers, seed)
        for row in group.unique(["path", "recipe"], maintain_order=True).iter_rows(named=True):
            rows = marked[row["path"]] if row["path"] in marked else marked[row["sha256"]]
            jobs.append((row, rows, model, f"{seed_for(name, row['sha256'], str(rows.to_dicts())):016x}"))
    file = out / "fidelity_images.parquet"
    known = _known(file)
    done: Rows = [known[place] for row, *_, key in jobs if (place := (row["path"], row["recipe"], key)) in known]
    todo = iter([job for job in jobs if (job[0]["path"], job[0]["recipe"], job[3]) not in known])
    with Progress("fidelity", len(jobs)) as progress, ThreadPoolExecutor(workers) as pool:
        progress.advance(len(done))
        while chunk := list(islice(todo, CHUNK)):
            done += pool.map(lambda job: _measure(*job), chunk)
            _write(done, file)
            progress.advance(len(chunk))
    return _write(done, file)


@image_task()
def _measure(row: dict[str, Any], regions: pl.DataFrame, model: NiqeModel | None, key: str) -> dict[str, Any]:
    made = {"path": row["path"], "sha256": row["sha256"], "generator": row["generator"], "view": row["recipe"]}
    made |= {"patch": model.patch if model else None, "key": key}
    try:
        data, sha256 = read_file(row["path"])
        rgb = read_rgb(data, name=row["path"])
        ratio = par(targets(regions, (rgb.shape[0], rgb.shape[1]), row["recipe"])[0].mask)
        seen = parse_recipe(row["recipe"]).apply(rgb, key=sha256)
    except UnreadableImageError as error:
        return made | {"error": str(error)}
    quality = model.score(seen) if model else np.nan
    return made | {"par": ratio, "niqe": quality if np.isfinite(quality) else None}


def _model(
    images: pl.DataFrame, photographs: pl.DataFrame, out: Path, workers: int, seed: int
) -> tuple[NiqeModel | None, str]:
    """NIQE of the photographs of one view, read where it was fitted before, and its name."""
    drawn = sorted(
        photographs.select("path", "recipe", "sha256").unique().rows(), key=lambda row: (seed_for(seed, row[2]), row)
    )[:MAX_REAL]
    probed = images.select("path", "recipe").unique(maintain_order=True).head(PROBED).rows()
    patch = patch_for(min(_side(probed), _side([row[:2] for row in drawn[:PROBED]])))
    name = f"{seed_for('niqe', patch, *drawn):016x}"
    file = out / f"niqe-{name}.npz"
    if file.is_file():
        return NiqeModel.load(file), name
    try:
        with ThreadPoolExecutor(workers) as pool:
            model = NiqeModel.fit(_pixels([row[:2] for row in drawn], pool, workers), patch=patch)
    except SynthscopeError as error:
        print(printable(f"NIQE is left out. {error}"), file=sys.stderr)
        return None, name
    model.save(file)
    return model, name


def _pixels(rows: list[tuple[str, str]], pool: ThreadPoolExecutor, workers: int) -> Iterator[NDArray[np.uint8]]:
    """Pixels of the readable images, a few ahead of their use."""
    unreadable = 0
    pending = iter(track(rows, "photographs for NIQE"))
    while chunk := list(islice(pending, 2 * workers)):
        for pixels in pool.map(lambda row: _read(*row), chunk):
            if pixels is None:
                unreadable += 1
            else:
                yield pixels
    if unreadable:
        print(
            f"{unreadable} of {len(rows)} photographs could not be read; NIQE is fitted on the others.", file=sys.stderr
        )


def _read(path: str, recipe: str) -> NDArray[np.uint8] | None:
    try:
        return read_viewed(path, parse_recipe(recipe))
    except UnreadableImageError:
        return None


def _side(rows: list[tuple[str, str]]) -> float:
    """Median shorter side of some images in pixels."""
    found = [min(pixels.shape[:2]) for row in rows if (pixels := _read(*row)) is not None]
    return float(np.median(found)) if found else 4.0 * PATCH


def _known(file: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What an earlier run measured without error; what cannot be read is measured again."""
    try:
        table = read_table(file, schema=IMAGES)
    except SynthscopeError:
        return {}
    rows = table.filter(pl.col("error").is_null()).iter_rows(named=True)
    return {(row["path"], row["view"], row["key"]): row for row in rows}


def _write(rows: Rows, file: Path) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=IMAGES).sort("generator", "path", "view")
    write_table(table, file)
    return table
