"""From the heatmaps of a run and annotations to ``explanation_scores.parquet``.

No detector runs again, so a measure can be corrected or added later.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from synthscope.annotations import rows_by_image
from synthscope.annotations.targets import Target, read_with_size, seen_targets, targets
from synthscope.data.in_work import image_task
from synthscope.detectors.input import Placed
from synthscope.errors import SynthscopeError
from synthscope.inference.heatmaps.store import read_heatmap
from synthscope.runtime import track
from synthscope.runtime.threads import in_threads
from synthscope.schema import read_table, with_group, write_table
from synthscope.scoring.heatmaps.stability import STABILITY, stability
from synthscope.scoring.heatmaps.summary import UNIT, VALUES, summarise_values
from synthscope.scoring.heatmaps.values import (
    MEASURES,
    Floats,
    baseline_values,
    check_conditions,
    check_measures,
    localization,
    over_image,
    overlap,
)


def write_heatmap_scores(
    run: str | Path,
    annotations: pl.DataFrame | None = None,
    *,
    measures: Sequence[str] = MEASURES,
    workers: int | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """Score the heatmaps of a run folder and write ``explanation_scores.parquet`` into it.

    Args:
        run: Folder that ``explain`` wrote.
        annotations: Table of :mod:`synthscope.annotations`; images are found by ``path``, or by ``sha256``.
            Without it, only the stability across conditions is measured.
        measures: Names in ``LOCALIZATION``.
        workers: Threads; the cores if None.
        seed: Of the intervals.

    Returns:
        Columns of ``HEATMAP_SCORES``, all over the pixels that the detector sees. Measures of ``LOCALIZATION`` are
        means over images with such a region there. ``micro_…`` are counts of pixels over all annotated images, heatmaps
        cut at half of their range (X-AIGD's audit of detectors, at the size of the image). ``stability_…`` compare with
        the heatmap of the clean image.

    Raises:
        UsageError: A condition that crops.
        SynthscopeError: No heatmaps, an unknown measure, or no image that could be scored.
    """
    run = Path(run)
    scores = summarise_values(heatmap_values(run, annotations, measures=measures, workers=workers), seed=seed)
    write_table(scores, run / "explanation_scores.parquet")
    return scores


def heatmap_values(
    run: str | Path,
    annotations: pl.DataFrame | None = None,
    *,
    measures: Sequence[str] = MEASURES,
    workers: int | None = None,
) -> pl.DataFrame:
    """What :func:`write_heatmap_scores` averages: columns of ``VALUES``, one row an image, heatmap and measure.

    ``micro`` rows hold counts of pixels instead of a value. Arguments and errors are the same.
    """
    run = Path(run)
    check_measures(measures)
    if not (run / "explanations.parquet").is_file():
        raise SynthscopeError(f"Expected explanations.parquet in {run}, got none. Run synthscope explain first.")
    table = with_group(read_table(run / "explanations.parquet")).unique(["path", *UNIT], maintain_order=True)
    table = table.filter(pl.col("error").is_null() & pl.col("input").is_not_null() & pl.col("part").is_not_null())
    conditions = table["condition"].unique().to_list()
    check_conditions(conditions)
    marked = {} if annotations is None else rows_by_image(annotations)
    images: list[tuple[pl.DataFrame, pl.DataFrame | None]] = []
    for image in table.partition_by("path", "view", maintain_order=True):
        rows = marked.get(image["path"][0], marked.get(image["sha256"][0]))
        if rows is not None or len(conditions) > 1:
            images.append((image, rows))
    if not images:
        raise SynthscopeError(
            "Expected annotated images or several conditions, got neither. Check that the annotations name the images "
            "by path or sha256, or add --degrade."
        )
    values: list[dict[str, Any]] = []
    work = in_threads(lambda pair: _image_values(run / "heatmaps", *pair, measures), images, workers)
    for found in track(work, "score heatmaps", len(images)):
        values += found
    return pl.DataFrame(values, schema=VALUES)


@image_task()
def _image_values(
    folder: Path, table: pl.DataFrame, annotations: pl.DataFrame | None, measures: Sequence[str]
) -> list[dict[str, Any]]:
    """Everything that is to be averaged of one image's heatmaps; columns of ``VALUES``."""
    first = table.row(0, named=True)
    rgb, size = read_with_size(first["path"], first["view"], first["seed"])
    whole = [] if annotations is None else targets(annotations, size, first["view"])
    kind = None if annotations is None else "+".join(sorted(annotations["gt_kind"].drop_nulls().unique())) or None
    looked: dict[str, tuple[list[Target], list[dict[str, Floats]]]] = {}  # one entry for each part that is seen
    rows: list[dict[str, Any]] = []
    clean: dict[tuple[str, ...], Placed] = {}
    for row in sorted(table.iter_rows(named=True), key=lambda row: row["condition"] != "none"):
        placed = over_image(read_heatmap(folder, row), row, rgb.shape)
        common = {name: row[name] for name in ("path", "group", "generator", *UNIT)}
        window = placed.window
        if annotations is not None and str(window) not in looked:
            found = seen_targets(whole, annotations, size, first["view"], window)
            looked[str(window)] = found, baseline_values(rgb[window], found, measures)
        for target, baselines in zip(*looked.get(str(window), ([], [])), strict=True):
            rows += _target_values(common | {"gt_kind": kind}, placed.heat[window], target, baselines, measures)
        unit = tuple(row[name] for name in ("detector", "explainer", "layer"))
        if row["condition"] == "none":
            clean[unit] = placed
        elif unit in clean:
            same = zip(STABILITY, stability(clean[unit], placed), strict=True)
            rows += [common | {"metric": metric, "value": value} for metric, value in same]
    return rows


def _target_values(
    common: dict[str, Any], heat: Floats, target: Target, baselines: dict[str, Floats], measures: Sequence[str]
) -> list[dict[str, Any]]:
    """One heatmap against one target, both cut to what the detector sees."""
    marked = target.regions > 0 or target.unseen > 0
    named = common | {"category": target.category, "level": target.level, "n_instances": target.regions}
    named |= {"unseen": target.unseen if marked else None}
    rows: list[dict[str, Any]] = []
    if target.category is None and target.level is None:
        counts = zip(("tp", "fp", "fn"), overlap(heat, target.mask), strict=True)
        rows.append(named | {"metric": "micro", "pixels": heat.size} | dict(counts))
    for index, value in enumerate(localization(heat, target.mask, measures) if marked else []):
        chance = {f"baseline_{name}": float(column[index]) for name, column in baselines.items()}
        rows.append(named | {"metric": measures[index], "value": value} | chance)
    return rows
