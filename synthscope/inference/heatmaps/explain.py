"""Explain images with detectors: heatmaps of detectors x explainers x conditions, kept by key and never made twice."""

from __future__ import annotations

import copy
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from synthscope.data.degrade.recipe import encoder_versions, parse_recipe
from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.explainers.base import keeps_geometry
from synthscope.inference.engines import check_engine
from synthscope.inference.heatmaps.plan import Shown, Unit, plan_units, show
from synthscope.inference.heatmaps.store import INDEX, KEY, read_index, write_part
from synthscope.inference.parts import one_run
from synthscope.runtime import Progress, best_device, tune_allocator
from synthscope.runtime.files import write_json
from synthscope.schema import MANIFEST, conform, write_table

Done = set[tuple[Any, ...]]  # values of KEY
Row = tuple[str, str | None, str, str | None]  # path, sha256, view and error of an image
Made = tuple[list[tuple[str | None, str | None]], list[dict[str, Any]], list[NDArray[np.float32]]]
CHUNK = 16  # images that are read, explained and written together
IMAGE = ["path", "sha256", "label", "generator", "subset", "split", "group", "view"]
HEATMAPS = pl.Schema(
    {name: MANIFEST[name] for name in IMAGE} | INDEX | {"input": pl.String, "error": pl.String}
)  # input: InputConfig as JSON, null where heatmaps have no place in the image


def explain(
    manifest: pl.DataFrame,
    detectors: Sequence[str | Path | Detector],
    explainers: Sequence[str],
    *,
    out: str | Path,
    conditions: list[str] | None = None,
    batch_size: int = 8,
    workers: int = 2,
    seed: int = 0,
    engine: str = "local",
    address: str | None = None,
) -> pl.DataFrame:
    """Heatmaps of every image of ``manifest``. A run that was stopped goes on where it was.

    Explainers that a detector cannot be explained by are told on stderr and left out.

    Args:
        manifest: Columns of ``schema.MANIFEST``; only ``path`` must be filled. Rows with an ``error`` are not read.
        detectors: Specs for ``load_detector``, or detectors, which are moved to the best device and put in evaluation
            mode.
        explainers: Texts for ``create_explainer``, such as ``gradcam`` or ``occlusion:window=16``.
        out: Run folder. Gets ``heatmaps/``, ``explanations.parquet`` and ``explain.json``.
        conditions: Degradation recipes; clean images alone if None.
        batch_size: Images that an explainer gets at once.
        workers: Threads that read and prepare images.
        seed: Of random degradations, together with the image's bytes.
        engine: ``local``, or ``ray`` for a cluster whose nodes can read the paths.
        address: Of the cluster, as ``ray.init`` takes it; ``RAY_ADDRESS``, else this machine alone, if None.

    Returns:
        Columns of ``HEATMAPS``, in order of manifest, detectors, explainers, conditions.

    Raises:
        UsageError: Nothing to do, unknown names, no pair of detector and explainer that fit.
    """
    check_engine(engine, address)
    out, images = Path(out), conform(manifest, MANIFEST, "the manifest").with_columns(pl.col("view").fill_null("none"))
    if images.is_empty():
        raise UsageError("Expected images to explain, got an empty manifest. Check the source and the filter.")
    if (names := images["protocol"].drop_nulls()).len():
        raise UsageError(
            f"Expected one recipe as the view of heatmaps, got {names[0]}, which differs by image. Explain raw images, "
            "or write the recipe of one test set, such as crop:size=256,grid=16."
        )
    units = plan_units(detectors, explainers, ["none"] if conditions is None else conditions, seed)
    folder = out / "heatmaps"
    tune_allocator()
    with one_run(folder):
        done = set(read_index(folder).select(KEY).iter_rows())
        hashes: list[str | None] = []
        errors: list[str | None] = []
        rows = iter(images["path", "sha256", "view", "error"].iter_rows())
        chunks = iter(lambda: list(islice(rows, CHUNK)), [])
        made = (
            map(begin_explaining(units, done, seed, batch_size, workers), chunks)
            if engine == "local"
            else _in_cluster(chunks, units, done, seed, batch_size, workers, address)
        )
        with Progress("explain", images.height) as progress:
            for seen, fresh, heatmaps in made:
                write_part(folder, fresh, heatmaps)
                hashes += [sha256 for sha256, _ in seen]
                errors += [error for _, error in seen]
                progress.advance(len(seen))
        images = images.with_columns(
            sha256=pl.Series(hashes, dtype=pl.String), error=pl.Series(errors, dtype=pl.String)
        )
        table = _assemble(images, units, read_index(folder))
        write_table(table, out / "explanations.parquet")
        _write_settings(out / "explain.json", units)
    _tell_gaps(table)
    return table


def begin_explaining(
    units: list[Unit], done: Done, seed: int, batch_size: int, workers: int
) -> Callable[[list[Row]], Made]:
    """What turns a chunk of the manifest into (sha256, error) of its images, rows of the index, and heatmaps."""

    def work(chunk: list[Row]) -> Made:
        with ThreadPoolExecutor(workers) as pool:
            shown = list(pool.map(lambda row: show(row, units, done, seed), chunk))
        return [(image.sha256, image.error) for image in shown], *_heatmaps(shown, units, done, batch_size)

    return work


def _in_cluster(
    chunks: Iterator[list[Row]], units: list[Unit], done: Done, seed: int, batch_size: int, workers: int,
    address: str | None,
) -> Iterator[Made]:  # fmt: skip
    """What :func:`begin_explaining` makes, on the actors of a cluster. Of files of the same bytes the first counts."""
    from synthscope.inference.engines.cluster import MOST_LOSSES, in_cluster

    shared = (on_device(units, "cpu"), done, seed, batch_size, workers)
    for chunk, made in in_cluster(chunks, _begin_in_actor, shared, threads=workers, address=address):
        if made is None:
            error = f"{MOST_LOSSES} workers of the cluster died with this image or one beside it in work"
            yield [(sha256, error) for _, sha256, *_ in chunk], [], []
            continue
        seen, rows, heatmaps = made
        keys = [tuple(row[name] for name in KEY) for row in rows]
        fresh = [n for n, key in enumerate(keys) if key not in done]
        done.update(keys)
        yield seen, [rows[n] for n in fresh], [heatmaps[n] for n in fresh]


def _begin_in_actor(
    units: list[Unit], done: Done, seed: int, batch_size: int, workers: int
) -> Callable[[list[Row]], Made]:
    units = on_device(units, best_device())
    tune_allocator()

    def work(chunk: list[Row]) -> Made:
        made = begin_explaining(units, done, seed, batch_size, workers)(chunk)
        done.difference_update(tuple(row[name] for name in KEY) for row in made[1])  # chunks do not know of each other
        return made

    return work


def on_device(units: list[Unit], device: torch.device | str) -> list[Unit]:
    """The units with their detectors on another device; the very same where they are there."""
    if all(unit.detector.mean.device == torch.device(device) for unit in units):
        return units
    moved = copy.deepcopy(units)
    for unit in moved:
        unit.detector.to(device)
    return moved


def _heatmaps(
    shown: list[Shown], units: list[Unit], done: Done, batch_size: int
) -> tuple[list[dict[str, Any]], list[NDArray[np.float32]]]:
    rows: list[dict[str, Any]] = []
    heatmaps: list[NDArray[np.float32]] = []
    for number, unit in enumerate(units):
        for batch in _batches(shown, number, unit, done, batch_size):
            images = torch.stack([image.inputs[number][0] for image in batch]).to(unit.detector.mean.device)
            heat = unit.explainer(unit.detector, images)
            gap = unit.explainer.completeness_gap(unit.detector, images, heat)
            gaps = [None] * len(batch) if gap is None else gap.tolist()
            for image, heatmap, off in zip(batch, heat.cpu().numpy(), gaps, strict=True):
                if not np.isfinite(heatmap).all():
                    raise SynthscopeError(
                        f"Expected a finite heatmap of {image.path}, got nan or inf from {unit.explainer} of "
                        f"{unit.row['detector']}. Leave this explainer out."
                    )
                height, width = image.inputs[number][1][:2]
                key = dict(zip(KEY, unit.key(image.sha256 or "", image.view), strict=True))
                rows.append(key | {"height": height, "width": width, "completeness_gap": off})
                heatmaps.append(heatmap)
    return rows, heatmaps


def _batches(shown: list[Shown], number: int, unit: Unit, done: Done, batch_size: int) -> Iterator[list[Shown]]:
    """Images that still need a unit, each file once, by size of the input; they count as done from now on."""
    waiting: defaultdict[torch.Size, list[Shown]] = defaultdict(list)
    for image in shown:
        key = unit.key(image.sha256 or "", image.view)
        if number in image.inputs and key not in done:
            done.add(key)
            waiting[image.inputs[number][0].shape].append(image)
    for images in waiting.values():
        yield from (images[first : first + batch_size] for first in range(0, len(images), batch_size))


def _assemble(images: pl.DataFrame, units: list[Unit], index: pl.DataFrame) -> pl.DataFrame:
    inputs = {id(unit.detector): unit.detector.config.input.model_dump_json() for unit in units}
    placed = {id(unit.detector): keeps_geometry(unit.detector) for unit in units}
    rows = [
        unit.row | {"unit": number, "input": inputs[id(unit.detector)] if placed[id(unit.detector)] else None}
        for number, unit in enumerate(units)
    ]
    views = {view: str(parse_recipe(view)) for view in images["view"].unique()}
    table = (
        images.select(*IMAGE, "error")
        .with_columns(pl.col("view").replace_strict(views, return_dtype=pl.String))
        .with_row_index("image")
        .join(pl.DataFrame(rows, schema_overrides={"input": pl.String}), how="cross")
        .join(index, on=KEY, how="left")
        .sort("image", "unit")
    )
    return conform(table, HEATMAPS, "the heatmaps")


def _tell_gaps(table: pl.DataFrame) -> None:
    known = table.filter(pl.col("completeness_gap").is_not_null())
    for rows in known.partition_by("explainer", "detector"):
        explainer, detector = rows.select("explainer", "detector").row(0)
        median, worst = rows.select(pl.median("completeness_gap"), worst=pl.max("completeness_gap")).row(0)
        print(f"completeness gap of {explainer} of {detector}: median {median:.2%}, worst {worst:.2%}", file=sys.stderr)


def _write_settings(path: Path, units: list[Unit]) -> None:
    settings = {
        "units": [unit.row for unit in units],
        "sign": {str(unit.explainer): "signed" if unit.explainer.signed else "non-negative" for unit in units},
        "versions": {name: version(name) for name in ("synthscope", "torch", "timm")} | encoder_versions(),
    }
    write_json(path, settings)
