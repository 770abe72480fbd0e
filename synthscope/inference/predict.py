"""Score images with detectors under degradations: a manifest in, one row an (image, detector, condition) out.

Work is kept by key in ``parts/``: a run that was killed goes on where it stopped, a new detector or condition computes
only what is new, and several machines can share the rows of one manifest. A run's table holds the rows of all calls.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.errors import SynthscopeError, UsageError
from synthscope.inference.parts import one_run
from synthscope.inference.store import Answers, gather, read_logits
from synthscope.inference.table import add_rows, check_table
from synthscope.runtime import seed_for, tune_allocator
from synthscope.runtime.told import printable
from synthscope.schema import MANIFEST, conform

if TYPE_CHECKING:
    from synthscope.detectors.base import Detector
    from synthscope.inference.fill import Engine


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
    backend: str = "eager",
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
        precision: ``fp32``, ``bf16``, ``fp16``, or ``int8``, calibrated on the first images; logits are stored as
            float32 in any case.
        batch_size: Inputs of one forward pass; at most 8 on a CPU, else 64, if None.
        workers: Threads that prepare images and, on a CPU, run detectors; the cores, at most 16, if None.
        seed: Of random degradations, together with the image's bytes.
        shard: (i, n): score only the i-th of n parts of the rows, by hash of the path.
        crops: ``1``, the detector's own; of detectors that crop native pixels also ``5`` (corners and centre), ``10``
            (those and their mirror images) or ``grid`` (whole crops side by side, about the centre). Such logits
            belong to a detector of another id, ``NAME+5crops@…`` or ``NAME+grid@…``.
        pool: ``mean`` of the logits of all crops, or ``max``, which ``.max`` in the id says.
        backend: ``eager``, ``openvino``, ``onnx``, ``compile``, or ``auto``, the fastest after a short probe. All but
            eager float32 are compared with that on noise and the first images; ``run.json`` keeps what was found. A
            detector that a backend cannot take, or changes by more than rounding in float32, stays with eager.
        engine: ``local``, or ``ray`` for a cluster whose nodes can read the paths; with the same logits.
        address: Of the cluster, as ``ray.init`` takes it; ``RAY_ADDRESS``, else this machine alone, if None.

    Returns:
        Columns of ``schema.PREDICTIONS``, in order of manifest, detectors, conditions: the rows of this call. They
        are added to ``out/predictions.parquet``, in place of rows of the same path, subset, view, detector,
        preprocessing, condition, precision and backend; all other rows stay. With ``shard``, only the rows of the
        shard, and nothing but parts is written, until all shards are there: then the whole table.

    Raises:
        UsageError: No images, detectors or conditions, the same detector twice, a bad recipe, view or number,
            several crops for a detector that resizes images, a precision that the backend has not, or shards whose
            backend ``auto`` would choose.
        SynthscopeError: A folder that cannot be written, a run whose files cannot be read, or a detector that does not
            return one logit an image.
    """
    answers = predict_run(
        manifest, detectors, out=out, conditions=conditions, precision=precision, batch_size=batch_size,
        workers=workers, seed=seed, shard=shard, crops=crops, pool=pool, backend=backend,
        engine=engine, address=address,
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
    backend: str,
    engine: str,
    address: str | None,
) -> Answers:
    """:func:`predict` where a call has more rows than memory holds: ``slices()`` of what it returns makes them."""
    from synthscope.inference.crops import Crops
    from synthscope.inference.engines import check_engine
    from synthscope.inference.fill import fill
    from synthscope.inference.first import first_images
    from synthscope.inference.plan import make_plan
    from synthscope.inference.settings import read_settings, write_settings

    check_engine(engine, address)
    out, images = Path(out), _images(manifest)
    i, n = _check_shard(shard)
    if shard is not None and backend == "auto":
        raise UsageError("Expected a backend by name for shards, got auto, which may differ by machine. Name one.")
    mine = np.array([n == 1 or seed_for(path) % n == i for path in images["path"]])
    folder, written = out / "parts", out / "predictions.parquet"
    settings = out / ("run.json" if shard is None else f"run-{i}-of-{n}.json")
    plan, units = make_plan(
        detectors,
        ["none"] if conditions is None else conditions,
        images=int(mine.sum()),
        precision=precision,
        batch_size=batch_size,
        workers=workers,
        seed=seed,
        crops=Crops(crops, pool),
        backend=backend,
        first=partial(first_images, images, seed=seed),
        earlier=read_settings(settings).get("backends"),
    )
    check_table(written)
    tune_allocator()
    with one_run(folder, None if shard is None else f"{i}-of-{n}"):
        start = time.monotonic()
        images, scorings = fill(images, mine, plan, units, folder, _engine(engine, address))
        seconds = time.monotonic() - start
        answers = gather(images, units, read_logits(folder))
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


def _engine(name: str, address: str | None) -> Engine:
    if name == "ray":
        from synthscope.inference.engines.ray import score as in_cluster

        return partial(in_cluster, address=address)
    from synthscope.inference.engines.local import score

    return score


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
