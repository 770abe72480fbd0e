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
from synthscope.config import load_recipe
from synthscope.data.degrade.recipe import expand
from synthscope.data.manifest import in_every_subset, with_view
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.runtime.told import printable
from synthscope.training.config import TrainConfig

T = TypeVar("T")
Tested = dict[str | Path, str | None]  # detector folder or spec -> subset it was trained on; None = trained elsewhere
TOGETHER = "all"  # as a subset to train on: all of them as one


@dataclass(frozen=True)
class Training:
    """One detector to train on one subset in one view."""

    name: str  # of its folder
    kind: str  # the row's name
    recipe: TrainConfig
    subset: str
    view: str
    floor: bool = False  # solved in closed form, listed below the detectors
    start: str | None = None  # name of the training from whose backbone to start

    def images(self, training: pl.DataFrame) -> pl.DataFrame:
        """Its rows of the training images: the subset, and the real images that belong to every subset."""
        return with_view(of_subset(training, self.subset), self.view)

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
    rows: list[tuple[str, TrainConfig, list[str], str | None]] = []
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
        rows.append((name, recipe, _subsets(config, name, wanted, known, failures), row.start))
    found = [run for view in config.views for row in rows for run in _runs(config, view, *row)]
    if "spectrum_lr" in config.floors:
        floor = load_recipe(TrainConfig, "spectrum_lr", package="synthscope.training")
        subsets = list(dict.fromkeys(subset for *_, subsets, _ in rows for subset in subsets))
        for view in config.views:
            for run in _runs(config.model_copy(update={"seeds": []}), view, floor.name, floor, subsets, None):
                found.append(replace(run, floor=True))
    return found


def _subsets(
    config: BenchmarkConfig, name: str, wanted: list[str], known: list[str], failures: list[Failure]
) -> list[str]:
    """Those of ``wanted`` that there are; the others are noted."""
    subsets = []
    for subset in (known or wanted) if wanted == ["*"] else wanted:
        if subset in known or (subset == TOGETHER and known):
            subsets.append(subset)
        else:
            got = f"got {subset!r}. {suggest(subset, known)}"
            error = UsageError(f"Expected a subset of the training images ({config.train_where}), {got}")
            note(Failure(f"{name}.{plain(subset)}", "train", error, subset), failures)
    return subsets


def _runs(
    config: BenchmarkConfig, view: str, row: str, recipe: TrainConfig, subsets: list[str], start: str | None
) -> Iterator[Training]:
    """The trainings of one row in one view."""
    for subset in subsets:
        for seed in config.seeds or (None,):
            end = f".{plain(subset)}{tag(config.views, view)}" + ("" if seed is None else f".seed{seed}")
            changes = {"name": row + end} | ({} if seed is None else {"seed": seed})
            named = recipe.model_copy(update=changes)
            yield Training(row + end, row, named, subset, view, start=None if start is None else start + end)


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
    for subset in dict.fromkeys(own.values()):
        rows = testing if subset is None else of_subset(testing, subset)
        if rows.is_empty():  # trained on a generator that has no test images
            continue
        yield rows, [spec for spec, trained_on in own.items() if trained_on == subset], degradations


def of_subset(images: pl.DataFrame, subset: str) -> pl.DataFrame:
    """One subset, with the real images that belong to every subset; ``TOGETHER`` are all of them."""
    if subset == TOGETHER and TOGETHER not in images["subset"]:
        return images
    return images.filter((pl.col("subset") == subset) | in_every_subset())


def plain(subset: str) -> str:
    """A subset as part of a folder's name: tables may hold anything there, slashes too.

    >>> plain("../mine (2)")
    '.._mine_2_'
    """
    return re.sub(r"[^\w.-]+", "_", subset)


def tag(views: list[str], view: str) -> str:
    """End of the names of detectors trained in a view.

    >>> [tag(["none", "lr:64", "lr:32"], view) for view in ("none", "lr:64")], tag(["none", "lr:64"], "lr:64")
    (['', '.aligned1'], '.aligned')
    """
    others = [other for other in views if other != "none"]
    if view == "none":
        return ""
    return ".aligned" if len(others) == 1 else f".aligned{others.index(view) + 1}"
