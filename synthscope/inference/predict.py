"""Score images with detectors under degradations: a manifest in, one row an (image, detector, condition) out.

Work is kept by key in ``parts/``: a run that was killed goes on where it stopped, a new detector or condition computes
only what is new, and several machines can share the rows of one manifest. A run's table holds the rows of all calls.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.errors import UsageError
from synthscope.inference.parts import one_run, read_parts, write_part
from synthscope.inference.store import PART, add_rows, assemble, check_table, finished
from synthscope.runtime import Progress, seed_for, tune_allocator
from synthscope.runtime.told import printable
from synthscope.schema import MANIFEST, conform

if TYPE_CHECKING:
    from synthscope.detectors.base import Detector
    from synthscope.inference.engines.local import Result
    from synthscope.inference.plan import Done, Plan
    from synthscope.inference.preparation import Job, Prepared

    Engine = Callable[[Iterable[Job], Plan, Done], Iterator[tuple[list[Prepared], list[Result]]]]

SECONDS_BETWEEN_PARTS = 5.0  # what a kill can cost, beside the chunk in work


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
    engine: str = "local",
    address: str | None = None,
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
        engine: ``local``, or ``ray`` for a cluster whose nodes can read the paths; with the same logits.
        address: Of the cluster, as ``ray.init`` takes it; ``RAY_ADDRESS``, else this machine alone, if None.

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
    from synthscope.inference.crops import Crops
    from synthscope.inference.engines import check_engine
    from synthscope.inference.plan import make_plan
    from synthscope.inference.settings import read_settings, write_settings

    check_engine(engine, address)
    out, images = Path(out), _images(manifest)
    i, n = _check_shard(shard)
    mine = [seed_for(path) % n == i for path in images["path"]]
    plan, units = make_plan(
        detectors,
        ["none"] if conditions is None else conditions,
        images=sum(mine),
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
        hashes, scorings = _score(images, mine, plan, units, folder, _engine(engine, address))
        seconds = time.monotonic() - start
        images = images.with_columns(sha256=pl.Series(hashes, dtype=pl.String))
        table = assemble(images, units, read_parts(folder, PART, of="a prediction run"))
        complete = bool(table["answered"].all())
        if not complete:
            table = table.filter(pl.Series(mine).gather(pl.int_range(table.height, eager=True) // units.height))
        table = table.drop("answered")
        if complete:
            add_rows(written, table)
        _report(table, scorings, seconds)
        write_settings(settings, plan, units, images.filter(pl.Series(mine)), scorings=scorings, seconds=seconds)
    return table


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


def _engine(name: str, address: str | None) -> Engine:
    if name == "ray":
        from synthscope.inference.engines.ray import score as in_cluster

        return partial(in_cluster, address=address)
    from synthscope.inference.engines.local import score

    return score


def _score(
    images: pl.DataFrame, mine: list[bool], plan: Plan, units: pl.DataFrame, folder: Path, score: Engine
) -> tuple[list[str | None], int]:
    """Do what is missing and add it to ``folder``.

    Returns:
        The sha256 of every row, as far as it is known, and the number of new logits.
    """
    from synthscope.inference.preparation import Job

    parts = read_parts(folder, PART, of="a prediction run")
    done = finished(parts, units)
    views = {view: parse_recipe(view) for view in images["view"].unique()}
    jobs = [
        Job(position, path, sha256, views[view])
        for position, (path, sha256, view, error) in enumerate(images["path", "sha256", "view", "error"].iter_rows())
        if mine[position] and error is None and (sha256 is None or plan.missing(done, sha256, views[view]))
    ]
    elsewhere = dict(parts["path", "sha256"].drop_nulls().iter_rows()) if not all(mine) else {}
    hashes = [
        sha256 if sha256 is not None or own else elsewhere.get(path)
        for path, sha256, own in zip(images["path"], images["sha256"], mine, strict=True)
    ]
    scorings, fresh, written = 0, [], time.monotonic()
    with Progress("predict", len(jobs)) as progress:
        try:
            for prepared, results in score(jobs, plan, done):
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
    return hashes, scorings


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


def _report(table: pl.DataFrame, scorings: int, seconds: float) -> None:
    line = f"predict: {scorings} new scorings in {seconds:.1f} s ({scorings / max(seconds, 1e-9):.1f}/s)"
    failed = table.filter(pl.col("error").is_not_null())
    line += f", {table.height} rows of {table['path'].n_unique()} images"
    if failed.height:
        line += f", {failed.height} rows of {failed['path'].n_unique()} images failed"
        line += f" (first: {failed['path'][0]}: {failed['error'][0]})"
    print(printable(line), file=sys.stderr)
