"""Score images with detectors under degradations: a manifest in, one row an (image, detector, condition) out.

Work is kept by key in ``parts/``: a run that was killed goes on where it stopped, a new detector or condition computes
only what is new, and several machines can share the rows of one manifest. A run's table holds the rows of all calls.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.errors import SynthscopeError, UsageError
from synthscope.inference.parts import each_part, in_batches, one_run, write_part
from synthscope.inference.store import PART, ROWS_AT_ONCE, Answers, gather
from synthscope.inference.table import add_rows, check_table
from synthscope.runtime import Progress, seed_for, tune_allocator
from synthscope.runtime.told import printable
from synthscope.schema import MANIFEST, conform

if TYPE_CHECKING:
    from synthscope.detectors.base import Detector
    from synthscope.inference.engines.local import Result
    from synthscope.inference.plan import Plan
    from synthscope.inference.preparation import Prepared

SECONDS_BETWEEN_PARTS = 5.0  # what a kill can cost, beside the chunk in work
IMAGES_AT_ONCE = 1 << 16  # of which Python objects are held


def predict(
    manifest: pl.DataFrame,
    detectors: Sequence[str | Path | Detector],
    *,
    out: str | Path,
    conditions: list[str] | None = None,
    precision: str = "fp32",
    batch_size: int | None = None,
    workers: int | None = None,
    seed: int = 0,
    shard: tuple[int, int] | None = None,
    crops: str = "1",
    pool: str = "mean",
) -> pl.DataFrame:
    """Score every image of ``manifest`` with every detector under every condition.

    Neither the order of rows, nor ``batch_size``, ``workers`` or ``shard`` changes a logit by more than float32
    rounding. Files with identical bytes get identical results. Files that cannot be read become rows with an
    ``error``, and are tried again by the next run.

    Args:
        manifest: Columns of ``schema.MANIFEST``; only ``path`` must be filled. Rows with an ``error`` are not read.
        detectors: Specs for ``load_detector``, or detectors, which are moved to the best device and put in
            evaluation mode. They must not keep state from one call to the next.
        out: Run folder. Gets ``predictions.parquet``, ``run.json`` and ``parts/``.
        conditions: Degradation recipes, also ladders and named sets; clean images alone if None.
        precision: ``fp32``, or ``bf16`` or ``fp16`` under autocast; logits are stored as float32 in any case.
        batch_size: Inputs of one forward pass; at most 8 on a CPU, else 64, if None.
        workers: Threads that prepare images and, on a CPU, run detectors; the cores, at most 16, if None.
        seed: Of random degradations, together with the image's bytes.
        shard: (i, n): score only the i-th of n parts of the rows, by hash of the path.
        crops: ``1``, the detector's own; of detectors that crop native pixels also ``5`` (corners and centre) or
            ``grid`` (whole crops side by side, about the centre). Such logits belong to a detector of another id,
            ``NAME+5crops@…`` or ``NAME+grid@…``.
        pool: ``mean`` of the logits of all crops, or ``max``, which ``.max`` in the id says.

    Returns:
        Columns of ``schema.PREDICTIONS``, in order of manifest, detectors, conditions: the rows of this call. They
        are added to ``out/predictions.parquet``, in place of rows of the same path, subset, view, detector,
        preprocessing, condition and precision; all other rows stay. With ``shard``, only the rows of the shard, and
        nothing but parts is written, until all shards are there: then the whole table.

    Raises:
        UsageError: No images, detectors or conditions, the same detector twice, a bad recipe, view or number, or
            several crops for a detector that resizes images.
        SynthscopeError: A folder that cannot be written, a run whose files cannot be read, or a detector that does not
            return one logit an image.
    """
    answers = predict_run(
        manifest, detectors, out=out, conditions=conditions, precision=precision, batch_size=batch_size,
        workers=workers, seed=seed, shard=shard, crops=crops, pool=pool,
    )  # fmt: skip
    return pl.concat(list(answers.slices()))


def predict_run(
    manifest: pl.DataFrame,
    detectors: Sequence[str | Path | Detector],
    *,
    out: str | Path,
    conditions: list[str] | None,
    precision: str,
    batch_size: int | None,
    workers: int | None,
    seed: int,
    shard: tuple[int, int] | None,
    crops: str,
    pool: str,
) -> Answers:
    """:func:`predict` where a call has more rows than memory holds: ``slices()`` of what it returns makes them."""
    from synthscope.inference.crops import Crops
    from synthscope.inference.plan import make_plan
    from synthscope.inference.settings import read_settings, write_settings

    out, images = Path(out), _images(manifest)
    i, n = _check_shard(shard)
    mine = np.array([n == 1 or seed_for(path) % n == i for path in images["path"]])
    plan, units = make_plan(
        detectors,
        ["none"] if conditions is None else conditions,
        images=int(mine.sum()),
        precision=precision,
        batch_size=batch_size,
        workers=workers,
        seed=seed,
        crops=Crops(crops, pool),
    )
    folder, written = out / "parts", out / "predictions.parquet"
    settings = out / ("run.json" if shard is None else f"run-{i}-of-{n}.json")
    check_table(written)
    read_settings(settings)
    tune_allocator()
    with one_run(folder, None if shard is None else f"{i}-of-{n}"):
        start = time.monotonic()
        images, scorings = _score(images, mine, plan, units, folder)
        seconds = time.monotonic() - start
        answers = gather(images, units, _parts(folder))
        if answers.complete:
            add_rows(written, answers)
        elif n == 1:
            raise SynthscopeError(
                f"Expected a logit or an error for every image in {folder}, got fewer: parts have vanished during the "
                "run. See that the folder stays where it is and run again; what is missing is computed."
            )
        else:
            answers = answers.of(mine)
        _report(answers, scorings, seconds)
        write_settings(settings, plan, units, images.filter(pl.Series(mine)), scorings=scorings, seconds=seconds)
    return answers


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """``"i/n"`` as (i, n), counted from 0. Raises ``UsageError``.

    >>> parse_shard("0/4")
    (0, 4)
    """
    if text is None:
        return None
    first, _, last = text.partition("/")
    if not (first.isdecimal() and last.isdecimal()):
        raise UsageError(f"Expected a shard i/n such as 0/4, got {text!r}. Count i from 0 to n - 1.")
    _check_shard((int(first), int(last)))
    return int(first), int(last)


def _check_shard(shard: tuple[int, int] | None) -> tuple[int, int]:
    i, n = shard or (0, 1)
    if not 0 <= i < n:
        raise UsageError(f"Expected a shard i/n with 0 <= i < n, got {i}/{n}. Count i from 0 to n - 1.")
    return i, n


def _images(manifest: pl.DataFrame) -> pl.DataFrame:
    if manifest.is_empty():
        raise UsageError("Expected images to score, got an empty manifest. Check the source and the filter.")
    images = conform(manifest, MANIFEST, "the manifest").with_columns(pl.col("view").fill_null("none"))
    if images["path"].has_nulls():
        row = images["path"].is_null().arg_max()
        raise UsageError(
            f"Expected a path in every row of the manifest, got none in row {row}. Index the images again."
        )
    ids = {view: str(parse_recipe(view)) for view in images["view"].unique()}
    return images.with_columns(pl.col("view").replace_strict(ids, return_dtype=pl.String))


def _parts(folder: Path) -> Iterator[pl.DataFrame]:
    return in_batches(each_part(folder, PART, of="a prediction run"), ROWS_AT_ONCE)


def _score(
    images: pl.DataFrame, mine: NDArray[np.bool_], plan: Plan, units: pl.DataFrame, folder: Path
) -> tuple[pl.DataFrame, int]:
    """Do what is missing and add it to ``folder``.

    Returns:
        The images with the sha256 of every row, as far as it is known, and the number of new logits.
    """
    guessed = _with_recorded(images, folder)
    answers = gather(guessed, units, _parts(folder))
    unread = images["sha256"].is_null().to_numpy()
    todo = mine & images["error"].is_null().to_numpy() & (unread | answers.open)
    hashes = images["sha256"].to_list()
    scorings, fresh, written = 0, [], time.monotonic()
    with Progress("predict", int(todo.sum())) as progress:
        try:
            for prepared, results in _in_slices(images, todo, plan, answers):
                for image in prepared:
                    hashes[image.job.position] = image.sha256
                fresh += results
                scorings += sum(result.logit is not None for result in results)
                progress.advance(len(prepared))
                if time.monotonic() - written >= SECONDS_BETWEEN_PARTS:
                    _write(folder, fresh, units)
                    fresh, written = [], time.monotonic()
        finally:
            _write(folder, fresh, units)
    known = pl.DataFrame({"own": pl.Series(hashes, dtype=pl.String), "read": guessed["sha256"], "mine": mine})
    sha256 = pl.coalesce("own", pl.when(~pl.col("mine")).then("read"))
    return images.with_columns(sha256=known.select(sha256).to_series()), scorings


def _in_slices(
    images: pl.DataFrame, todo: NDArray[np.bool_], plan: Plan, answers: Answers
) -> Iterator[tuple[list[Prepared], list[Result]]]:
    """The chunks of all images to do; keys and jobs are Python objects for some images at a time only.

    What is read after another slice, and whose hash nobody knew before, does not see that slice's duplicates.
    """
    from synthscope.inference.engines.local import score
    from synthscope.inference.preparation import Job

    views = {view: parse_recipe(view) for view in images["view"].unique()}
    step = -(-IMAGES_AT_ONCE // plan.chunk) * plan.chunk  # batches are made up inside chunks
    for first in range(0, images.height, step):
        rows = range(first, min(first + step, images.height))
        here = images["path", "sha256", "view"][first : rows.stop]
        jobs = [
            Job(position, path, sha256, views[view])
            for position, (path, sha256, view) in zip(rows, here.iter_rows(), strict=True)
            if todo[position]
        ]
        if jobs:
            for prepared, results in score(jobs, plan, answers.finished(rows)):
                answers.learn([(one.image.job.position, one.image.sha256, one.unit, one.logit) for one in results])
                yield prepared, results


def _with_recorded(images: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The images with the sha256 that an earlier call has read where the manifest has none."""
    read = [part.select("path", read="sha256").drop_nulls().unique("path", keep="last") for part in _parts(folder)]
    last = pl.concat([pl.DataFrame(schema={"path": pl.String, "read": pl.String}), *read]).unique("path", keep="last")
    joined = images.join(last, on="path", how="left", maintain_order="left")
    return joined.with_columns(sha256=pl.coalesce("sha256", "read")).drop("read")


def _write(folder: Path, results: list[Result], units: pl.DataFrame) -> None:
    if not results:
        return
    rows = [
        (
            result.image.job.path,
            result.image.sha256,
            str(result.image.job.view),
            result.unit,
            result.logit,
            result.error,
        )
        for result in results
    ]
    schema = {name: PART[name] for name in ("path", "sha256", "view")} | {"unit": units.schema["unit"]}
    schema |= {name: PART[name] for name in ("logit", "error")}
    table = pl.DataFrame(rows, schema=schema, orient="row").join(units, on="unit")
    write_part(folder, conform(table, PART, "the part"))


def _report(answers: Answers, scorings: int, seconds: float) -> None:
    line = f"predict: {scorings} new scorings in {seconds:.1f} s ({scorings / max(seconds, 1e-9):.1f}/s)"
    paths, failures = answers.images["path"], answers.failures
    line += f", {answers.height} rows of {paths.n_unique()} images"
    if failures.any():
        failed = np.flatnonzero(failures)
        first = answers.slices(failed[:1])
        error = next(first)["error"].drop_nulls()[0]
        line += f", {failures.sum()} rows of {paths[failed].n_unique()} images failed"
        line += f" (first: {paths[failed][0]}: {error})"
    print(printable(line), file=sys.stderr)
