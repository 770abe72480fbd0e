"""What a benchmark would do, in exact numbers: trainings, passes of prediction, and what can be seen to fail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import polars as pl

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.floors import METADATA
from synthscope.benchmarking.rows import Failure, Tested, Training, attempt, passes, trainings
from synthscope.benchmarking.views import seen_tests
from synthscope.data.audit import MOST_DECODED, MOST_HISTORIES
from synthscope.data.manifest import sample
from synthscope.training.data import choose


@dataclass(frozen=True)
class TrainingWork:
    """One training in numbers."""

    run: Training
    images: int  # to train on
    held_out: int
    epochs: int
    steps: int
    decodes: int
    bytes: int  # to read from files

    @property
    def seen(self) -> int:
        """Images that pass through the network in training."""
        return self.steps * self.images // max(math.ceil(self.images / self.run.recipe.batch_size), 1)

    @property
    def at_most(self) -> bool:
        """Whether a rule may end it sooner."""
        return self.run.recipe.schedule.name == "plateau_drop" or self.run.recipe.stop_after is not None


@dataclass(frozen=True)
class PassWork:
    """One pass of prediction in numbers."""

    view: str
    images: int
    detectors: tuple[str, ...]
    conditions: tuple[str, ...]
    bytes: int

    @property
    def forwards(self) -> int:
        """Forward passes, one an image, detector and condition."""
        return self.images * len(self.detectors) * len(self.conditions)


@dataclass(frozen=True)
class Work:
    """All that a benchmark would do."""

    trainings: list[TrainingWork]
    passes: list[PassWork]
    audited: int  # images decoded for the audit and the metadata floor
    failures: list[Failure]  # that can be foreseen


def count(config: BenchmarkConfig, training: pl.DataFrame, testing: pl.DataFrame) -> Work:
    """All that ``config`` would do with these images."""
    failures: list[Failure] = []
    planned = trainings(config, training, failures)
    parts: dict[tuple[str, str, str], tuple[pl.DataFrame, pl.DataFrame] | None] = {}
    seen = seen_tests(config, testing)[0]
    works, tested = [], {view: Tested() for view in config.views}
    for run in planned:
        key = run.subset, run.view, run.recipe.data.model_dump_json()
        if key not in parts:
            call = partial(choose, run.images(training), run.recipe.data)
            parts[key] = attempt(call, failures, name=run.name, step="train", subset=run.subset, view=run.view)
        if (chosen := parts[key]) is not None:
            works.append(_training_work(run, *chosen))
            tested[run.view][run.name] = run.learns
    for specs in tested.values():
        specs |= dict.fromkeys(config.detectors)
    predicted = [
        PassWork(view, rows.height, tuple(map(str, specs)), tuple(conditions), total_bytes(rows))
        for view in config.views
        for rows, specs, conditions in passes(config, seen[view].filter(pl.col("error").is_null()), tested, view)
    ]
    aligned = [view for view in config.views if view != "none"]
    audited = len(aligned) * sample(testing, ("subset", "label"), n=MOST_DECODED).height
    audited += len(config.views) * sample(testing, ("subset", "label"), n=MOST_HISTORIES).height
    if METADATA in config.floors and works:
        learnt = pl.concat([training.clear(), *(run.learns.of(training) for run in planned)]).unique("path")
        audited += len(aligned) * (testing.height + sample(learnt, ("subset", "label"), n=MOST_DECODED).height)
    return Work(works, predicted, audited, failures)


def _training_work(run: Training, train: pl.DataFrame, held_out: pl.DataFrame) -> TrainingWork:
    recipe, images = run.recipe, train.height + held_out.height
    per_epoch = math.ceil(train.height / recipe.batch_size)
    steps = per_epoch if run.floor else recipe.steps or (recipe.epochs or 0) * per_epoch
    epochs = math.ceil(steps / per_epoch)
    both = pl.concat([train, held_out])
    pixels = both.select((pl.col("width").cast(pl.Int64) * pl.col("height") * 3).sum()).item()
    kept = min(1.0, recipe.data.cache_megabytes * 2**20 / max(pixels, 1))
    decodes = round(images * (kept + (1 - kept) * epochs))
    read = round(total_bytes(both) * decodes / images)
    return TrainingWork(run, train.height, held_out.height, epochs, steps, decodes, read)


def total_bytes(images: pl.DataFrame) -> int:
    """Of the files, as far as they are known."""
    return int(images["bytes"].sum() or 0)
