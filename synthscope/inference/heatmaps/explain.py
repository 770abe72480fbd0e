"""Explain images with detectors: heatmaps of detectors x explainers x conditions, kept by key and never made twice."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from joblib import cpu_count

from synthscope.data.degrade.recipe import encoder_versions, parse_recipe
from synthscope.detectors.base import Detector
from synthscope.errors import UsageError
from synthscope.explainers.base import keeps_geometry
from synthscope.inference.engines import check_engine
from synthscope.inference.heatmaps.local import Done, Engine, Settings, explained
from synthscope.inference.heatmaps.plan import Unit, plan_units
from synthscope.inference.heatmaps.store import INDEX, KEY, read_index, write_part
from synthscope.inference.parts import one_run
from synthscope.metrics.calibration import calibrated
from synthscope.runtime import Progress, tune_allocator, versions
from synthscope.runtime.files import write_json
from synthscope.schema import MANIFEST, conform, write_table

CHUNK = 16  # images, at least, that are read, explained and written together
IMAGE = ["path", "sha256", "label", "generator", "subset", "split", "group", "view"]
HEATMAPS = pl.Schema(
    {name: MANIFEST[name] for name in IMAGE}
    | INDEX
    | {
        "p_ai": pl.Float32,  # calibrated where the detector stores a calibration; null in older runs
        "threshold": pl.Float32,  # of the detector, on the logit
        "input": pl.String,  # InputConfig as JSON, null where heatmaps have no place in the image
        "error": pl.String,
    }
)


def explain(
    manifest: pl.DataFrame,
    detectors: Sequence[str | Path | Detector],
    explainers: Sequence[str],
    *,
    out: str | Path,
    conditions: list[str] | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
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
        batch_size: Images that an explainer gets at once; 8, or fewer so that all threads get a share, if None.
        workers: Threads that read and prepare images and, on a CPU, explain them; the cores, at most 16, if None.
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
        hashes, errors = _explain(
            images, units, done, folder, _settings(images.height, units, batch_size, workers), _engine(engine, address)
        )
        images = images.with_columns(
            sha256=pl.Series(hashes, dtype=pl.String), error=pl.Series(errors, dtype=pl.String)
        )
        table = _assemble(images, units, read_index(folder))
        write_table(table, out / "explanations.parquet")
        _write_settings(out / "explain.json", units)
    _tell_gaps(table)
    return table


def _settings(images: int, units: list[Unit], batch_size: int | None, workers: int | None) -> Settings:
    workers = workers or min(cpu_count(), 16)
    runs = images * len({(id(unit.detector), unit.row["condition"]) for unit in units})
    size = batch_size or max(1, min(8, runs // workers))
    return Settings(size, workers, max(CHUNK, size * workers), runs >= workers)


def _engine(name: str, address: str | None) -> Engine:
    if name == "ray":
        from synthscope.inference.heatmaps.ray import explained as in_cluster

        return partial(in_cluster, address=address)
    return explained


def _explain(
    images: pl.DataFrame, units: list[Unit], done: Done, folder: Path, settings: Settings, engine: Engine
) -> tuple[list[str | None], list[str | None]]:
    """Write what is missing, and return the hash of every image and why it could not be read."""
    hashes: list[str | None] = []
    errors: list[str | None] = []
    rows = images["path", "sha256", "view", "error"].iter_rows()
    with Progress("explain", images.height) as progress:
        for seen, made in engine(rows, units, done, settings):
            write_part(folder, [each.row for each in made], [each.heatmap for each in made])
            hashes += [sha256 for sha256, _ in seen]
            errors += [error for _, error in seen]
            progress.advance(len(seen))
    return hashes, errors


def _assemble(images: pl.DataFrame, units: list[Unit], index: pl.DataFrame) -> pl.DataFrame:
    inputs = {id(unit.detector): unit.detector.config.input.model_dump_json() for unit in units}
    placed = {id(unit.detector): keeps_geometry(unit.detector) for unit in units}
    rows = []
    for number, unit in enumerate(units):
        config = unit.detector.config
        about: dict[str, Any] = {"input": inputs[id(unit.detector)] if placed[id(unit.detector)] else None}
        about |= {"threshold": config.threshold, "temperature": config.calibration.temperature}
        rows.append(unit.row | about | {"unit": number, "bias": config.calibration.bias})
    views = {view: str(parse_recipe(view)) for view in images["view"].unique()}
    table = (
        images.select(*IMAGE, "error")
        .with_columns(pl.col("view").replace_strict(views, return_dtype=pl.String))
        .with_row_index("image")
        .join(pl.DataFrame(rows, schema_overrides={"input": pl.String}), how="cross")
        .join(index, on=KEY, how="left")
        .sort("image", "unit")
    )
    p = calibrated(*(table[column].to_numpy() for column in ("logit", "temperature", "bias")))
    table = table.with_columns(p_ai=pl.Series(p).fill_nan(None))
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
        "versions": versions("torch", "timm") | encoder_versions(),
    }
    write_json(path, settings)
