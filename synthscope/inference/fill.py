"""The work of a prediction run: what it lacks is computed, image by image, and added to its parts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synthscope.data.degrade.recipe import parse_recipe
from synthscope.inference.parts import write_part
from synthscope.inference.store import PART, Answers, gather, read_logits
from synthscope.runtime import Progress
from synthscope.schema import conform

if TYPE_CHECKING:
    from synthscope.inference.engines.local import Result
    from synthscope.inference.plan import Done, Plan
    from synthscope.inference.preparation import Job, Prepared

    Engine = Callable[[Iterable[Job], Plan, Done], Iterator[tuple[list[Prepared], list[Result]]]]

SECONDS_BETWEEN_PARTS = 5.0  # what a kill can cost, beside the chunk in work
IMAGES_AT_ONCE = 1 << 16  # of which Python objects are made
IN_WORK = 1 << 16  # images, at least, whose keys are known to an engine that is still busy with them


def fill(
    images: pl.DataFrame, mine: NDArray[np.bool_], plan: Plan, units: pl.DataFrame, folder: Path, score: Engine
) -> tuple[pl.DataFrame, int]:
    """Compute what is missing and add it to ``folder``.

    Args:
        images: Manifest rows.
        mine: ``(n,)`` rows that this call computes.
        plan: What for each of them.
        units: The same as a table, see ``make_plan``.
        folder: Of the parts.
        score: The engine, such as :func:`synthscope.inference.engines.local.score`.

    Returns:
        The images with the sha256 of every row, as far as it is known, and the number of new logits.
    """
    guessed = _with_recorded(images, folder)
    answers = gather(guessed, units, read_logits(folder))
    unread = images["sha256"].is_null().to_numpy()
    todo = mine & images["error"].is_null().to_numpy() & (unread | answers.open)
    hashes = images["sha256"].to_list()
    scorings, fresh, written = 0, [], time.monotonic()
    with Progress("predict", int(todo.sum())) as progress:
        try:
            done: Done = {}
            for prepared, results in score(_jobs(images, todo, answers, done), plan, done):
                answers.learn([(one.image.job.position, one.image.sha256, one.unit, one.logit) for one in results])
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


def _jobs(images: pl.DataFrame, todo: NDArray[np.bool_], answers: Answers, done: Done) -> Iterator[Job]:
    """All images to do; keys and jobs are Python objects for some images at a time only.

    ``done`` has the keys of the slice that the jobs are of, and of the last ``IN_WORK`` images. What is read after
    those, and whose hash nobody knew before, does not see its duplicates.
    """
    from synthscope.inference.preparation import Job

    views = {view: parse_recipe(view) for view in images["view"].unique()}
    known: deque[list[tuple[str, str]]] = deque()  # all keys at the beginning of a slice
    for first in range(0, images.height, IMAGES_AT_ONCE):
        rows = range(first, min(first + IMAGES_AT_ONCE, images.height))
        if len(known) * IMAGES_AT_ONCE > IN_WORK:
            for key in known.popleft():
                done.pop(key, None)
        known.append(list(done))
        done.update(answers.finished(rows))
        here = images["path", "sha256", "view"].with_columns(earlier=answers.images["sha256"])[first : rows.stop]
        for position, (path, sha256, view, earlier) in zip(rows, here.iter_rows(), strict=True):
            if todo[position]:
                yield Job(position, path, sha256, views[view], earlier)


def _with_recorded(images: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The images with the sha256 that an earlier call has read where the manifest has none."""
    read = [part.select("path", read="sha256").drop_nulls().unique("path", keep="last") for part in read_logits(folder)]
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
