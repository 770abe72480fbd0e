"""What a benchmark trains and tests, one detector at a time. One that fails is noted, and the rest goes on."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from synthscope.benchmarking.config import BenchmarkConfig
from synthscope.benchmarking.training_sets import TrainingSet, training_sets
from synthscope.config import load_recipe
from synthscope.data.align.views import PROTOCOLS, RAW, seen_through
from synthscope.data.degrade.recipe import expand
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.runtime.told import printable
from synthscope.training.config import TrainConfig

T = TypeVar("T")
Tested = dict[
    str | Path, TrainingSet | None
]  # detector folder or spec -> what it learnt from; None = trained elsewhere


@dataclass(frozen=True)
class Training:
    """One detector to train on one set in one view."""

    name: str  # of its folder
    kind: str  # the row's name
    recipe: TrainConfig
    learns: TrainingSet
    view: str
    floor: bool = False  # solved in closed form, listed below the detectors
    start: str | None = None  # name of the training from whose backbone to start

    @property
    def subset(self) -> str:
        """Name of what it learns from."""
        return self.learns.name

    def images(self, training: pl.DataFrame) -> pl.DataFrame:
        """Its rows of the training images."""
        return seen_through(self.learns.of(training), self.view, by="split", seed=self.recipe.seed)[0]

    def with_files(self, detectors: Path, regions: Path | None) -> Training:
        """The same, with the folder to start from and, where the recipe names none, the annotations."""
        changes = {} if self.start is None else {"init_from": str(detectors / self.start)}
        if self.recipe.uses_masks and self.recipe.annotations is None and regions is not None:
            changes["annotations"] = str(regions)
        return replace(self, recipe=self.recipe.model_copy(update=changes))


@dataclass(frozen=True)
class Failure:
    """One part of a benchmark that could not be done."""

    name: str  # of a detector, or the pair to compare
    step: str  # train | load | test | compare
    error: Exception
    subset: str | None = None
    view: str | None = None

    def row(self) -> dict[str, Any]:
        """Plain values for ``failures.json``."""
        return {"name": self.name, "step": self.step, "subset": self.subset, "view": self.view, "error": self.sentence}

    @property
    def sentence(self) -> str:
        """The error's own sentence, or one around an error that nobody foresaw."""
        if isinstance(self.error, SynthscopeError):
            return str(self.error)
        reason = (str(self.error).strip() or "no reason").splitlines()[0]
        return f"Expected to {self.step} {self.name}, got {type(self.error).__name__}: {reason}. See the lines above."


def attempt(
    call: Callable[[], T],
    failures: list[Failure],
    *,
    name: str,
    step: str,
    subset: str | None = None,
    view: str | None = None,
) -> T | None:
    """Result of ``call``; None after an error, which is told on stderr and added to ``failures``."""
    try:
        return call()
    except Exception as error:  # a night's other rows must not be lost to whatever one of them runs into
        if not isinstance(error, SynthscopeError | OSError):
            traceback.print_exc()
        note(Failure(name, step, error, subset, view), failures)
        return None


def note(failure: Failure, failures: list[Failure]) -> None:
    """Add a failure and tell it at once."""
    failures.append(failure)
    print(printable(f"failed: {failure.step} {failure.name}: {failure.sentence}"), file=sys.stderr)


def trainings(config: BenchmarkConfig, training: pl.DataFrame, failures: list[Failure]) -> list[Training]:
    """All detectors to train, view by view and row by row, the floor ``spectrum_lr`` behind the others.

    Subsets that the images don't have are added to ``failures``.

    Raises:
        UsageError: An unknown or broken training recipe, two rows of one name, or a start that is no row above.
    """
    known = training["subset"].drop_nulls().unique(maintain_order=True).to_list()
    rows: list[tuple[str, TrainConfig, list[TrainingSet], str | None]] = []
    for row in config.train:
        file = row.recipe.replace("{scale}", config.scale)
        recipe = load_recipe(TrainConfig, file, package="synthscope.training", overrides=row.overrides)
        name = row.name or recipe.name
        earlier = [known_row for known_row, *_ in rows]
        if name in earlier:
            raise UsageError(f"Expected a name of its own for every row of train, got {name!r} twice. Add a name.")
        if row.start is not None and row.start not in earlier:
            advice = suggest(row.start, earlier)
            raise UsageError(f"Expected a row above in start of {name}, got {row.start!r}. {advice}")
        wanted = config.subsets if row.subsets is None else row.subsets
        rows.append((name, recipe, _sets(config, name, wanted, known, failures), row.start))
    views = config.train_views or config.views
    found = [run for view in views for row in rows for run in _runs(config, view, *row)]
    if "spectrum_lr" in config.floors:
        floor = load_recipe(TrainConfig, "spectrum_lr", package="synthscope.training")
        sets = list(dict.fromkeys(learns for *_, sets, _ in rows for learns in sets))
        for view in views:
            for run in _runs(config.model_copy(update={"seeds": []}), view, floor.name, floor, sets, None):
                found.append(replace(run, floor=True))
    return found


def _sets(
    config: BenchmarkConfig, name: str, wanted: list[str], known: list[str], failures: list[Failure]
) -> list[TrainingSet]:
    """What the row ``name`` is to be trained on; what there is not is noted."""

    def failed(word: str, error: UsageError) -> None:
        note(Failure(f"{name}.{plain(word)}", "train", error, word), failures)

    return training_sets(wanted, known, config.families, failed, where=config.train_where)


def _runs(
    config: BenchmarkConfig, view: str, row: str, recipe: TrainConfig, sets: list[TrainingSet], start: str | None
) -> Iterator[Training]:
    """The trainings of one row in one view."""
    for learns in sets:
        for seed in config.seeds or (None,):
            end = f".{plain(learns.name)}{tag(config.views, view)}" + ("" if seed is None else f".seed{seed}")
            changes = {"name": row + end} | ({} if seed is None else {"seed": seed})
            named = recipe.model_copy(update=changes)
            yield Training(row + end, row, named, learns, view, start=None if start is None else start + end)


def check_detector(spec: str) -> str:
    """``spec``, whose detector can be loaded and gives one logit for an image.

    Raises:
        SynthscopeError: It cannot; also whatever a detector from a file of one's own raises.
    """
    import numpy as np
    import torch

    from synthscope.detectors.hub import load_detector

    detector = load_detector(spec)
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    with torch.inference_mode():
        logits = detector(detector.preprocess(noise)[None])
    if logits.shape != (1,):
        raise SynthscopeError(
            f"Expected one logit an image from {spec}, got the shape {tuple(logits.shape)}. Mend its forward."
        )
    return spec


def passes(
    config: BenchmarkConfig, testing: pl.DataFrame, tested: dict[str, Tested], view: str
) -> Iterator[tuple[pl.DataFrame, list[str | Path], list[str]]]:
    """(images, detectors, conditions) to predict for one view; together they cover the recipe."""
    own, first = tested[view], tested[config.views[0]]
    degradations = [condition for condition in expand(config.conditions) if condition != "none"]
    if own | first:
        yield testing, list(own | first), ["none"]
    if not degradations or not own:
        return
    if config.degrade == "all":
        yield testing, list(own), degradations
        return
    for learnt in dict.fromkeys(own.values()):
        rows = testing if learnt is None else learnt.of(testing) if config.degrade == "own" else learnt.others(testing)
        if rows.is_empty():  # such as those of a generator that has no test images
            continue
        yield rows, [spec for spec, trained_on in own.items() if trained_on == learnt], degradations


def plain(subset: str) -> str:
    """A subset as part of a folder's name: tables may hold anything there, slashes too.

    >>> plain("../mine (2)")
    '.._mine_2_'
    """
    return re.sub(r"[^\w.-]+", "_", subset)


def tag(views: list[str], view: str) -> str:
    """End of the names of detectors trained in a view.

    >>> [tag(["none", "aligned", "lr:64", "lr:32"], view) for view in ("none", "aligned", "lr:64", "lr:32")]
    ['', '.aligned', '.view1', '.view2']
    """
    if view == RAW:
        return ""
    recipes = [other for other in views if other != RAW and other not in PROTOCOLS]
    return f".{view}" if view in PROTOCOLS else f".view{recipes.index(view) + 1}"
