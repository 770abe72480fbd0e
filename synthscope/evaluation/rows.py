"""What a benchmark trains and tests, one detector at a time. One that fails is noted, and the rest goes on."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from synthscope.config import load_recipe
from synthscope.data.degrade import expand
from synthscope.data.manifest import in_every_subset, with_view
from synthscope.errors import SynthscopeError, UsageError, suggest
from synthscope.evaluation.config import BenchmarkConfig
from synthscope.training.config import TrainConfig

T = TypeVar("T")
Tested = dict[str | Path, str | None]  # detector folder or spec -> subset it was trained on; None = trained elsewhere


@dataclass(frozen=True)
class Training:
    """One detector to train on one subset in one view."""

    name: str  # of its folder
    kind: str  # the recipe's own name
    recipe: TrainConfig
    subset: str
    view: str
    floor: bool  # solved in closed form, listed below the detectors

    def images(self, training: pl.DataFrame) -> pl.DataFrame:
        """Its rows of the training images: the subset, and the real images that belong to every subset."""
        return with_view(of_subset(training, self.subset), self.view)


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
        if not isinstance(error, SynthscopeError):
            traceback.print_exc()
        note(Failure(name, step, error, subset, view), failures)
        return None


def note(failure: Failure, failures: list[Failure]) -> None:
    """Add a failure and tell it at once."""
    failures.append(failure)
    print(f"failed: {failure.step} {failure.name}: {failure.sentence}", file=sys.stderr)


def trainings(config: BenchmarkConfig, training: pl.DataFrame, failures: list[Failure]) -> list[Training]:
    """All detectors to train, view by view, the floor ``spectrum_lr`` behind the others.

    Subsets that the images don't have are added to ``failures``.

    Raises:
        UsageError: An unknown or broken training recipe.
    """
    known = training["subset"].drop_nulls().unique(maintain_order=True).to_list()
    pairs = []
    for row in config.train:
        recipe = load_recipe(TrainConfig, row.recipe, package="synthscope.training", overrides=row.overrides)
        wanted = config.subsets if row.subsets is None else row.subsets
        for subset in (known or wanted) if wanted == ["*"] else wanted:
            if subset in known:
                pairs.append((recipe, subset, False))
            else:
                got = f"got {subset!r}. {suggest(subset, known)}"
                error = UsageError(f"Expected a subset of the training images ({config.train_where}), {got}")
                note(Failure(f"{recipe.name}.{plain(subset)}", "train", error, subset), failures)
    if "spectrum_lr" in config.floors:
        floor = load_recipe(TrainConfig, "spectrum_lr", package="synthscope.training")
        pairs += [(floor, subset, True) for subset in dict.fromkeys(subset for _, subset, _ in pairs)]
    found = []
    for view in config.views:
        for recipe, subset, is_floor in pairs:
            name = f"{recipe.name}.{plain(subset)}{tag(config.views, view)}"
            named = recipe.model_copy(update={"name": name})
            found.append(Training(name, recipe.name, named, subset, view, is_floor))
    return found


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
    """One subset, with the real images that belong to every subset."""
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
