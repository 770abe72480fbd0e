"""The causal test: do annotated artifacts change a detector's mind more than benign regions of the same shape do?

A heatmap that overlaps artifacts does not show that the detector needs them (X-AIGD leaves this open). Here they are
erased, and as a control so are regions of the same shape and area without artifacts. Erasing leaves traces of its own,
so the difference of the two is the figure to look at. Benign regions lie elsewhere and show other things, often
plainer ones; the twin of an image, drawn without artifacts, has no such difference, but only a sandbox has twins.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import torch

from synthscope.annotations.erase import FILLS
from synthscope.detectors.base import Detector
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.inference.parts import each_part, one_run, write_part
from synthscope.inference.plan import make_plan
from synthscope.runtime import Progress, tune_allocator
from synthscope.schema import MANIFEST, PREDICTIONS, conform, write_table
from synthscope.studies.erasure.plan import IMAGE, KEY, Run, annotated, key_of
from synthscope.studies.erasure.scores import erasure_scores
from synthscope.studies.erasure.values import VALUES, Row

SECONDS_BETWEEN_PARTS = 5.0  # what a kill can cost, beside the image in work
PART = pl.Schema(
    dict.fromkeys(KEY[:-2], pl.String)  # regions: hash of the annotation; twin: sha256, "none" without one
    | {"draws": pl.Int64, "seed": pl.Int64}
    | {name: VALUES[name] for name in VALUES if name != "fill"}
)
ERASURE = pl.Schema(
    {name: MANIFEST[name] for name in IMAGE}
    | {"threshold": PREDICTIONS["threshold"]}
    | {name: PART[name] for name in PART if name not in IMAGE}
    | {"error": pl.String}
)


def write_erasure(
    run: str | Path,
    images: pl.DataFrame,
    detectors: Sequence[str | Path | Detector],
    annotations: pl.DataFrame,
    *,
    fills: Sequence[str] = FILLS,
    draws: int = 3,
    twins: Mapping[str, str] | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """:func:`erase` into a run folder, and its scores beside it as ``erasure_scores.parquet``.

    Returns:
        Columns of ``ERASURE_SCORES``.

    Raises:
        SynthscopeError: As :func:`erase`, or no image could be scored; says what became of the first one.
    """
    table = erase(images, detectors, annotations, out=run, fills=fills, draws=draws, twins=twins, seed=seed)
    scores = erasure_scores(table, seed=seed)
    if scores.is_empty():
        row = table.row(0, named=True)
        raise SynthscopeError(
            f"Expected images with artifacts that can be erased, got {table['path'].n_unique()} that cannot. The first "
            f"is {row['path']}: {row['error'] or row['excluded']}. Check images and annotations."
        )
    write_table(scores, Path(run) / "erasure_scores.parquet")
    return scores


def erase(
    images: pl.DataFrame,
    detectors: Sequence[str | Path | Detector],
    annotations: pl.DataFrame,
    *,
    out: str | Path,
    fills: Sequence[str] = FILLS,
    draws: int = 3,
    twins: Mapping[str, str] | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """Logits of annotated images as they are, with artifacts erased and with benign regions erased.

    A run that was stopped goes on where it was. Memory does not grow with the number of images.

    Args:
        images: Columns of ``schema.MANIFEST``; AI-generated ones with at least one annotated region are used.
        detectors: Specs for ``load_detector``, or detectors, which are moved to the best device.
        annotations: Table of :mod:`synthscope.annotations`; images are found by ``path``, or by ``sha256``.
        out: Run folder. Gets ``erasures/`` and ``erasure.parquet``.
        fills: Names in :data:`synthscope.annotations.erase.FILLS`.
        draws: Benign regions an image, whose effects are averaged.
        twins: Path of an image -> path of the same picture without artifacts, seen in the same view. Adds the fill
            ``repair`` and what erasing does to the twin.
        batch_size: Versions of an image that a detector gets at once; at most 8 on a CPU, else 64, if None.
        seed: Of the benign regions and of random views, together with the image's bytes.

    Returns:
        Columns of ``ERASURE``: for each image, detector and fill a row for all artifacts, and one for each category of
        them; rows with an ``error`` are tried again by the next run.

    Raises:
        UsageError: An unknown fill, no draws, no detectors, the same twice.
        SynthscopeError: No image with an annotated region.
    """
    _check(fills, draws)
    plan, units = make_plan(
        detectors, ["none"], images=8, precision="fp32", batch_size=batch_size, workers=1, seed=seed
    )
    run = Run(plan, units.to_dicts(), tuple(fills), draws)
    used = annotated(conform(images, MANIFEST, "the manifest"), annotations)
    folder = Path(out) / "erasures"
    tune_allocator()
    with one_run(folder):
        done = set(_read(folder).select(KEY).iter_rows())
        lines: list[Row] = []
        fresh: list[Row] = []
        written = time.monotonic()
        with Progress("erase", len(used)) as progress, torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            try:
                for image, regions in used:
                    own, values = run.image(image, regions, (twins or {}).get(image["path"]), done)
                    lines += own
                    fresh += values
                    done |= {key_of(row) for row in values}
                    if time.monotonic() - written >= SECONDS_BETWEEN_PARTS:
                        _write(folder, fresh)
                        fresh, written = [], time.monotonic()
                    progress.advance()
            finally:
                _write(folder, fresh)
        index = pl.DataFrame(lines, schema={name: ERASURE[name] for name in [*IMAGE, "threshold", *KEY[2:], "error"]})
        table = index.join(_read(folder), on=KEY, how="left", maintain_order="left_right")
        table = conform(table, ERASURE, "the erasures")
        write_table(table, Path(out) / "erasure.parquet")
    return table


def _check(fills: Sequence[str], draws: int) -> None:
    for fill in fills:
        if fill not in FILLS:
            raise UsageError(f"Expected a fill, got {fill!r}. {suggest(fill, FILLS)}")
    if not fills or len(set(fills)) < len(fills):
        raise UsageError(f"Expected fills, each once, got {', '.join(fills) or 'none'}. Name some of {FILLS}.")
    if draws < 1:
        raise UsageError(f"Expected at least 1 benign region an image, got {draws}. Raise it.")


def _write(folder: Path, rows: list[Row]) -> None:
    write_part(folder, conform(pl.DataFrame(rows, infer_schema_length=None), PART, "the part"))


def _read(folder: Path) -> pl.DataFrame:
    """All parts, each key once, the oldest."""
    parts = pl.concat(each_part(folder, PART, of="erasures"))
    return parts.unique([*KEY, "category"], keep="first", maintain_order=True)
